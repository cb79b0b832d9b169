//! The kernel of tiles with few lanes, one sequence's next token say: vectors lie along a head's
//! width, so that no lane of them is idle.

use pulp::Simd;
use saffron_core::numeric::exp_nonpositive;

use super::state::State;
use super::task::{Block, Task};
use super::{BLOCK, HIDDEN};

/// Attends for a task of `L` lanes.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
pub(super) fn run<S: Simd, const L: usize>(simd: S, task: &Task<'_>) -> State {
    let queries: [&[f32]; L] = std::array::from_fn(|lane| &task.queries[lane * task.width..(lane + 1) * task.width]);
    let mut lanes = Lanes::<L>::new(task.width);
    for block in task.blocks() {
        // As many sums as there are registers for.
        let mut scores = match S::F32_LANES {
            16 => scores::<S, 4, L>(simd, task, queries, &block),
            _ => scores::<S, 2, L>(simd, task, queries, &block),
        };
        if let Some(cap) = task.cap {
            for scores in &mut scores {
                super::cap::cap(&mut scores[..block.slots().len()], cap);
            }
        }
        hide(&mut scores, &block, task.group);
        lanes.weigh(&mut scores, block.slots().len());
        lanes.mix(simd, task, &block, &scores);
    }
    lanes.state()
}

/// Maximum, sum and mixed values, lane by lane.
struct Lanes<const L: usize> {
    max: [f32; L],
    sum: [f32; L],
    /// `[width]` each
    mixed: [Vec<f32>; L],
}

/// Scores of a block, lane by lane.
type Scores<const L: usize> = [[f32; BLOCK]; L];

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn scores<S: Simd, const R: usize, const L: usize>(
    simd: S,
    task: &Task<'_>,
    queries: [&[f32]; L],
    block: &Block,
) -> Scores<L> {
    let mut scores = [[HIDDEN; BLOCK]; L];
    for (place, slots) in block.slots().chunks(R).enumerate() {
        // At the end the last key is scored again in place of those that are not there.
        let keys: [&[f32]; R] = std::array::from_fn(|key| task.key(slots[key.min(slots.len() - 1)]));
        task.fetch(block, place * R, R);
        let dots = dots::<S, R, L>(simd, keys, queries);
        for key in 0..slots.len() {
            (0..L).for_each(|lane| scores[lane][place * R + key] = dots[key][lane]);
        }
    }
    scores
}

/// The products of `R` keys and `L` queries.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn dots<S: Simd, const R: usize, const L: usize>(simd: S, keys: [&[f32]; R], queries: [&[f32]; L]) -> [[f32; L]; R] {
    let bodies = queries.map(|query| S::as_simd_f32s(query));
    let keys = keys.map(|key| S::as_simd_f32s(key));
    let mut sums = [[simd.splat_f32s(0.0); L]; R];
    for vector in 0..keys[0].0.len() {
        for (sums, (key, _)) in sums.iter_mut().zip(keys) {
            for (sum, (query, _)) in sums.iter_mut().zip(bodies) {
                *sum = simd.mul_add_e_f32s(key[vector], query[vector], *sum);
            }
        }
    }
    // Loops: a closure would be compiled without the caller's instruction set.
    let mut dots = [[0.0; L]; R];
    for ((dots, sums), (_, key)) in dots.iter_mut().zip(sums).zip(keys) {
        for ((dot, sum), (_, query)) in dots.iter_mut().zip(sums).zip(bodies) {
            *dot = simd.reduce_sum_f32s(sum);
            key.iter().zip(query).for_each(|(a, b)| *dot += a * b);
        }
    }
    dots
}

/// Hides keys from the lanes of rows that do not see them.
fn hide<const L: usize>(scores: &mut Scores<L>, block: &Block, group: usize) {
    for (place, seen) in block.partly_seen() {
        let lanes = scores.iter_mut().enumerate().filter(|(lane, _)| seen & (1 << (lane / group)) == 0);
        lanes.for_each(|(_, scores)| scores[place] = HIDDEN);
    }
}

