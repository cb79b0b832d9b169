//! What came of labelling a corpus.

use serde::{Deserialize, Serialize};

use super::TokenRewards;

/// Counts of a run's labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelSummary {
    /// Replies, those that were skipped included.
    pub items: usize,
    /// Replies with at least one reward.
    pub labelled: usize,
    /// Replies that had no token.
    pub skipped_empty: usize,
    /// Replies to prompts that fill the limit by themselves.
    pub skipped_no_room: usize,
    /// Labelled replies that lost tokens to the limit.
    pub cut_replies: usize,
    /// Reply tokens with a reward.
    pub tokens: usize,
    /// Reply tokens without, because of the limit.
    pub cut_tokens: usize,
    /// What the rewards are; none without a reward.
    pub rewards: Option<RewardSummary>,
}

/// Rewards, all tokens alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardSummary {
    /// Mean.
    pub mean: f64,
    /// Lowest.
    pub min: f32,
    /// Highest.
    pub max: f32,
    /// Share below 0, the usual threshold of what is unsafe.
    pub below_zero: f64,
}

/// Adds records up.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: LabelSummary,
    sum: f64,
    below_zero: usize,
    bounds: Option<(f32, f32)>,
}

impl Tally {
    pub(super) fn add(&mut self, record: &TokenRewards) {
        let counts = &mut self.counts;
        counts.items += 1;
        counts.cut_tokens += record.cut;
        counts.tokens += record.rewards.len();
        match (record.is_skipped(), record.cut) {
            (true, 0) => counts.skipped_empty += 1,
            (true, _) => counts.skipped_no_room += 1,
            (false, cut) => {
                counts.labelled += 1;
                counts.cut_replies += usize::from(cut > 0);
            }
        }
        record.rewards.iter().for_each(|reward| self.add_reward(*reward));
    }

    fn add_reward(&mut self, reward: f32) {
        self.sum += f64::from(reward);
        self.below_zero += usize::from(reward < 0.0);
        let (min, max) = self.bounds.unwrap_or((reward, reward));
        self.bounds = Some((min.min(reward), max.max(reward)));
    }

    pub(super) fn summary(self) -> LabelSummary {
        let tokens = self.counts.tokens as f64;
        let rewards = self.bounds.map(|(min, max)| RewardSummary {
            mean: self.sum / tokens,
            min,
            max,
            below_zero: self.below_zero as f64 / tokens,
        });
        LabelSummary { rewards, ..self.counts }
    }
}
