//! The caller's reward decides.

use super::ranked::{Ranked, Rule};

/// Evicts the leaf with the lowest score, among equals the one whose last use lies furthest back.
///
/// A node takes over the score of its parent until it gets one; what nobody has scored goes first.
pub type ScoreAware = Ranked<Score>;

/// A node's score, and when it was last used.
#[derive(Clone, Copy, Debug)]
pub struct Score;

impl Rule for Score {
    type Key = (u32, u64);

    fn added((score, _): Self::Key, now: u64) -> Self::Key {
        (score, now)
    }

    fn used((score, _): Self::Key, now: u64) -> Self::Key {
        (score, now)
    }

    fn scored((_, used): Self::Key, score: f32) -> Self::Key {
        (ordered(score), used)
    }
}

/// Maps floats to integers in the same order. Every number is above the 0 of a node without a score.
fn ordered(score: f32) -> u32 {
    // Both zeros are one score.
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::ordered;

    #[test]
    fn integers_stand_in_the_order_of_their_floats() {
        let floats = [f32::NEG_INFINITY, -2.0, -f32::MIN_POSITIVE, 0.0, f32::MIN_POSITIVE, 2.0, f32::INFINITY];
        assert!(floats.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        assert_eq!(ordered(-0.0), ordered(0.0));
        assert!(ordered(f32::NEG_INFINITY) > 0);
    }
}
