//! The only door from a strategy to the models. It counts what passes, keeps the budget, grows the tree and tells observers.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::{
    BeamEntry, Budget, CandidateFilter, Candidates, ChildReward, ComputeMeter, ConfigError, Hypothesis, Level,
    ModelCall, ModelError, ModelPort, NodeId, NodeState, Outcome, Reply, Role, Run, SearchError, SearchErrorKind,
    SearchObserver, SearchStart, SearchTree, Session, StopReason, Token, Usage, Work,
};

/// What a search may do, whatever its strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextSettings {
    /// Which next tokens the policy may propose.
    pub filter: CandidateFilter,
    /// Longest response, in tokens.
    pub max_new_tokens: usize,
    /// What the search may cost.
    pub budget: Budget,
    /// Seed of [`SearchContext::rng`]; mixed with the prompt, so that a prompt's numbers do not depend on its place in a run.
    pub seed: u64,
}

/// One candidate with its reward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Child {
    /// The token.
    pub token: Token,
    /// The policy's log-probability.
    pub logprob: f32,
    /// Its reward.
    pub reward: ChildReward,
}

/// The scored candidates of one node, most probable first.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// The candidates in rank order.
    pub ranked: Vec<Child>,
}

impl Children {
    /// The seen candidate of highest reward; among equals the more probable, then the lower token id. None if all are unseen.
    #[must_use]
    pub fn best(&self) -> Option<Child> {
        let seen = self.ranked.iter().filter_map(|child| child.reward.seen().map(|reward| (reward, child)));
        seen.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, child)| *child)
    }
}

/// What a strategy works through. Everything it hands out is owned.
pub struct SearchContext<'a> {
    port: &'a mut dyn ModelPort,
    observer: &'a mut dyn SearchObserver,
    settings: ContextSettings,
    session: Session,
    tree: SearchTree,
    meter: ComputeMeter,
    rng: ChaCha8Rng,
    answer: Option<NodeId>,
    stopped: Option<StopReason>,
    beam: Vec<(NodeId, Option<f32>)>,
    levels: usize,
    changes: u64,
}

impl std::fmt::Debug for SearchContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchContext").field("settings", &self.settings).field("tree", &self.tree).finish()
    }
}

impl<'a> SearchContext<'a> {
    /// A context at the root of a new search. Empty [`CandidateFilter::end_tokens`] are filled in from the policy.
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with.
    pub fn new(
        port: &'a mut dyn ModelPort,
        observer: &'a mut dyn SearchObserver,
        session: &Session,
        mut settings: ContextSettings,
    ) -> Result<Self, SearchError> {
        settings.filter.check()?;
        if settings.max_new_tokens == 0 {
            return Err(ConfigError::Zero { what: "max_new_tokens" }.into());
        }
        if settings.filter.end_tokens.is_empty() {
            settings.filter.end_tokens = port.end_tokens();
        }
        let rng = ChaCha8Rng::seed_from_u64(settings.seed ^ prompt_hash(session));
        let session = session.with_run(Run::new());
        Ok(Self {
            port,
            observer,
            settings,
            session,
            tree: SearchTree::default(),
            meter: ComputeMeter::default(),
            rng,
            answer: None,
            stopped: None,
            beam: Vec::new(),
            levels: 0,
            changes: 0,
        })
    }

    /// The nodes that may still grow and have no children, in order of creation.
    #[must_use]
    pub fn open(&self) -> Vec<NodeId> {
        self.tree.open().collect()
    }

    /// The tree so far.
    #[must_use]
    pub fn tree(&self) -> &SearchTree {
        &self.tree
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &ContextSettings {
        &self.settings
    }

    /// What the search has cost so far.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        self.meter.usage()
    }

