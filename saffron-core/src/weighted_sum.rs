//! Two reward models as one.

use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::reply::Reply;
use crate::reward::{ChildReward, MultifurcationRewardModel};
use crate::session::Session;
use crate::work::Work;

/// Two reward models as one: `first + weight · second`. A token that either has not seen is unseen.
/// Both are asked in every call, and their work is added up.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_core::{CandidateFilter, ChildReward, ChildScorer, Policy, WeightedSum};
/// let mut policy = TablePolicy::new(vec![0.0; 2], vec![0]);
/// let sessions = [policy.session(&[1])?];
/// let candidates = policy.propose(&sessions, &CandidateFilter::default())?.value;
/// let mut sum = WeightedSum { first: ScriptedReward::new(1.0), second: ScriptedReward::new(3.0), weight: 0.5 };
/// let rewards = sum.score_children(&sessions, &candidates)?.value;
/// assert_eq!(rewards, [[ChildReward::Seen(2.5); 2]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightedSum<A, B> {
    /// The model that counts as it is.
    pub first: A,
    /// The model that counts `weight` times.
    pub second: B,
    /// Factor of the second model's rewards.
    pub weight: f32,
}

impl<A: MultifurcationRewardModel, B: MultifurcationRewardModel> MultifurcationRewardModel for WeightedSum<A, B> {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let first = self.first.child_rewards(sessions, candidates)?;
        let second = self.second.child_rewards(sessions, candidates)?;
        let lists = first.value.iter().zip(&second.value);
        let value = lists.map(|(one, other)| sum(one, other, self.weight)).collect();
        let work = first.work.into_iter().zip(second.work);
        Ok(Reply { value, work: work.map(|(one, other)| [one, other].into_iter().sum::<Work>()).collect() })
    }

    fn describe(&self) -> String {
        format!("{} + {} × ({})", self.first.describe(), self.weight, self.second.describe())
    }
}

fn sum(first: &[ChildReward], second: &[ChildReward], weight: f32) -> Vec<ChildReward> {
    let one = |(first, second): (&ChildReward, &ChildReward)| match (first.seen(), second.seen()) {
        (Some(first), Some(second)) => ChildReward::Seen(first + weight * second),
        _ => ChildReward::Unseen,
    };
    first.iter().zip(second).map(one).collect()
}