/// Joins a block's numbers, in lanes as wide as any processor's vectors and then across them.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn reduce(first: f32, numbers: &[f32; BLOCK], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [first; 16];
    for part in numbers.as_chunks::<16>().0 {
        lanes.iter_mut().zip(part).for_each(|(lane, number)| *lane = join(*lane, *number));
    }
    lanes.into_iter().fold(first, join)
}

impl<const L: usize> Lanes<L> {
    fn new(width: usize) -> Self {
        Self { max: [HIDDEN; L], sum: [0.0; L], mixed: std::array::from_fn(|_| vec![0.0; width]) }
    }

    /// Turns scores into weights relative to the largest so far, and what was mixed before along
    /// with them.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn weigh(&mut self, scores: &mut Scores<L>, count: usize) {
        for (lane, scores) in scores.iter_mut().enumerate() {
            let max = reduce(self.max[lane], scores, |max, score| if score > max { score } else { max });
            let scale = exp_nonpositive(self.max[lane] - max);
            if max > self.max[lane] {
                self.mixed[lane].iter_mut().for_each(|value| *value *= scale);
                self.sum[lane] *= scale;
                self.max[lane] = max;
            }
            scores.iter_mut().for_each(|score| *score = exp_nonpositive(*score - max));
            scores[count..].fill(0.0);
            self.sum[lane] += reduce(0.0, scores, |sum, weight| sum + weight);
        }
    }

    /// Adds a block's values, weighed.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn mix<S: Simd>(&mut self, simd: S, task: &Task<'_>, block: &Block, weights: &Scores<L>) {
        let body = task.width / S::F32_LANES * S::F32_LANES;
        let wide = if S::F32_LANES == 16 { 4 } else { 2 } * S::F32_LANES;
        let mut at = 0;
        while at + wide <= body {
            if S::F32_LANES == 16 {
                self.mix_part::<S, 4>(simd, task, block, weights, at);
            } else {
                self.mix_part::<S, 2>(simd, task, block, weights, at);
            }
            at += wide;
        }
        while at < body {
            self.mix_part::<S, 1>(simd, task, block, weights, at);
            at += S::F32_LANES;
        }
        for (mixed, weights) in self.mixed.iter_mut().zip(weights) {
            for (slot, weight) in block.slots().iter().zip(weights) {
                let tail = mixed[body..].iter_mut().zip(&task.value(*slot)[body..]);
                tail.for_each(|(mixed, value)| *mixed += weight * value);
            }
        }
    }

    /// `V` vectors of a head's width, from one of its numbers on.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn mix_part<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        task: &Task<'_>,
        block: &Block,
        weights: &Scores<L>,
        at: usize,
    ) {
        let part = at..at + V * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; L];
        for (sums, mixed) in sums.iter_mut().zip(&self.mixed) {
            sums.copy_from_slice(S::as_simd_f32s(&mixed[part.clone()]).0);
        }
        for (place, slot) in block.slots().iter().enumerate() {
            let (value, _) = S::as_simd_f32s(&task.value(*slot)[part.clone()]);
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let weight = simd.splat_f32s(weights[place]);
                for (sum, value) in sums.iter_mut().zip(value) {
                    *sum = simd.mul_add_e_f32s(weight, *value, *sum);
                }
            }
        }
        for (mixed, sums) in self.mixed.iter_mut().zip(&sums) {
            S::as_mut_simd_f32s(&mut mixed[part.clone()]).0.copy_from_slice(sums);
        }
    }

    /// In the form in which parts are merged.
    fn state(self) -> State {
        let mut state = State::new(self.mixed[0].len());
        for lane in 0..L {
            (state.max[lane], state.sum[lane]) = (self.max[lane], self.sum[lane]);
            state.mixed.iter_mut().zip(&self.mixed[lane]).for_each(|(lanes, value)| lanes[lane] = *value);
        }
        state
    }
}
