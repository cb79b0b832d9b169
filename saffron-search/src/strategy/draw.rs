//! Drawing one of several options by logarithmic weights.

use rand_core::Rng;

/// Options by logarithmic weights, ready to be drawn from any number of times.
pub(super) struct Lots {
    /// exp(weight − largest weight) of every option. Where some weigh +∞, these have 1 and the
    /// others 0.
    masses: Vec<f64>,
    total: f64,
}

impl Lots {
    pub(super) fn new(weights: impl Iterator<Item = f64> + Clone) -> Self {
        let max = weights.clone().fold(f64::NEG_INFINITY, f64::max);
        let mass = |weight: f64| match weight {
            f64::NEG_INFINITY => 0.0,
            weight if weight == max => 1.0,
            weight => (weight - max).exp(),
        };
        let masses: Vec<f64> = weights.map(mass).collect();
        let total = masses.iter().sum();
        Self { masses, total }
    }

    /// The place of an option drawn with probability proportional to exp(weight). Options of weight
    /// −∞ are never drawn; None if there is no other. One random number a draw, whatever the number
    /// of options.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Option<usize> {
        let uniform = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let mut left = uniform * self.total;
        let reached = |mass: &f64| {
            left -= mass;
            left < 0.0
        };
        // Rounding may leave a little at the end: then it is the last option that may be drawn.
        self.masses.iter().position(reached).or_else(|| self.masses.iter().rposition(|mass| *mass > 0.0))
    }
}

/// One draw from options that are drawn from once.
pub(super) fn draw(weights: &[f64], rng: &mut impl Rng) -> Option<usize> {
    Lots::new(weights.iter().copied()).draw(rng)
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
