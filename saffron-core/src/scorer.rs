//! What strategies consume: rewards of children, whatever kind of reward model they come from.

use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::reply::Reply;
use crate::reward::{ChildReward, MultifurcationRewardModel, OutcomeRewardModel, ProcessRewardModel};
use crate::session::Session;
use crate::work::Work;

/// Scores the children of sessions.
///
/// Every [`MultifurcationRewardModel`] is one, at one forward pass a session. [`PrmScorer`] and [`OrmScorer`] make one of the
/// other kinds, at one forward pass a *child*: the same strategies run with all of them, and the meter shows what that costs.
pub trait ChildScorer {
    /// For each session one reward a candidate, in the candidates' order.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from answering.
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError>;

    /// How rewards are made, for records.
    fn describe(&self) -> String;

    /// Whether it rewards anything. A strategy that
    /// [needs rewards](crate::SearchStrategy::needs_rewards) does not run with a scorer that
    /// returns `false`.
    fn scores(&self) -> bool {
        true
    }
}

impl<M: MultifurcationRewardModel + ?Sized> ChildScorer for M {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        self.child_rewards(sessions, candidates)
    }

    fn describe(&self) -> String {
        MultifurcationRewardModel::describe(self)
    }
}

/// Children scored one by one with a process reward model.
///
/// ```
/// use saffron_core::{Candidate, Candidates, ChildReward, ChildScorer, Coverage, PlainVocabulary, PrmScorer, Session};
/// let mut scorer = PrmScorer(saffron_core::process_reward_fn(|session| session.response().iter().sum::<u32>() as f32));
/// let session = Session::new(PlainVocabulary::shared(9), vec![1])?.with_response(vec![2])?;
/// let ranked = vec![Candidate { token: 5, logprob: -0.1 }, Candidate { token: 7, logprob: -3.0 }];
/// let candidates = Candidates { ranked, mass: 0.95, coverage: Coverage::Full };
/// let rewards = scorer.score_children(&[session], &[candidates])?.value;
/// assert_eq!(rewards, [[ChildReward::Seen(7.0), ChildReward::Seen(9.0)]]);
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PrmScorer<P>(pub P);

impl<P: ProcessRewardModel> ChildScorer for PrmScorer<P> {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let children = children(sessions, candidates)?;
        regroup(self.0.process_rewards(&children)?, candidates)
    }

    fn describe(&self) -> String {
        String::from("process reward model, one call a child")
    }
}

/// Children scored one by one with an outcome reward model, as if each were a finished answer.
#[derive(Clone, Debug)]
pub struct OrmScorer<O>(pub O);

impl<O: OutcomeRewardModel> ChildScorer for OrmScorer<O> {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let children = children(sessions, candidates)?;
        regroup(self.0.outcome_rewards(&children)?, candidates)
    }

    fn describe(&self) -> String {
        String::from("outcome reward model, one call a child")
    }
}

/// Each session with each of its candidates appended, session by session.
fn children(sessions: &[Session], candidates: &[Candidates]) -> Result<Vec<Session>, ModelError> {
    if sessions.len() != candidates.len() {
        return Err(ModelError::BatchMismatch {
            what: "candidate lists in a batch",
            expected: sessions.len(),
            found: candidates.len(),
        });
    }
    let pairs = sessions.iter().zip(candidates);
    pairs
        .flat_map(|(session, candidates)| candidates.tokens().map(move |token| (session, token)))
        .map(|(session, token)| {
            let mut response = session.response().to_vec();
            response.push(token);
            session.with_response(response)
        })
        .collect()
}

/// A flat reply over children as one over their parents.
fn regroup(reply: Reply<Vec<f32>>, candidates: &[Candidates]) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
    let expected: usize = candidates.iter().map(Candidates::len).sum();
    for (what, found) in [("rewards of a batch", reply.value.len()), ("work entries of a batch", reply.work.len())] {
        if found != expected {
            return Err(ModelError::BatchMismatch { what, expected, found });
        }
    }
    let mut rewards = reply.value.into_iter().map(ChildReward::Seen);
    let mut work = reply.work.into_iter();
    let value = candidates.iter().map(|list| rewards.by_ref().take(list.len()).collect()).collect();
    let work = candidates.iter().map(|list| work.by_ref().take(list.len()).sum::<Work>()).collect();
    Ok(Reply { value, work })
}

/// The scorer of searches that need no reward: every child is unseen. A strategy that decides by
/// rewards does not run with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoReward;

impl ChildScorer for NoReward {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let unseen = candidates.iter().map(|list| vec![ChildReward::Unseen; list.len()]).collect();
        Ok(Reply::free(unseen, sessions.len()))
    }

    fn describe(&self) -> String {
        String::from("none")
    }

    fn scores(&self) -> bool {
        false
    }
}
