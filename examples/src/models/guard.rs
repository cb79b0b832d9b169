//! A guard that runs here or behind a server.

use std::sync::Arc;

use saffron_core::{Forget, ModelError, OutcomeRewardModel, ProcessRewardModel, Reply, Session, Vocabulary};
use saffron_mrm::GuardRewardModel;
use saffron_mrm::text::TextTokenizer;
use saffron_search::remote::RemoteGuard;

/// A guard that a command line or a configuration names.
#[derive(Debug)]
pub enum NamedGuard {
    /// A model that runs here, with its tokenizer.
    Local(Box<GuardRewardModel>, Arc<TextTokenizer>),
    /// A served model with its tokenizer, or without: then the server tokenises.
    Served(Box<RemoteGuard>, Option<Arc<TextTokenizer>>),
}

impl NamedGuard {
    /// The vocabulary of its own tokens.
    #[must_use]
    pub fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        match self {
            Self::Local(_, tokenizer) => tokenizer.clone(),
            Self::Served(guard, _) => guard.vocabulary(),
        }
    }
}

impl ProcessRewardModel for NamedGuard {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        match self {
            Self::Local(guard, _) => guard.process_rewards(sessions),
            Self::Served(guard, _) => guard.process_rewards(sessions),
        }
    }
}

impl OutcomeRewardModel for NamedGuard {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        match self {
            Self::Local(guard, _) => guard.outcome_rewards(sessions),
            Self::Served(guard, _) => guard.outcome_rewards(sessions),
        }
    }
}

impl Forget for NamedGuard {
    fn forget(&mut self) {
        match self {
            Self::Local(guard, _) => guard.forget(),
            Self::Served(guard, _) => guard.forget(),
        }
    }
}
