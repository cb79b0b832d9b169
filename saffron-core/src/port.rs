//! The way from a search context to the models. A context sees only a port, so it cannot tell whether its calls go straight
//! to the models or are gathered with those of other searches.

use std::sync::Arc;
use std::time::Duration;

use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::filter::CandidateFilter;
use crate::policy::Policy;
use crate::reply::Reply;
use crate::reward::ChildReward;
use crate::scorer::ChildScorer;
use crate::session::Session;
use crate::token::Token;
use crate::vocabulary::Vocabulary;

/// What a search asks of its models.
///
/// A port may end the search in place of an answer, with [`ModelError::Halted`].
pub trait ModelPort {
    /// The policy's vocabulary.
    fn vocabulary(&self) -> Arc<dyn Vocabulary>;

    /// The policy's end-of-sequence tokens.
    fn end_tokens(&self) -> Vec<Token>;

    /// See [`Policy::reply_header`].
    fn reply_header(&self) -> Vec<Token> {
        Vec::new()
    }

    /// How rewards are made, for records.
    fn describe_rewards(&self) -> String;

    /// See [`ChildScorer::scores`].
    fn scores(&self) -> bool {
        true
    }

    /// How long the models took over the last answer, where the port knows it better than a clock around the call.
    fn wall(&self) -> Option<Duration> {
        None
    }

    /// See [`Policy::propose`].
    ///
    /// # Errors
    ///
    /// The policy's.
    fn propose(&mut self, sessions: &[Session], filter: &CandidateFilter)
    -> Result<Reply<Vec<Candidates>>, ModelError>;

    /// See [`ChildScorer::score_children`].
    ///
    /// # Errors
    ///
    /// The reward model's.
    fn score(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError>;
}

/// A port that calls the models at once. A reply must have one entry of [`Work`](crate::Work) a
/// session.
pub struct DirectPort<'a> {
    policy: &'a mut dyn Policy,
    scorer: &'a mut dyn ChildScorer,
}

impl<'a> DirectPort<'a> {
    /// A port to these models.
    pub fn new(policy: &'a mut dyn Policy, scorer: &'a mut dyn ChildScorer) -> Self {
        Self { policy, scorer }
    }
}

impl std::fmt::Debug for DirectPort<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectPort")
    }
}

impl ModelPort for DirectPort<'_> {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.policy.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.policy.end_tokens()
    }

    fn reply_header(&self) -> Vec<Token> {
        self.policy.reply_header()
    }

    fn describe_rewards(&self) -> String {
        self.scorer.describe()
    }

    fn scores(&self) -> bool {
        self.scorer.scores()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.policy.propose(sessions, filter)?.with_work_of(sessions.len())
    }

    fn score(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        self.scorer.score_children(sessions, candidates)?.with_work_of(sessions.len())
    }
}