    /// Random numbers of this prompt.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// The session of a node: the prompt with the node's response.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn session(&self, node: NodeId) -> Result<Session, SearchError> {
        let response = [self.session.response(), &self.tree.tokens(node)?].concat();
        self.session.with_response(response).map_err(|source| model_error(Role::Policy, source))
    }

    /// Asks the policy for the candidates of nodes, in one batch. No nodes, no call.
    ///
    /// # Errors
    ///
    /// A failed policy, a node that has ended, a spent budget.
    pub fn propose(&mut self, nodes: &[NodeId]) -> Result<Vec<Candidates>, SearchError> {
        let sessions = self.sessions(nodes)?;
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let filter = self.settings.filter.clone();
        self.call(Role::Policy, sessions.len(), |port| port.propose(&sessions, &filter))
    }

    /// Asks the reward model for the rewards of nodes' candidates, in one batch.
    ///
    /// # Errors
    ///
    /// A failed reward model, lists that do not belong together, a spent budget.
    pub fn score(&mut self, nodes: &[NodeId], candidates: &[Candidates]) -> Result<Vec<Vec<ChildReward>>, SearchError> {
        let sessions = self.sessions(nodes)?;
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        check_count("candidate lists", sessions.len(), candidates.len(), Role::Reward)?;
        let rewards = self.call(Role::Reward, sessions.len(), |port| port.score(&sessions, candidates))?;
        for (session, (rewards, candidates)) in rewards.iter().zip(candidates).enumerate() {
            check_count("rewards of a session", candidates.len(), rewards.len(), Role::Reward)?;
            check_rewards(session, rewards, candidates)?;
        }
        Ok(rewards)
    }

    /// Candidates and rewards of nodes: one policy call, one reward call.
    ///
    /// # Errors
    ///
    /// As [`propose`](Self::propose) and [`score`](Self::score).
    pub fn score_children(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Children)>, SearchError> {
        let candidates = self.propose(nodes)?;
        let rewards = self.score(nodes, &candidates)?;
        let children = candidates.iter().zip(rewards).map(|(candidates, rewards)| Children {
            ranked: (candidates.ranked.iter().zip(rewards))
                .map(|(candidate, reward)| Child { token: candidate.token, logprob: candidate.logprob, reward })
                .collect(),
        });
        Ok(nodes.iter().copied().zip(children).collect())
    }

    /// Appends a child to a node and returns the new node. It has ended when the token ends sequences or the response has its
    /// full length; otherwise it is open.
    ///
    /// # Errors
    ///
    /// An unknown node, or one that has ended.
    pub fn grow(&mut self, node: NodeId, child: Child) -> Result<NodeId, SearchError> {
        let new = self.tree.add(node, child.token, child.logprob, child.reward.seen())?;
        self.changes += 1;
        if self.settings.filter.end_tokens.contains(&child.token) {
            self.tree.end(new, StopReason::EndOfSequence(child.token))?;
        } else if self.tree.depth(new)? >= self.settings.max_new_tokens {
            self.tree.end(new, StopReason::MaxNewTokens)?;
        }
        Ok(new)
    }

    /// [`grow`](Self::grow) for a strategy that does not need the new node.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn extend(&mut self, node: NodeId, child: Child) -> Result<(), SearchError> {
        self.grow(node, child).map(|_| ())
    }

    /// Ends a node.
    ///
    /// # Errors
    ///
    /// An unknown node, or one that has already ended.
    pub fn close(&mut self, node: NodeId, stop: StopReason) -> Result<(), SearchError> {
        self.changes += 1;
        self.tree.end(node, stop)
    }

    /// Declares the answer so far. Without it the answer is the leaf of highest reward.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn answer(&mut self, node: NodeId) -> Result<(), SearchError> {
        self.tree.depth(node)?;
        self.answer = Some(node);
        Ok(())
    }

    /// Declares why the search as a whole ended, where the answer's own reason would not say it.
    pub fn stop(&mut self, stop: StopReason) {
        self.stopped = Some(stop);
    }

    /// Tells observers of a complete level: the beam in its own order, each node with the reward kept for it.
    ///
    /// # Errors
    ///
    /// An unknown node; a halt, if an observer asks for one.
    pub fn level(&mut self, beam: &[(NodeId, Option<f32>)]) -> Result<(), SearchError> {
        let entries = beam.iter().map(|(node, reward)| self.entry(*node, *reward)).collect::<Result<_, _>>()?;
        let level = Level { index: self.levels, beam: entries };
        self.beam = beam.to_vec();
        self.levels += 1;
        self.changes += 1;
        match self.observer.on_level(&level) {
            std::ops::ControlFlow::Continue(()) => Ok(()),
            std::ops::ControlFlow::Break(()) => Err(SearchErrorKind::Halted(StopReason::Observer).into()),
        }
    }

    /// Tells observers that the search begins.
    pub fn announce(&mut self, strategy: String) {
        let start = SearchStart {
            strategy,
            reward: self.port.describe_rewards(),
            prompt: self.session.prompt().to_vec(),
            prefill: self.session.prefill().to_vec(),
            max_new_tokens: self.settings.max_new_tokens,
        };
        self.observer.on_start(&start);
    }

    /// Number of changes to the tree so far; a step that leaves it as it is has done nothing.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The result as it stands. `stop` says why the whole search ended; `None` takes the answer's own reason.
    ///
    /// # Errors
    ///
    /// None in a context that strategies used through its methods.
    pub fn outcome(&self, strategy: String, stop: Option<StopReason>) -> Result<Outcome, SearchError> {
        let node = self.answer.unwrap_or_else(|| self.best_leaf());
        let kept = self.beam.iter().find(|(other, reward)| *other == node && reward.is_some());
        let best = self.hypothesis(node, kept.and_then(|(_, reward)| *reward).or(self.tree.reward(node)?))?;
        let beam = self.beam.iter().map(|(node, reward)| self.hypothesis(*node, *reward));
        let beam: Vec<Hypothesis> = beam.collect::<Result<_, _>>()?;
        Ok(Outcome {
            stop: stop.or(self.stopped).or(best.stop).unwrap_or(StopReason::Strategy),
            beam: if beam.is_empty() { vec![best.clone()] } else { beam },
            best,
            usage: *self.meter.usage(),
            strategy,
            reward: self.port.describe_rewards(),
        })
    }

    /// Tells observers that the search has ended.
    pub fn finish(&mut self, outcome: &Outcome) {
        self.observer.on_finish(outcome);
    }

    /// The leaf of highest reward, the first created of equals; leaves without a reward come last.
    fn best_leaf(&self) -> NodeId {
        let reward = |node: NodeId| self.tree.reward(node).ok().flatten().unwrap_or(f32::NEG_INFINITY);
        let leaves = self.tree.leaves();
        leaves.reduce(|best, next| if reward(next) > reward(best) { next } else { best }).unwrap_or(NodeId::ROOT)
    }

    fn hypothesis(&self, node: NodeId, reward: Option<f32>) -> Result<Hypothesis, SearchError> {
        let (tokens, logprob) = (self.tree.tokens(node)?, self.tree.logprob(node)?);
        Ok(Hypothesis { tokens, reward, logprob, stop: self.stop_of(node)? })
    }

    fn entry(&self, node: NodeId, reward: Option<f32>) -> Result<BeamEntry, SearchError> {
        Ok(BeamEntry { node, tokens: self.tree.tokens(node)?, reward, stop: self.stop_of(node)? })
    }

    fn stop_of(&self, node: NodeId) -> Result<Option<StopReason>, SearchError> {
        Ok(match self.tree.state(node)? {
            NodeState::Ended(stop) => Some(stop),
            NodeState::Open | NodeState::Inner => None,
        })
    }

    fn sessions(&self, nodes: &[NodeId]) -> Result<Vec<Session>, SearchError> {
        nodes.iter().map(|node| self.tree.growing(*node).and_then(|node| self.session(node))).collect()
    }

    /// One batched model call: budget, clock, meter, observer.
    fn call<T>(
        &mut self,
        role: Role,
        sessions: usize,
        ask: impl FnOnce(&mut dyn ModelPort) -> Result<Reply<Vec<T>>, ModelError>,
    ) -> Result<Vec<T>, SearchError> {
        if let Some(limit) = self.settings.budget.spent(role, self.meter.usage()) {
            return Err(SearchErrorKind::Halted(StopReason::Budget(limit)).into());
        }
        let begun = Instant::now();
        let reply = ask(self.port).map_err(|source| model_error(role, source))?;
        self.meter.record(role, &reply.work, begun.elapsed());
        check_count("answers of a batch", sessions, reply.value.len(), role)?;
        let work: Work = reply.total();
        self.observer.on_call(&ModelCall { role, sessions, work });
        Ok(reply.value)
    }
}

fn model_error(role: Role, source: ModelError) -> SearchError {
    SearchErrorKind::Model { role, source }.into()
}

fn check_count(what: &'static str, expected: usize, found: usize, role: Role) -> Result<(), SearchError> {
    if expected == found {
        return Ok(());
    }
    Err(model_error(role, ModelError::BatchMismatch { what, expected, found }))
}

fn check_rewards(session: usize, rewards: &[ChildReward], candidates: &Candidates) -> Result<(), SearchError> {
    let numbers = rewards.iter().zip(candidates.tokens()).filter_map(|(reward, token)| Some((reward.seen()?, token)));
    match numbers.into_iter().find(|(value, _)| value.is_nan()) {
        Some((value, token)) => {
            Err(model_error(Role::Reward, ModelError::NotANumber { what: "rewards", session, token, value }))
        }
        None => Ok(()),
    }
}

/// FNV-1a over prompt and prefill: the same on every machine and in every run.
fn prompt_hash(session: &Session) -> u64 {
    let tokens = session.prompt().iter().chain(&[Token::MAX]).chain(session.prefill());
    tokens
        .flat_map(|token| token.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
