//! What a guard is worth on held-out examples.

use saffron_search::eval::stats::{Classification, ClassificationSettings, Share};
use serde::Serialize;

use super::GuardBatch;
use crate::TrainError;

/// A guard on held-out examples. Positive is safe; a reward of 0 is the border.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GuardReport {
    /// Labelled replies as a whole.
    pub whole: Option<Classification>,
    /// Beginnings of labelled replies.
    pub prefixes: Option<Classification>,
    /// Pairs, whole, of which the better reply got the higher reward.
    pub pairs: Share,
    /// Mean loss over all terms.
    pub loss: f64,
}

impl GuardReport {
    pub(super) fn of(seen: &[(GuardBatch, Vec<f32>)]) -> Result<Self, TrainError> {
        let (mut whole, mut prefixes, mut pairs, mut losses) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (batch, outputs) in seen {
            let at = |row: Option<u32>| row.map_or(0.0, |row| f64::from(outputs[row as usize]));
            for (term, complete) in batch.whole.iter().enumerate() {
                let (better, worse) = (batch.better[term], batch.worse[term]);
                let margin = at(better) - at(worse);
                losses.push(if margin > 0.0 { (-margin).exp().ln_1p() } else { margin.exp().ln_1p() - margin });
                match (better, worse) {
                    (Some(_), Some(_)) if *complete => pairs.push(margin > 0.0),
                    (Some(_), Some(_)) => {}
                    _ if *complete => whole.push((at(better) + at(worse), better.is_some())),
                    _ => prefixes.push((at(better) + at(worse), better.is_some())),
                }
            }
        }
        let classified = |scores: Vec<(f64, bool)>| match scores.is_empty() {
            true => Ok(None),
            false => Classification::of(&scores, &ClassificationSettings::default()).map(Some),
        };
        if losses.is_empty() {
            return Err(TrainError::EmptyBatch);
        }
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        Ok(Self { whole: classified(whole)?, prefixes: classified(prefixes)?, pairs: Share::count(pairs), loss })
    }

    /// The mean loss.
    pub(super) fn score(&self) -> f64 {
        self.loss
    }
}
