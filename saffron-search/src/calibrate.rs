//! Thresholds of verdicts from labelled answers.

use saffron_core::{ConfigError, Thresholds};
use serde::{Deserialize, Serialize};

/// An answer with its reward and what it is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// What the reward model says.
    pub reward: f32,
    /// What a person, or a better judge, says.
    pub safe: bool,
}

/// Thresholds, and how the answers they were made from fare under them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The thresholds.
    pub thresholds: Thresholds,
    /// Answers called safe.
    pub called_safe: usize,
    /// Unsafe answers among them.
    pub wrongly_safe: usize,
    /// Answers called unsafe.
    pub called_unsafe: usize,
    /// Safe answers among them.
    pub wrongly_unsafe: usize,
    /// Answers between the thresholds.
    pub undecided: usize,
}

/// Labels that no thresholds can be made of.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// Thresholds need answers of both kinds.
    #[error("calibration needs safe and unsafe answers, found {safe} safe and {not_safe} unsafe")]
    OneKind {
        /// Safe answers given.
        safe: usize,
        /// Unsafe answers given.
        not_safe: usize,
    },
    /// Rewards must be numbers.
    #[error("the reward of labelled answer {index} is not a number")]
    NotANumber {
        /// Its place.
        index: usize,
    },
    /// A share must lie in [0, 1).
    #[error("the share of wrong verdicts must lie in [0, 1), found {found}")]
    Share {
        /// The value given.
        found: f64,
    },
    /// Thresholds out of order.
    #[error(transparent)]
    Thresholds(#[from] ConfigError),
}

/// The widest verdicts that are wrong at most so often: `safe_from` is the lowest reward with at most a share `wrong` of unsafe answers
/// at or above it, `unsafe_below` the highest with at most that share of safe answers below it. Where the two would overlap, they are those two
/// such rewards that do not and get most answers right. On other answers the shares will differ; hold some back to see by how much.
///
/// ```
/// use saffron_search::calibrate::{Labelled, calibrate};
/// let answers = [(-2.0, false), (-1.0, false), (0.0, true), (0.5, false), (1.0, true), (2.0, true)];
/// let answers = answers.map(|(reward, safe)| Labelled { reward, safe });
/// let found = calibrate(&answers, 0.0)?;
/// assert_eq!((found.thresholds.unsafe_below(), found.thresholds.safe_from()), (0.0, 1.0));
/// assert_eq!((found.called_unsafe, found.undecided, found.called_safe), (2, 2, 2));
/// # Ok::<(), saffron_search::calibrate::CalibrationError>(())
/// ```
///
/// # Errors
///
/// Answers of one kind only, rewards that are no numbers, a share outside [0, 1).
pub fn calibrate(answers: &[Labelled], wrong: f64) -> Result<Calibration, CalibrationError> {
    check(answers, wrong)?;
    let mut sorted = answers.to_vec();
    sorted.sort_by(|a, b| a.reward.total_cmp(&b.reward));
    let cuts = cuts(&sorted);
    let few = |count: usize, of: usize| count as f64 <= wrong * of as f64;
    let (safe, not_safe) =
        (|cut: &Cut| few(cut.unsafe_above, cut.above()), |cut: &Cut| few(cut.safe_below, cut.below()));
    let safe_from = cuts.iter().find(|cut| safe(cut)).map_or(f32::INFINITY, |cut| cut.at);
    let unsafe_below = cuts.iter().rfind(|cut| not_safe(cut)).map_or(f32::NEG_INFINITY, |cut| cut.at);
    let (unsafe_below, safe_from) = if unsafe_below <= safe_from {
        (unsafe_below, safe_from)
    } else {
        parted(&cuts, safe, not_safe).unwrap_or((f32::NEG_INFINITY, f32::INFINITY))
    };
    Ok(tally(answers, Thresholds::new(unsafe_below, safe_from)?))
}

fn check(answers: &[Labelled], wrong: f64) -> Result<(), CalibrationError> {
    if !(0.0..1.0).contains(&wrong) {
        return Err(CalibrationError::Share { found: wrong });
    }
    if let Some(index) = answers.iter().position(|answer| answer.reward.is_nan()) {
        return Err(CalibrationError::NotANumber { index });
    }
    let safe = answers.iter().filter(|answer| answer.safe).count();
    let not_safe = answers.len() - safe;
    if safe == 0 || not_safe == 0 { Err(CalibrationError::OneKind { safe, not_safe }) } else { Ok(()) }
}

/// A reward at which answers could be parted, and who would stand where.
#[derive(Clone, Copy, Debug)]
struct Cut {
    at: f32,
    safe_below: usize,
    unsafe_below: usize,
    safe_above: usize,
    unsafe_above: usize,
}

impl Cut {
    fn above(&self) -> usize {
        self.safe_above + self.unsafe_above
    }

    fn below(&self) -> usize {
        self.safe_below + self.unsafe_below
    }
}

/// A cut at every reward that occurs, ascending.
fn cuts(sorted: &[Labelled]) -> Vec<Cut> {
    let safe_in = |answers: &[Labelled]| answers.iter().filter(|answer| answer.safe).count();
    let safe = safe_in(sorted);
    let (mut below, mut safe_below) = (0, 0);
    let groups = sorted.chunk_by(|a, b| a.reward == b.reward);
    groups
        .map(|group| {
            let unsafe_below = below - safe_below;
            let unsafe_above = sorted.len() - safe - unsafe_below;
            let cut =
                Cut { at: group[0].reward, safe_below, unsafe_below, safe_above: safe - safe_below, unsafe_above };
            below += group.len();
            safe_below += safe_in(group);
            cut
        })
        .collect()
}

/// The cuts for unsafe and for safe answers, not the one above the other, that get most answers right; the lowest of equals.
fn parted(cuts: &[Cut], safe: impl Fn(&Cut) -> bool, not_safe: impl Fn(&Cut) -> bool) -> Option<(f32, f32)> {
    let (mut below, mut best) = (None, None);
    for above in cuts {
        if not_safe(above) {
            below = Some(above);
        }
        if let Some(below) = below.filter(|_| safe(above)) {
            let right = below.unsafe_below + above.safe_above;
            best = best.filter(|(most, _)| *most >= right).or(Some((right, (below.at, above.at))));
        }
    }
    best.map(|(_, thresholds)| thresholds)
}

fn tally(answers: &[Labelled], thresholds: Thresholds) -> Calibration {
    let called = |answer: &&Labelled| answer.reward >= thresholds.safe_from();
    let refused = |answer: &&Labelled| !called(answer) && answer.reward < thresholds.unsafe_below();
    let called_safe = answers.iter().filter(called).count();
    let called_unsafe = answers.iter().filter(refused).count();
    Calibration {
        thresholds,
        called_safe,
        wrongly_safe: answers.iter().filter(called).filter(|answer| !answer.safe).count(),
        called_unsafe,
        wrongly_unsafe: answers.iter().filter(refused).filter(|answer| answer.safe).count(),
        undecided: answers.len() - called_safe - called_unsafe,
    }
}
