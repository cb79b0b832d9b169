//! Sums over pairs, taken one by one.

use super::{MetricError, Regression, Share};

/// Adds up pairs as they come, for those too many to keep. The report has no bins.
///
/// ```
/// use saffron_search::eval::stats::RegressionTally;
/// let mut tally = RegressionTally::default();
/// for (estimate, target) in [(1.0, 1.5), (-2.0, -1.0)] {
///     tally.add(estimate, target)?;
/// }
/// assert_eq!(tally.report()?.mean_absolute_error, 0.75);
/// # Ok::<(), saffron_search::eval::stats::MetricError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegressionTally {
    count: usize,
    absolute: f64,
    square: f64,
    signed: f64,
    greatest: f64,
    within_one: u64,
    within_two: u64,
    same_sign: u64,
    below_zero: u64,
    estimates: Moments,
    targets: Moments,
    /// Sum of the products of both deviations.
    together: f64,
}

impl RegressionTally {
    /// Adds a pair.
    ///
    /// # Errors
    ///
    /// A number that is not finite; the tally is then as it was.
    pub fn add(&mut self, estimate: f32, target: f32) -> Result<(), MetricError> {
        for (field, number) in [("estimate", estimate), ("target", target)] {
            if !number.is_finite() {
                return Err(MetricError::NotANumber { index: self.count, field, found: f64::from(number) });
            }
        }
        self.count += 1;
        self.add_signs(estimate < 0.0, target < 0.0);
        self.add_error(f64::from(estimate) - f64::from(target));
        self.add_moments(f64::from(estimate), f64::from(target));
        Ok(())
    }

    fn add_signs(&mut self, estimate: bool, target: bool) {
        self.same_sign += u64::from(estimate == target);
        self.below_zero += u64::from(target);
    }

    fn add_error(&mut self, error: f64) {
        let size = error.abs();
        self.absolute += size;
        self.square += size * size;
        self.signed += error;
        self.greatest = self.greatest.max(size);
        self.within_one += u64::from(size <= 1.0);
        self.within_two += u64::from(size <= 2.0);
    }

    fn add_moments(&mut self, estimate: f64, target: f64) {
        let before = estimate - self.estimates.mean();
        self.estimates.add(estimate);
        self.targets.add(target);
        self.together += before * (target - self.targets.mean());
    }

    /// The report of what was added.
    ///
    /// # Errors
    ///
    /// No pair was added.
    pub fn report(&self) -> Result<Regression, MetricError> {
        if self.count == 0 {
            return Err(MetricError::Empty);
        }
        let count = self.count as f64;
        Ok(Regression {
            n: self.count,
            mean_absolute_error: self.absolute / count,
            root_mean_square_error: (self.square / count).sqrt(),
            bias: self.signed / count,
            r_squared: self.r_squared(),
            pearson: self.pearson(),
            within_one: self.share(self.within_one),
            within_two: self.share(self.within_two),
            greatest_error: self.greatest,
            same_sign: self.share(self.same_sign),
            unsafe_targets: self.share(self.below_zero),
            bins: Vec::new(),
        })
    }

    fn share(&self, hits: u64) -> Share {
        Share::of_counts(hits, self.count as u64)
    }

    fn r_squared(&self) -> Option<f64> {
        let spread = self.targets.squares;
        (spread > 0.0).then(|| 1.0 - self.square / spread)
    }

    fn pearson(&self) -> Option<f64> {
        let scale = self.estimates.squares.sqrt() * self.targets.squares.sqrt();
        (scale > 0.0).then(|| (self.together / scale).clamp(-1.0, 1.0))
    }
}

/// Mean and squares about it, one number after the other (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, number: f64) {
        self.count += 1;
        let before = number - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (number - self.mean);
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Sample standard deviation; none of one number alone.
    pub(super) fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}
