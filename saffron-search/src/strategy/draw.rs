//! Drawing one of several options by logarithmic weights.

use rand_core::Rng;

/// The place of an option drawn with probability proportional to exp(weight). Options of weight −∞ are never drawn; None if there is no
/// other. Where some weigh +∞, they share the draw evenly. One random number a draw, whatever the number of options.
pub(super) fn draw(weights: &[f64], rng: &mut impl Rng) -> Option<usize> {
    let max = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let uniform = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    if max == f64::NEG_INFINITY {
        return None;
    }
    let mass = |weight: &f64| if *weight == max { 1.0 } else { (weight - max).exp() };
    let total: f64 = weights.iter().map(mass).sum();
    let mut left = uniform * total;
    let reached = |weight: &f64| {
        left -= mass(weight);
        left < 0.0
    };
    // Rounding may leave a little at the end: then it is the last option that may be drawn.
    weights.iter().position(reached).or_else(|| weights.iter().rposition(|weight| mass(weight) > 0.0))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::draw;

    #[test]
    fn options_are_drawn_as_often_as_their_weights_say() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let weights = [0.5f64.ln(), f64::NEG_INFINITY, 0.3f64.ln(), 0.2f64.ln()];
        let mut counts = [0u32; 4];
        for _ in 0..100_000 {
            draw(&weights, &mut rng).iter().for_each(|place| counts[*place] += 1);
        }
        for (count, share) in counts.iter().zip([0.5, 0.0, 0.3, 0.2]) {
            // Four standard deviations.
            assert!((f64::from(*count) / 1e5 - share).abs() < 4.0 * (0.25f64 / 1e5).sqrt(), "{counts:?}");
        }
        assert_eq!(draw(&[f64::NEG_INFINITY], &mut rng), None);
        assert_eq!(draw(&[], &mut rng), None);
    }

    #[test]
    fn a_draw_takes_one_random_number() {
        let (mut one, mut other) = (ChaCha8Rng::seed_from_u64(1), ChaCha8Rng::seed_from_u64(1));
        draw(&[0.0; 7], &mut one);
        draw(&[], &mut other);
        assert_eq!(one, other);
    }
}
