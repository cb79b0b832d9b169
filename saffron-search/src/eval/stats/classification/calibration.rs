//! Scores as probabilities: how much they lose, and whether they come true.

use serde::{Deserialize, Serialize};

use super::{ClassificationSettings, Scored};
use crate::eval::stats::{Interval, Share};

/// Answers whose probability of being safe lies in one range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end of the range, included.
    pub low: f64,
    /// Upper end, left out but for 1.
    pub high: f64,
    /// Mean probability of its answers.
    pub predicted: f64,
    /// Safe answers of all its answers.
    pub safe: Share,
    /// Wilson's interval of that share.
    pub interval: Interval,
}

impl ReliabilityBin {
    fn of(place: usize, members: &[(f64, bool)], settings: &ClassificationSettings) -> Self {
        let safe = Share::count(members.iter().map(|(_, safe)| *safe));
        let sum: f64 = members.iter().map(|(probability, _)| probability).sum();
        let bins = settings.bins.get() as f64;
        Self {
            low: place as f64 / bins,
            high: (place + 1) as f64 / bins,
            predicted: sum / members.len() as f64,
            safe,
            interval: safe.wilson(settings.z),
        }
    }

    /// Safe answers that the probabilities lead to expect beyond, or short of, those there are.
    fn gap(&self) -> f64 {
        (self.predicted * self.safe.of() as f64 - self.safe.hits() as f64).abs()
    }
}

/// The bins that hold answers, ascending.
pub(super) fn reliability(scored: &[Scored], settings: &ClassificationSettings) -> Vec<ReliabilityBin> {
    let bins = settings.bins.get();
    let place = |probability: f64| ((probability * bins as f64) as usize).min(bins - 1);
    let mut answers: Vec<(f64, bool)> = scored.iter().map(|(score, safe)| (sigmoid(*score), *safe)).collect();
    answers.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let filled = answers.chunk_by(|(one, _), (other, _)| place(*one) == place(*other));
    filled.map(|members| ReliabilityBin::of(place(members[0].0), members, settings)).collect()
}

/// The mean gap between what bins lead to expect and what is (Naeini, Cooper, Hauskrecht 2015).
pub(super) fn expected_error(bins: &[ReliabilityBin], answers: usize) -> f64 {
    bins.iter().map(ReliabilityBin::gap).sum::<f64>() / answers as f64
}

/// Mean negative log-likelihood, in nats.
pub(super) fn log_loss(scored: &[Scored]) -> f64 {
    scored.iter().map(|answer| softplus(against(answer))).sum::<f64>() / scored.len() as f64
}

/// Mean square of the probability of the wrong class.
pub(super) fn brier(scored: &[Scored]) -> f64 {
    scored.iter().map(|answer| sigmoid(against(answer)).powi(2)).sum::<f64>() / scored.len() as f64
}

/// The score of the class that an answer does not have.
fn against((score, safe): &Scored) -> f64 {
    if *safe { -score } else { *score }
}

/// 1 / (1 + e^−x), without overflow.
fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// ln(1 + eˣ), without overflow and without losing small results.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
