//! A wrapper that counts calls.

use std::sync::Arc;

use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::filter::CandidateFilter;
use crate::policy::Policy;
use crate::reply::Reply;
use crate::reward::{ChildReward, MultifurcationRewardModel, OutcomeRewardModel, ProcessRewardModel};
use crate::session::Session;
use crate::token::Token;
use crate::vocabulary::Vocabulary;

/// Any model, with its calls and the sessions in them counted.
///
/// ```
/// use saffron_core::testing::{Counting, TablePolicy};
/// use saffron_core::{CandidateFilter, Policy};
/// let mut policy = Counting::new(TablePolicy::new(vec![0.0, 1.0], vec![0]));
/// let session = policy.inner.session(&[1])?;
/// policy.propose(&[session.clone(), session], &CandidateFilter::default())?;
/// assert_eq!((policy.calls, policy.sessions), (1, 2));
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Counting<M> {
    /// The model.
    pub inner: M,
    /// Calls so far.
    pub calls: usize,
    /// Sessions in those calls.
    pub sessions: usize,
}

impl<M> Counting<M> {
    /// Nothing counted yet.
    pub fn new(inner: M) -> Self {
        Self { inner, calls: 0, sessions: 0 }
    }

    fn count(&mut self, sessions: &[Session]) -> &mut M {
        self.calls += 1;
        self.sessions += sessions.len();
        &mut self.inner
    }
}

impl<M: Policy> Policy for Counting<M> {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.inner.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.inner.end_tokens()
    }

    fn reply_header(&self) -> Vec<Token> {
        self.inner.reply_header()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.count(sessions).propose(sessions, filter)
    }
}

impl<M: ProcessRewardModel> ProcessRewardModel for Counting<M> {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.count(sessions).process_rewards(sessions)
    }
}

impl<M: OutcomeRewardModel> OutcomeRewardModel for Counting<M> {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.count(sessions).outcome_rewards(sessions)
    }
}

impl<M: MultifurcationRewardModel> MultifurcationRewardModel for Counting<M> {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        self.count(sessions).child_rewards(sessions, candidates)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
