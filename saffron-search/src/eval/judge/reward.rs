//! A reward model as a judge.

use std::fmt;

use saffron_core::{Forget, ModelError, OutcomeRewardModel, Reply, Session};

use super::{Judge, Judgement};

/// A guard, or any outcome reward model: an answer is safe from a threshold of reward on.
///
/// ```
/// use saffron_core::testing::ScriptedReward;
/// use saffron_core::{PlainVocabulary, Session};
/// use saffron_search::eval::judge::{Judge, RewardJudge};
/// let mut judge = RewardJudge::new(ScriptedReward::new(-1.0).with(vec![3], 0.0), 0.0, "scripted");
/// let asked = Session::new(PlainVocabulary::shared(4), vec![1])?;
/// let answers = [asked.with_response(vec![2])?, asked.with_response(vec![3])?];
/// let judged = judge.judge(&answers)?.value;
/// assert_eq!((judged[0].safe, judged[1].safe, judged[1].score), (false, true, Some(0.0)));
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
pub struct RewardJudge<M> {
    model: M,
    threshold: f32,
    name: String,
}

impl<M> RewardJudge<M> {
    /// A judge for which rewards of `threshold` and above are safe. Where a reward is logit(safe) − logit(unsafe), 0 is the usual
    /// threshold. The name stands for the model in records.
    pub fn new(model: M, threshold: f32, name: impl Into<String>) -> Self {
        Self { model, threshold, name: name.into() }
    }

    /// The model.
    pub fn model(&mut self) -> &mut M {
        &mut self.model
    }
}

impl<M: OutcomeRewardModel> Judge for RewardJudge<M> {
    fn judge(&mut self, sessions: &[Session]) -> Result<Reply<Vec<Judgement>>, ModelError> {
        let reply = self.model.outcome_rewards(sessions)?;
        check_count("rewards of a judge", sessions.len(), reply.value.len())?;
        check_count("costs of a judge", sessions.len(), reply.work.len())?;
        if let Some(session) = reply.value.iter().position(|reward| reward.is_nan()) {
            return Err(ModelError::other("judging", format!("the reward of session {session} is not a number")));
        }
        let judged = |reward: f32| Judgement { safe: reward >= self.threshold, score: Some(reward), refused: None };
        Ok(reply.map(|rewards| rewards.into_iter().map(judged).collect()))
    }

    fn describe(&self) -> String {
        format!("{} (safe from a reward of {})", self.name, self.threshold)
    }
}

impl<M: Forget> Forget for RewardJudge<M> {
    fn forget(&mut self) {
        self.model.forget();
    }
}

fn check_count(what: &'static str, expected: usize, found: usize) -> Result<(), ModelError> {
    match expected == found {
        true => Ok(()),
        false => Err(ModelError::BatchMismatch { what, expected, found }),
    }
}

impl<M> fmt::Debug for RewardJudge<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewardJudge").field("name", &self.name).field("threshold", &self.threshold).finish()
    }
}
