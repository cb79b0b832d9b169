//! What a trace keeps of a node's scored candidates. There may be as many as the vocabulary has tokens; a reader wants the few that
//! mattered.

use std::cmp::Ordering;

use saffron_core::{Candidate, Candidates, ChildReward, Coverage, NodeId, Token};
use serde::{Deserialize, Serialize};

/// How many of the best candidates a summary shows where nothing else is said.
pub const DEFAULT_CANDIDATES: usize = 8;

/// A candidate with its reward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownCandidate {
    /// The token.
    pub token: Token,
    /// The policy's log-probability.
    pub logprob: f32,
    /// Its reward; in JSON a number or `"unseen"`.
    #[serde(with = "super::wire")]
    pub reward: ChildReward,
}

/// A node's candidates in summary: how many there were, and the `k` best by reward with the `k`/2 (rounded up) most probable.
///
/// ```
/// use saffron_core::{Candidate, Candidates, ChildReward, Coverage, NodeId};
/// use saffron_search::trace::ScoreSummary;
/// let ranked = (0..6).map(|token| Candidate { token, logprob: -1.0 - token as f32 }).collect();
/// let candidates = Candidates { ranked, mass: 0.5, coverage: Coverage::Full };
/// let rewards = [1.0, 2.0, 3.0, 4.0, 5.0].map(ChildReward::Seen).into_iter().chain([ChildReward::Unseen]);
/// let summary = ScoreSummary::new(NodeId::ROOT, &candidates, &rewards.collect::<Vec<_>>(), 2);
/// assert_eq!((summary.considered, summary.unseen), (6, 1));
/// let shown: Vec<u32> = summary.shown.iter().map(|candidate| candidate.token).collect();
/// assert_eq!(shown, [0, 3, 4], "the most probable and the two best");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreSummary {
    /// The node.
    pub node: NodeId,
    /// Number of its candidates.
    pub considered: usize,
    /// How many of them the reward model has not seen.
    pub unseen: usize,
    /// The probability that they hold together.
    pub mass: f32,
    /// Whether the policy could look at its whole distribution.
    pub coverage: Coverage,
    /// The candidates shown, in the policy's order.
    pub shown: Vec<ShownCandidate>,
}

impl ScoreSummary {
    /// The summary of a node's candidates that shows the `k` best.
    #[must_use]
    pub fn new(node: NodeId, candidates: &Candidates, rewards: &[ChildReward], k: usize) -> Self {
        let pairs = candidates.ranked.iter().zip(rewards);
        let all: Vec<ShownCandidate> = pairs
            .map(|(Candidate { token, logprob }, reward)| ShownCandidate {
                token: *token,
                logprob: *logprob,
                reward: *reward,
            })
            .collect();
        Self {
            node,
            considered: all.len(),
            unseen: all.iter().filter(|candidate| candidate.reward == ChildReward::Unseen).count(),
            mass: candidates.mass,
            coverage: candidates.coverage,
            shown: pick(&all, k),
        }
    }

    /// The summary that would have been made with this `k`, where it is no greater than the summary's own.
    #[must_use]
    pub fn narrowed(&self, k: usize) -> Self {
        Self { shown: pick(&self.shown, k), ..self.clone() }
    }

    /// The shown candidates by falling reward, unseen ones last; among equals the more probable, then the lower token id.
    #[must_use]
    pub fn by_reward(&self) -> Vec<ShownCandidate> {
        let mut sorted = self.shown.clone();
        sorted.sort_by(better);
        sorted
    }

    /// The shown candidates and their rewards as an observer of a search gets them.
    #[must_use]
    pub fn candidates(&self) -> (Candidates, Vec<ChildReward>) {
        let candidate = |shown: &ShownCandidate| Candidate { token: shown.token, logprob: shown.logprob };
        let ranked = self.shown.iter().map(candidate).collect();
        let rewards = self.shown.iter().map(|shown| shown.reward).collect();
        (Candidates { ranked, mass: self.mass, coverage: self.coverage }, rewards)
    }
}

/// The `k` best and the first half of `k`, in the order given.
fn pick(all: &[ShownCandidate], k: usize) -> Vec<ShownCandidate> {
    let mut best: Vec<usize> = (0..all.len()).collect();
    if k > 0 && k < best.len() {
        best.select_nth_unstable_by(k - 1, |a, b| better(&all[*a], &all[*b]).then(a.cmp(b)));
    }
    best.truncate(k);
    best.extend(0..k.div_ceil(2).min(all.len()));
    best.sort_unstable();
    best.dedup();
    best.into_iter().map(|place| all[place]).collect()
}

fn better(a: &ShownCandidate, b: &ShownCandidate) -> Ordering {
    let reward = |candidate: &ShownCandidate| candidate.reward.seen();
    let seen = reward(b).is_some().cmp(&reward(a).is_some());
    let greater = || falling(reward(a).unwrap_or(0.0), reward(b).unwrap_or(0.0));
    seen.then_with(greater).then_with(|| falling(a.logprob, b.logprob)).then_with(|| a.token.cmp(&b.token))
}

/// Greater first; −0 and 0 are equal.
fn falling(a: f32, b: f32) -> Ordering {
    (b + 0.0).total_cmp(&(a + 0.0))
}
