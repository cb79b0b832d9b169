//! What a family is asked about: a file's fields, with the sizes that have been read.

use serde_json::Value;

use super::rope::Rope;
use crate::config::{Activation, Fields, Layer, Layers, Rotary};
use crate::error::LoadError;

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// A `config.json` whose sizes are known.
pub(super) struct Model<'a> {
    pub(super) fields: Fields<'a>,
    /// `num_hidden_layers`
    pub(super) layers: usize,
    pub(super) head_dim: usize,
    /// `hidden_size`
    pub(super) hidden: usize,
    /// `max_position_embeddings`
    pub(super) positions: usize,
}

impl Model<'_> {
    /// The rotary positions that all layers share, whole heads rotated.
    pub(super) fn rotary(&self, theta: f64) -> Result<Rotary, LoadError> {
        Rope::new(self, theta).resolve()
    }

    /// The function of the gate, by the field that a family has for it.
    pub(super) fn activation(&self, field: &str) -> Result<Activation, LoadError> {
        match self.fields.text(field)? {
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some("gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
            Some(other) => Err(self.fields.refuse(field, "silu or gelu_pytorch_tanh", other)),
            None if field == "hidden_act" => Ok(Activation::Silu),
            None => Ok(Activation::GeluTanh),
        }
    }

    /// One layer in how many is another kind; at least 1.
    pub(super) fn interval(&self, field: &str, absent: usize) -> Result<usize, LoadError> {
        match self.fields.or_default(field, Fields::count, absent)? {
            0 => Err(self.fields.refuse(field, "at least 1", 0)),
            interval => Ok(interval),
        }
    }

    /// A multiplier; 1 where it is absent.
    pub(super) fn multiplier(&self, field: &str) -> Result<f64, LoadError> {
        self.fields.or_default(field, Fields::number, 1.0)
    }

    /// A cap of scores or logits with its default; none where the file says null.
    pub(super) fn cap(&self, field: &str, absent: Option<f64>) -> Result<Option<f64>, LoadError> {
        match self.fields.get(field) {
            None => Ok(absent),
            Some(_) => self.fields.number(field),
        }
    }

    /// `sliding_window`; none where the file says null.
    pub(super) fn window(&self, absent: Option<usize>) -> Result<Option<usize>, LoadError> {
        match self.fields.get("sliding_window") {
            None => Ok(absent),
            Some(_) => self.fields.count("sliding_window"),
        }
    }

    /// Layers with the same positions and no windows. Refuses a file that has some.
    pub(super) fn unwindowed(&self, theta: f64) -> Result<Layers, LoadError> {
        if let Some(window) = self.fields.count("sliding_window")? {
            return Err(self.fields.refuse("sliding_window", "null", window));
        }
        self.kinds(FULL)?;
        Ok(Layers::Alike(Layer { rotary: Some(self.rotary(theta)?), window: None }))
    }

    /// Layers with the same positions, all with the same window or without one.
    pub(super) fn alike(&self, rotary: Rotary, window: Option<usize>) -> Result<Layers, LoadError> {
        self.kinds(if window.is_some() { SLIDING } else { FULL })?;
        Ok(Layers::Alike(Layer { rotary: Some(rotary), window }))
    }

    /// Whether each layer slides: as `layer_types` says, else as the family does.
    pub(super) fn sliding(&self, by_default: impl Fn(usize) -> bool) -> Result<Vec<bool>, LoadError> {
        if self.fields.get("layer_types").is_none_or(Value::is_null) {
            return Ok((0..self.layers).map(by_default).collect());
        }
        let kinds = self.fields.texts("layer_types")?;
        if kinds.len() != self.layers {
            let expected = format!("one for each of {} layers", self.layers);
            return Err(self.fields.refuse("layer_types", expected, kinds.len()));
        }
        let slides = |kind: &&str| match *kind {
            SLIDING => Ok(true),
            FULL => Ok(false),
            other => Err(self.fields.refuse("layer_types", format!("{FULL} or {SLIDING}"), other)),
        };
        kinds.iter().map(slides).collect()
    }

    /// Layers that slide or do not, each with its positions.
    pub(super) fn layers_of(
        &self,
        sliding: &[bool],
        window: Option<usize>,
        rotary: impl Fn(usize) -> Option<Rotary>,
    ) -> Result<Layers, LoadError> {
        if window.is_none() && sliding.contains(&true) {
            return Err(self.fields.refuse(
                "sliding_window",
                format!("a number, as layer_types has {SLIDING}"),
                "none",
            ));
        }
        let layer =
            |(number, slides): (usize, &bool)| Layer { rotary: rotary(number), window: window.filter(|_| *slides) };
        Ok(Layers::of(sliding.iter().enumerate().map(layer).collect()))
    }

    /// Refuses layers of another kind than this one.
    fn kinds(&self, expected: &str) -> Result<(), LoadError> {
        match self.fields.texts("layer_types")?.into_iter().find(|kind| *kind != expected) {
            Some(other) => Err(self.fields.refuse("layer_types", format!("{expected} alone"), other)),
            None => Ok(()),
        }
    }
}
