//! What a guard is worth on held-out examples.

use saffron_search::eval::stats::{Classification, ClassificationSettings, Scored, Share};
use serde::Serialize;

use super::GuardBatch;
use super::batch::Term;
use crate::error::TrainError;

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

/// Terms, sorted by what they say.
#[derive(Default)]
struct Sorted {
    whole: Vec<Scored>,
    prefixes: Vec<Scored>,
    pairs: Vec<bool>,
    losses: Vec<f64>,
}

impl Sorted {
    fn add(&mut self, term: &Term, outputs: &[f32]) {
        let at = |output: Option<u32>| output.map_or(0.0, |output| f64::from(outputs[output as usize]));
        let margin = at(term.better) - at(term.worse);
        self.losses.push((-margin).max(0.0) + (-margin.abs()).exp().ln_1p());
        match (term.better, term.worse) {
            (Some(_), Some(_)) if term.whole => self.pairs.push(margin > 0.0),
            (Some(_), Some(_)) => {}
            (better, _) => {
                let side = if term.whole { &mut self.whole } else { &mut self.prefixes };
                side.push((at(better) + at(term.worse), better.is_some()));
            }
        }
    }
}

impl GuardReport {
    pub(super) fn of(seen: &[(GuardBatch, Vec<f32>)]) -> Result<Self, TrainError> {
        let mut sorted = Sorted::default();
        for (batch, outputs) in seen {
            batch.terms.iter().for_each(|term| sorted.add(term, outputs));
        }
        if sorted.losses.is_empty() {
            return Err(TrainError::EmptyBatch);
        }
        let loss = sorted.losses.iter().sum::<f64>() / sorted.losses.len() as f64;
        let (whole, prefixes) = (classified(&sorted.whole)?, classified(&sorted.prefixes)?);
        Ok(Self { whole, prefixes, pairs: Share::count(sorted.pairs), loss })
    }

    /// The mean loss.
    pub(super) fn score(&self) -> f64 {
        self.loss
    }
}

fn classified(scored: &[Scored]) -> Result<Option<Classification>, TrainError> {
    match scored.is_empty() {
        true => Ok(None),
        false => Ok(Some(Classification::of(scored, &ClassificationSettings::default())?)),
    }
}
