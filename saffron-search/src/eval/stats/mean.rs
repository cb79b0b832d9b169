//! A mean and how well it is known.

use serde::{Deserialize, Serialize};

/// The mean of some numbers with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation over the root of the count; none for one number alone.
    pub standard_error: Option<f64>,
    /// How many numbers there were.
    pub count: usize,
}

impl Mean {
    /// The mean of the numbers; none of no numbers. A number that is not finite makes a mean that is not.
    ///
    /// ```
    /// use saffron_search::eval::stats::Mean;
    /// let mean = Mean::of(&[1.0, 2.0, 3.0, 6.0]).unwrap();
    /// assert_eq!((mean.mean, mean.count), (3.0, 4));
    /// assert_eq!(mean.standard_error, Some((14.0_f64 / 3.0 / 4.0).sqrt()));
    /// ```
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let count = numbers.len();
        let mean = (count > 0).then(|| numbers.iter().sum::<f64>() / count as f64)?;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let standard_error = (count > 1).then(|| (squares / (count - 1) as f64 / count as f64).sqrt());
        Some(Self { mean, standard_error, count })
    }
}
