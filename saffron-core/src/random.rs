//! Random draws, each of them once.
//!
//! Recorded searches, orders of training and samples of data hold the results of these functions:
//! how many random numbers a function takes, and what it makes of them, must not change.

pub use rand_chacha::ChaCha8Rng;
pub use rand_core::Rng;

/// A number in `0..n`, all equally likely. An `n` of 0 counts as 1.
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// use saffron_core::random::below;
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// assert!((0..100).all(|_| below(&mut rng, 6) < 6));
/// ```
pub fn below<R: Rng + ?Sized>(rng: &mut R, n: usize) -> usize {
    let n = n.max(1) as u64;
    let limit = u64::MAX - u64::MAX % n;
    loop {
        let draw = rng.next_u64();
        if draw < limit {
            return (draw % n) as usize;
        }
    }
}

/// Puts items in random order, all orders equally likely (Fisher and Yates).
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// let mut items = [1, 2, 3, 4];
/// saffron_core::random::shuffle(&mut ChaCha8Rng::seed_from_u64(1), &mut items);
/// assert!((1..=4).all(|item| items.contains(&item)));
/// ```
pub fn shuffle<R: Rng + ?Sized, T>(rng: &mut R, items: &mut [T]) {
    for place in (1..items.len()).rev() {
        items.swap(place, below(rng, place + 1));
    }
}

/// Draws `count` items without replacement and moves them to the front, in the order of drawing;
/// all of them where there are fewer. With equal random numbers, a smaller sample is the beginning
/// of a larger one.
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// use saffron_core::random::sample_to_front;
/// let sample = |count| {
///     let mut items = [1, 2, 3, 4, 5, 6];
///     sample_to_front(&mut ChaCha8Rng::seed_from_u64(1), &mut items, count);
///     items[..count].to_vec()
/// };
/// assert_eq!(sample(2), sample(4)[..2]);
/// ```
pub fn sample_to_front<R: Rng + ?Sized, T>(rng: &mut R, items: &mut [T], count: usize) {
    let size = items.len();
    for place in 0..count.min(size) {
        items.swap(place, place + below(rng, size - place));
    }
}

/// A number in [0, 1), from the upper 53 bits of one of 64.
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// let number = saffron_core::random::unit(&mut ChaCha8Rng::seed_from_u64(1));
/// assert!((0.0..1.0).contains(&number));
/// ```
pub fn unit<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number in [0, 1), from the upper 24 bits of one of 32: every value is exact in float32.
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// let number = saffron_core::random::unit_f32(&mut ChaCha8Rng::seed_from_u64(1));
/// assert!((0.0..1.0).contains(&number));
/// ```
pub fn unit_f32<R: Rng + ?Sized>(rng: &mut R) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32
}

/// A number in [-1, 1), from [`unit_f32`].
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// let number = saffron_core::random::symmetric_f32(&mut ChaCha8Rng::seed_from_u64(1));
/// assert!((-1.0..1.0).contains(&number));
/// ```
pub fn symmetric_f32<R: Rng + ?Sized>(rng: &mut R) -> f32 {
    unit_f32(rng) * 2.0 - 1.0
}

/// A number of the standard normal distribution (Box and Muller 1958), from two of 64 bits.
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// let mean = (0..10_000).map(|_| saffron_core::random::normal(&mut rng)).sum::<f64>() / 1e4;
/// assert!(mean.abs() < 0.05);
/// ```
pub fn normal<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let radius = (-2.0 * uniform().ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform()).cos()
}

/// Options by logarithmic weights, ready to be drawn from any number of times.
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use rand_core::SeedableRng;
/// use saffron_core::random::LogWeights;
/// let weights = LogWeights::new([0.2f64.ln(), f64::NEG_INFINITY, 0.8f64.ln()]);
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// assert!((0..100).all(|_| matches!(weights.draw(&mut rng), Some(0 | 2))));
/// ```
#[derive(Clone, Debug)]
pub struct LogWeights {
    /// exp(weight − largest weight) of every option. Where some weigh +∞, these have 1 and the
    /// others 0.
    masses: Vec<f64>,
    total: f64,
}

impl LogWeights {
    /// Options by their logarithmic weights.
    pub fn new<I: IntoIterator<Item = f64>>(weights: I) -> Self {
        let mut masses: Vec<f64> = weights.into_iter().collect();
        let max = masses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for weight in &mut masses {
            *weight = match *weight {
                f64::NEG_INFINITY => 0.0,
                weight if weight == max => 1.0,
                weight => (weight - max).exp(),
            };
        }
        let total = masses.iter().sum();
        Self { masses, total }
    }

    /// The place of an option drawn with probability proportional to exp(weight). Options of weight
    /// −∞ are never drawn; None if there is no other. Takes one random number, whatever the number
    /// of options.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<usize> {
        let mut left = unit(rng) * self.total;
        let reached = |mass: &f64| {
            left -= mass;
            left < 0.0
        };
        // Rounding may leave a little at the end: then it is the last option that may be drawn.
        self.masses.iter().position(reached).or_else(|| self.masses.iter().rposition(|mass| *mass > 0.0))
    }
}
