//! The only door from a strategy to the models. It counts what passes, keeps the budget, grows the tree and tells observers.

mod asking;
mod child;
mod models;
mod result;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::budget::Budget;
use crate::error::ConfigError;
use crate::filter::CandidateFilter;
use crate::meter::{ComputeMeter, Role, Usage};
use crate::observer::{Level, SearchObserver, TreeChange};
use crate::port::ModelPort;
use crate::search_error::{SearchError, SearchErrorKind};
use crate::session::Session;
use crate::stop::StopReason;
use crate::token::Token;
use crate::tree::{NodeId, SearchTree};
use crate::verdict::Verdict;

pub use child::{Child, Children};

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

impl ContextSettings {
    /// Whether a search can be run with them.
    ///
    /// # Errors
    ///
    /// The first setting that cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.filter.check()?;
        if self.max_new_tokens == 0 { Err(ConfigError::Zero { what: "max_new_tokens" }) } else { Ok(()) }
    }
}

/// What a strategy works through. Everything it hands out is owned.
pub struct SearchContext<'a> {
    pub(crate) port: &'a mut dyn ModelPort,
    pub(crate) observer: &'a mut dyn SearchObserver,
    settings: ContextSettings,
    pub(crate) session: Session,
    tree: SearchTree,
    meter: ComputeMeter,
    rng: ChaCha8Rng,
    answer: Option<NodeId>,
    stopped: Option<StopReason>,
    beam: Vec<(NodeId, Option<f32>)>,
    levels: usize,
    /// Changes of the tree so far.
    pub(crate) changes: u64,
    verdict: Verdict,
    /// What the policy is asked under, where that is not the search's own prompt.
    framed: Option<Session>,
    /// What is shown in the answer's place.
    replacement: Option<String>,
    /// Scored candidates that nobody has taken yet, if they are kept.
    scored: Option<Vec<(NodeId, Children)>>,
}

impl std::fmt::Debug for SearchContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchContext").field("settings", &self.settings).field("tree", &self.tree).finish()
    }
}

impl<'a> SearchContext<'a> {
    /// A context at the root of a search.
    pub(crate) fn at_root(
        port: &'a mut dyn ModelPort,
        observer: &'a mut dyn SearchObserver,
        session: Session,
        settings: ContextSettings,
    ) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(settings.seed ^ prompt_hash(&session));
        Self {
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
            verdict: Verdict::default(),
            framed: None,
            replacement: None,
            scored: None,
        }
    }
}

impl SearchContext<'_> {
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

    /// Random numbers of one of a prompt's samples: the same for a sample whatever the others do and however many there are. Stream 0
    /// begins as [`rng`](Self::rng) does.
    #[must_use]
    pub fn stream(&self, sample: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed ^ prompt_hash(&self.session));
        rng.set_stream(sample);
        rng
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
        let session = self.session.with_response(response);
        session.map_err(|source| SearchErrorKind::Model { role: Role::Policy, source }.into())
    }

    /// Appends a child to a node and returns the new node. It has ended when the token ends sequences or the response has its
    /// full length; otherwise it is open.
    ///
    /// # Errors
    ///
    /// An unknown node, or one that has ended.
    pub fn grow(&mut self, node: NodeId, child: Child) -> Result<NodeId, SearchError> {
        let Child { token, logprob, reward } = child;
        let new = self.tree.add(node, token, logprob, reward.seen())?;
        self.change(&TreeChange::Grown { node: new, parent: node, token, logprob, reward: reward.seen() });
        if self.settings.filter.end_tokens.contains(&token) {
            self.close(new, StopReason::EndOfSequence(token))?;
        } else if self.tree.depth(new)? >= self.settings.max_new_tokens {
            self.close(new, StopReason::MaxNewTokens)?;
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
        self.tree.end(node, stop)?;
        self.change(&TreeChange::Ended { node, stop });
        Ok(())
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

    /// Puts a text in the answer's place, as [`Outcome::replacement`](crate::Outcome::replacement):
    /// a refusal, say. `None` takes it back. A strategy that does so says it in
    /// [`SearchStrategy::may_replace`](crate::SearchStrategy::may_replace).
    pub fn replace_answer(&mut self, text: Option<String>) {
        self.replacement = text;
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

    fn change(&mut self, change: &TreeChange) {
        self.changes += 1;
        self.observer.on_change(change);
    }
}

/// FNV-1a over prompt and prefill: the same on every machine and in every run.
fn prompt_hash(session: &Session) -> u64 {
    let tokens = session.prompt().iter().chain(&[Token::MAX]).chain(session.prefill());
    tokens
        .flat_map(|token| token.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
