//! Model calls of a search: budget, clock, meter, checks, observers.

use std::time::Instant;

use super::{Children, SearchContext};
use crate::candidates::{Candidate, Candidates, Coverage};
use crate::error::ModelError;
use crate::meter::Role;
use crate::observer::{ModelCall, TreeChange};
use crate::port::ModelPort;
use crate::reply::Reply;
use crate::reward::ChildReward;
use crate::search_error::{SearchError, SearchErrorKind};
use crate::session::Session;
use crate::stop::StopReason;
use crate::token::Token;
use crate::tree::NodeId;
use crate::work::Work;

impl SearchContext<'_> {
    /// Asks the policy for the candidates of nodes, in one batch. No nodes, no call.
    ///
    /// # Errors
    ///
    /// A failed policy, a node that has ended, a spent budget.
    pub fn propose(&mut self, nodes: &[NodeId]) -> Result<Vec<Candidates>, SearchError> {
        let sessions = nodes.iter().map(|node| self.policy_session(&self.tree.tokens(self.tree.growing(*node)?)?));
        let sessions = sessions.collect::<Result<Vec<_>, _>>()?;
        let candidates = self.propose_sessions(&sessions)?;
        for (node, candidates) in nodes.iter().zip(&candidates) {
            self.observer.on_propose(*node, candidates);
        }
        Ok(candidates)
    }

    /// The candidates behind responses that need not be nodes of the tree, in one batch: what the
    /// policy would say next, had it said each of them. Observers see the call and no candidates.
    ///
    /// # Errors
    ///
    /// As [`propose`](Self::propose); tokens that the vocabulary does not have.
    pub fn propose_responses(&mut self, responses: &[Vec<Token>]) -> Result<Vec<Candidates>, SearchError> {
        let sessions = responses.iter().map(|response| self.policy_session(response));
        let sessions = sessions.collect::<Result<Vec<_>, _>>()?;
        self.propose_sessions(&sessions)
    }

    fn propose_sessions(&mut self, sessions: &[Session]) -> Result<Vec<Candidates>, SearchError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let filter = self.settings.filter.clone();
        let candidates = self.call(Role::Policy, sessions.len(), |port| port.propose(sessions, &filter))?;
        let truncated = candidates.iter().filter(|candidates| candidates.coverage == Coverage::Truncated).count();
        self.meter.record_truncated(truncated as u64);
        Ok(candidates)
    }

    /// Asks the reward model for the rewards of nodes' candidates, in one batch.
    ///
    /// # Errors
    ///
    /// A failed reward model, lists that do not belong together, a spent budget.
    pub fn score(&mut self, nodes: &[NodeId], candidates: &[Candidates]) -> Result<Vec<Vec<ChildReward>>, SearchError> {
        let sessions = self.sessions(nodes)?;
        let rewards = self.score_sessions(nodes, &sessions, candidates)?;
        if let Some(scored) = &mut self.scored {
            let lists = candidates.iter().zip(&rewards).map(|(candidates, rewards)| Children::of(candidates, rewards));
            scored.extend(nodes.iter().copied().zip(lists));
        }
        Ok(rewards)
    }

    /// The rewards of candidates behind the sessions of nodes, whatever state these are in.
    fn score_sessions(
        &mut self,
        nodes: &[NodeId],
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Vec<Vec<ChildReward>>, SearchError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        check_count("candidate lists", sessions.len(), candidates.len(), Role::Reward)?;
        let rewards = self.call(Role::Reward, sessions.len(), |port| port.score(sessions, candidates))?;
        for (session, (rewards, candidates)) in rewards.iter().zip(candidates).enumerate() {
            check_count("rewards of a session", candidates.len(), rewards.len(), Role::Reward)?;
            check_rewards(session, rewards, candidates)?;
        }
        for (node, (candidates, rewards)) in nodes.iter().zip(candidates.iter().zip(&rewards)) {
            self.observer.on_score(*node, candidates, rewards);
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
        let children = candidates.iter().zip(&rewards).map(|(candidates, rewards)| Children::of(candidates, rewards));
        Ok(nodes.iter().copied().zip(children).collect())
    }

    /// The rewards of nodes themselves: each is scored as a child of its parent, all of a parent in
    /// one session, so that a multifurcation reward model is asked once a parent. What has a reward
    /// is not asked for again. An end-of-sequence token that the reward model has not seen scores
    /// what stands before it; other unseen tokens, and the root, have no reward. Nodes that have
    /// ended, and nodes below them, are rated too.
    ///
    /// # Errors
    ///
    /// An unknown node, a failed reward model, a spent budget.
    pub fn rate(&mut self, nodes: &[NodeId]) -> Result<Vec<Option<f32>>, SearchError> {
        self.rate_new(nodes)?;
        let ends: Vec<(NodeId, NodeId)> = nodes.iter().filter_map(|node| self.unseen_end(*node)).collect();
        self.rate_new(&ends.iter().map(|(_, parent)| *parent).collect::<Vec<_>>())?;
        for (node, parent) in ends {
            if let Some(reward) = self.tree.reward(parent)? {
                self.enter_reward(node, reward)?;
            }
        }
        nodes.iter().map(|node| self.tree.reward(*node)).collect()
    }

    /// The parent of a node whose end-of-sequence token the reward model has not seen.
    fn unseen_end(&self, node: NodeId) -> Option<(NodeId, NodeId)> {
        let token = self.tree.token(node).ok()??;
        let ends = self.settings.filter.end_tokens.contains(&token);
        self.unrated(node).ok()?.filter(|_| ends).map(|parent| (node, parent))
    }

    /// The parent of a node that has no reward yet and may have one.
    fn unrated(&self, node: NodeId) -> Result<Option<NodeId>, SearchError> {
        let rated = self.tree.reward(node)?.is_some();
        Ok(self.tree.parent(node)?.filter(|_| !rated))
    }

    /// Asks for the rewards of those nodes that have none.
    fn rate_new(&mut self, nodes: &[NodeId]) -> Result<(), SearchError> {
        let families = self.families(nodes)?;
        let parents: Vec<NodeId> = families.iter().map(|(parent, _)| *parent).collect();
        let candidates = families.iter().map(|(_, children)| self.as_candidates(children));
        let candidates = candidates.collect::<Result<Vec<_>, _>>()?;
        // The strategy may have closed the parents: their children have rewards all the same.
        let sessions = parents.iter().map(|parent| self.session(*parent)).collect::<Result<Vec<_>, _>>()?;
        let rewards = self.score_sessions(&parents, &sessions, &candidates)?;
        for ((_, children), (candidates, rewards)) in families.iter().zip(candidates.iter().zip(rewards)) {
            for node in children {
                let token = self.tree.token(*node)?;
                let mut pairs = candidates.tokens().zip(&rewards);
                let reward = pairs.find(|(other, _)| Some(*other) == token).and_then(|(_, reward)| reward.seen());
                reward.map_or(Ok(()), |reward| self.enter_reward(*node, reward))?;
            }
        }
        Ok(())
    }

    /// The nodes that have no reward, under their parents, both in the order of their first mention.
    fn families(&self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Vec<NodeId>)>, SearchError> {
        let mut families: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
        for node in nodes {
            let Some(parent) = self.unrated(*node)? else { continue };
            match families.iter_mut().find(|(other, _)| *other == parent) {
                Some((_, children)) if children.contains(node) => {}
                Some((_, children)) => children.push(*node),
                None => families.push((parent, vec![*node])),
            }
        }
        Ok(families)
    }

    /// The tokens of siblings as their parent's candidates.
    fn as_candidates(&self, siblings: &[NodeId]) -> Result<Candidates, SearchError> {
        let mut ranked: Vec<Candidate> = Vec::new();
        for node in siblings {
            let Some(token) = self.tree.token(*node)? else { continue };
            if ranked.iter().all(|candidate| candidate.token != token) {
                ranked.push(Candidate { token, logprob: self.tree.own_logprob(*node)? });
            }
        }
        ranked.sort_by(|a, b| b.logprob.total_cmp(&a.logprob).then(a.token.cmp(&b.token)));
        let mass = ranked.iter().map(|candidate| candidate.logprob.exp()).sum::<f32>().min(1.0);
        Ok(Candidates { ranked, mass, coverage: Coverage::Truncated })
    }

    fn enter_reward(&mut self, node: NodeId, reward: f32) -> Result<(), SearchError> {
        self.tree.set_reward(node, reward)?;
        self.change(&TreeChange::Rated { node, reward });
        Ok(())
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
        let wall = self.port.wall().unwrap_or_else(|| begun.elapsed());
        self.meter.record(role, &reply.work, wall);
        check_count("answers of a batch", sessions, reply.value.len(), role)?;
        let work: Work = reply.total();
        self.observer.on_call(&ModelCall { role, sessions, work });
        Ok(reply.value)
    }
}

fn model_error(role: Role, source: ModelError) -> SearchError {
    match source {
        ModelError::Halted(stop) => SearchErrorKind::Halted(stop).into(),
        source => SearchErrorKind::Model { role, source }.into(),
    }
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
