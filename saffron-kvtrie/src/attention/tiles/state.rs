//! The softmax over keys that come block by block (online softmax): its maximum and sum are carried
//! along.

use saffron_core::numeric::exp_nonpositive;

use super::{HIDDEN, LANES, Lane};

/// Maximum, sum and mixed values over the keys so far.
pub(super) struct State {
    pub(super) max: Lane,
    pub(super) sum: Lane,
    /// `[width][lanes]`
    pub(super) mixed: Vec<Lane>,
}

impl State {
    pub(super) fn new(width: usize) -> Self {
        Self { max: [HIDDEN; LANES], sum: [0.0; LANES], mixed: vec![[0.0; LANES]; width] }
    }

    /// Turns scores into weights relative to the largest so far, and what was mixed before along
    /// with them.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    pub(super) fn weigh(&mut self, scores: &mut [Lane]) {
        let max = scores.iter().fold(self.max, larger);
        self.rise(&max);
        for scores in scores {
            for ((score, max), sum) in scores.iter_mut().zip(&max).zip(&mut self.sum) {
                *score = exp_nonpositive(*score - max);
                *sum += *score;
            }
        }
    }

    /// Makes everything relative to a maximum that is not below the one so far.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn rise(&mut self, max: &Lane) {
        if *max == self.max {
            return;
        }
        let mut scale = [0.0; LANES];
        let pairs = scale.iter_mut().zip(self.max.iter().zip(max));
        pairs.for_each(|(scale, (old, new))| *scale = exp_nonpositive(old - new));
        for lanes in self.mixed.iter_mut().chain([&mut self.sum]) {
            lanes.iter_mut().zip(&scale).for_each(|(value, scale)| *value *= scale);
        }
        self.max = *max;
    }

    /// The same over these keys and those of another part.
    pub(super) fn merge(mut self, mut other: Self) -> Self {
        let max = larger(self.max, &other.max);
        self.rise(&max);
        other.rise(&max);
        let added = other.mixed.iter().chain([&other.sum]);
        for (lanes, added) in self.mixed.iter_mut().chain([&mut self.sum]).zip(added) {
            lanes.iter_mut().zip(added).for_each(|(value, added)| *value += added);
        }
        self
    }

    /// The weighted means, `[width][lanes]`.
    pub(super) fn finish(mut self) -> Vec<Lane> {
        let scale = self.sum.map(|sum| 1.0 / sum);
        let lanes = self.mixed.iter_mut();
        lanes.for_each(|mixed| mixed.iter_mut().zip(scale).for_each(|(mixed, scale)| *mixed *= scale));
        self.mixed
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn larger(mut max: Lane, scores: &Lane) -> Lane {
    max.iter_mut().zip(scores).for_each(|(max, score)| *max = if *score > *max { *score } else { *max });
    max
}
