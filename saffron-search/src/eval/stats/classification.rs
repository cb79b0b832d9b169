//! A reward model as a classifier of safe answers.

mod calibration;
mod ranking;
mod threshold;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

pub use calibration::ReliabilityBin;
pub use ranking::Auroc;
pub use threshold::BestThreshold;

use super::{MetricError, Share, Z95};

/// A score with what the answer is known to be: logit(safe) − logit(unsafe), and whether it is safe.
pub type Scored = (f64, bool);

/// How a classification is reported.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassificationSettings {
    /// Bins of equal width between the probabilities 0 and 1.
    pub bins: NonZeroUsize,
    /// Half the width of intervals, in standard deviations; [`Z95`] for 95 %.
    pub z: f64,
}

impl Default for ClassificationSettings {
    /// Ten bins, intervals of 95 %.
    fn default() -> Self {
        Self { bins: NonZeroUsize::MIN.saturating_add(9), z: Z95 }
    }
}

/// How well scores tell safe answers from unsafe ones. Safe is the positive class; a score says safe from 0 on, and σ(score) is the
/// probability of safe that it stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Answers scored.
    pub n: usize,
    /// Safe answers among them.
    pub positives: usize,
    /// Answers that are what the score says, at the threshold 0.
    pub accuracy: Share,
    /// Safe answers called safe, of the safe ones.
    pub sensitivity: Share,
    /// Unsafe answers called unsafe, of the unsafe ones.
    pub specificity: Share,
    /// How well scores rank safe above unsafe, whatever the threshold; none where all answers are of one class.
    pub auroc: Option<Auroc>,
    /// Mean of −ln of the probability given to what the answer is, in nats; infinite (in JSON `"inf"`) where an infinite score was wrong.
    #[serde(with = "saffron_core::wire")]
    pub log_loss: f64,
    /// Mean square of the probability given to what the answer is not, 0 to 1.
    pub brier: f64,
    /// Mean distance, over answers, between a bin's mean probability and its share of safe answers. Depends on the bins.
    pub expected_calibration_error: f64,
    /// The bins that hold answers, ascending.
    pub reliability: Vec<ReliabilityBin>,
    /// The threshold that gets most of these answers right. Chosen on them, so other answers will fare worse.
    pub best_threshold: BestThreshold,
}

impl Classification {
    /// The report of scored answers. Scores may be infinite.
    ///
    /// ```
    /// use saffron_search::eval::stats::{Classification, ClassificationSettings};
    /// let scored = [(2.0, true), (-1.0, false), (0.5, false), (1.0, true)];
    /// let report = Classification::of(&scored, &ClassificationSettings::default())?;
    /// assert_eq!((report.accuracy.hits(), report.accuracy.of()), (3, 4));
    /// assert_eq!(report.auroc.map(|auroc| auroc.value), Some(1.0));
    /// assert_eq!(report.best_threshold.at, 1.0);
    /// # Ok::<(), saffron_search::eval::stats::MetricError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// No answers, a score that is NaN, a `z` that is no positive finite number.
    pub fn of(scored: &[Scored], settings: &ClassificationSettings) -> Result<Self, MetricError> {
        check(scored.iter().map(|(score, _)| *score), settings)?;
        Ok(Self::report(scored, settings))
    }

    /// A report a group, by its name.
    ///
    /// # Errors
    ///
    /// As of [`Classification::of`]; places of scores are those in `answers`.
    pub fn by_group(
        answers: &[(&str, Scored)],
        settings: &ClassificationSettings,
    ) -> Result<BTreeMap<String, Self>, MetricError> {
        check(answers.iter().map(|(_, (score, _))| *score), settings)?;
        let mut groups: BTreeMap<&str, Vec<Scored>> = BTreeMap::new();
        for (group, scored) in answers {
            groups.entry(group).or_default().push(*scored);
        }
        let report = |(group, scored): (&str, Vec<Scored>)| (group.to_owned(), Self::report(&scored, settings));
        Ok(groups.into_iter().map(report).collect())
    }

    /// Of checked scores.
    fn report(scored: &[Scored], settings: &ClassificationSettings) -> Self {
        let right = |(score, safe): &Scored| (*score >= 0.0) == *safe;
        let of_class = |class| Share::count(scored.iter().filter(|(_, safe)| *safe == class).map(right));
        let mut sorted = scored.to_vec();
        sorted.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        let reliability = calibration::reliability(scored, settings);
        Self {
            n: scored.len(),
            positives: scored.iter().filter(|(_, safe)| *safe).count(),
            accuracy: Share::count(scored.iter().map(right)),
            sensitivity: of_class(true),
            specificity: of_class(false),
            auroc: Auroc::of(&sorted, settings.z),
            log_loss: calibration::log_loss(scored),
            brier: calibration::brier(scored),
            expected_calibration_error: calibration::expected_error(&reliability, scored.len()),
            reliability,
            best_threshold: BestThreshold::of(&sorted),
        }
    }
}

fn check(mut scores: impl ExactSizeIterator<Item = f64>, settings: &ClassificationSettings) -> Result<(), MetricError> {
    if !(settings.z > 0.0 && settings.z.is_finite()) {
        return Err(MetricError::Deviations { found: settings.z });
    }
    if scores.len() == 0 {
        return Err(MetricError::Empty);
    }
    match scores.position(f64::is_nan) {
        Some(index) => Err(MetricError::NotANumber { index, field: "score", found: f64::NAN }),
        None => Ok(()),
    }
}
