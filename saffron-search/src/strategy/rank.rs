//! Orders that ties never leave open.

use std::cmp::Ordering;

/// Greater first; −0 and 0 are equal. The context lets no NaN pass.
pub(super) fn descending(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

/// The same for rewards that may be missing: those come last.
pub(super) fn descending_rewards(a: Option<f32>, b: Option<f32>) -> Ordering {
    descending(a.unwrap_or(f32::NEG_INFINITY), b.unwrap_or(f32::NEG_INFINITY))
}

/// The place of the highest reward, the first of equals; missing rewards lie below all others.
pub(super) fn first_best(rewards: &[Option<f32>]) -> Option<usize> {
    (0..rewards.len()).reduce(|best, next| {
        if descending_rewards(rewards[next], rewards[best]) == Ordering::Less { next } else { best }
    })
}
