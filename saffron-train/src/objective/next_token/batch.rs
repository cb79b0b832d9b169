//! Texts laid out for one forward pass.

use saffron_core::Token;
use saffron_mrm::DecoderConfig;

use super::Text;
use crate::error::TrainError;
use crate::objective::packed::{Packed, check};

/// A batch: outputs are the log-probabilities of all targets, text by text.
#[derive(Clone, Debug, PartialEq)]
pub struct TextBatch {
    /// The inputs: all tokens of a text before its last target.
    pub inputs: Packed,
    /// Rows that predict a target.
    pub rows: Vec<u32>,
    /// That target.
    pub targets: Vec<Token>,
}

impl TextBatch {
    /// Lays texts out for a model.
    ///
    /// # Errors
    ///
    /// No texts, tokens that the model does not have, texts that are too long.
    pub fn new(texts: &[&Text], model: &DecoderConfig) -> Result<Self, TrainError> {
        for (place, text) in texts.iter().enumerate() {
            check(place, text.inputs(), model)?;
            check(place, text.targets(), model)?;
        }
        let inputs = Packed::causal(texts.iter().map(|text| text.inputs()))?;
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for (place, text) in texts.iter().enumerate() {
            let first = place * inputs.length;
            rows.extend(text.range().map(|target| (first + target - 1) as u32));
            targets.extend(text.targets());
        }
        Ok(Self { inputs, rows, targets })
    }
}
