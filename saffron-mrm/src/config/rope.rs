//! Rotary positions in a `config.json`. Transformers 4 has `rope_theta` and `rope_scaling`,
//! transformers 5 `rope_parameters` with all of it, and a file that went through both has both.
//! Resolved as transformers 5 does:
//!
//! - the object is `rope_scaling` if that is there and not empty, else `rope_parameters`;
//! - a `rope_theta` in the object wins over the top level's, which wins over 10,000;
//! - a top-level `original_max_position_embeddings` wins over the object's, which wins over
//!   `max_position_embeddings`.
//!
//! Where both objects are there, transformers 5 forgets the second. A file whose two objects say
//! different things is refused.

use std::path::Path;

use serde_json::{Map, Value};

use super::RopeScaling;
use super::fields::{Fields, present};
use crate::error::LoadError;

const DEFAULT_THETA: f64 = 10_000.0;

/// What a file comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resolved {
    pub(super) theta: f64,
    pub(super) scaling: RopeScaling,
}

/// Base and stretching of a model with room for `positions` tokens.
pub(super) fn resolve(json: &Map<String, Value>, positions: usize, path: &Path) -> Result<Resolved, LoadError> {
    let top = Fields::of(json, path);
    let read = |name| object(top, name)?.map(|object| resolved(top, object, positions)).transpose();
    match (read("rope_scaling")?, read("rope_parameters")?) {
        (Some(one), Some(other)) if one != other => {
            let expected = format!("what rope_scaling says, {}", one.describe());
            Err(LoadError::field(path, "rope_parameters", expected, other.describe()))
        }
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => Ok(Resolved { theta: theta(top, None)?, scaling: RopeScaling::Plain }),
    }
}

/// A field's object, if it is there and not empty.
fn object<'a>(top: Fields<'a>, name: &'a str) -> Result<Option<Fields<'a>>, LoadError> {
    let Some(json) = top.read(name, "an object or null", Value::as_object)? else { return Ok(None) };
    let fields = top.within(json, name);
    // Families whose layers differ have an object a kind of layer.
    match json.iter().find(|(_, value)| value.is_object()) {
        Some((inner, _)) => Err(fields.refuse(inner, "one value for all layers", "an object")),
        None => Ok(Some(fields).filter(|fields| !fields.json.is_empty())),
    }
}

impl Resolved {
    fn describe(self) -> String {
        format!("{:?} with rope_theta = {}", self.scaling, self.theta)
    }
}

fn theta(top: Fields<'_>, inner: Option<f64>) -> Result<f64, LoadError> {
    Ok(inner.or(top.number("rope_theta")?).unwrap_or(DEFAULT_THETA))
}

/// What an object says together with the top level.
fn resolved(top: Fields<'_>, object: Fields<'_>, positions: usize) -> Result<Resolved, LoadError> {
    if let Some(factor) = object.number("partial_rotary_factor")?.filter(|factor| *factor != 1.0) {
        return Err(object.refuse("partial_rotary_factor", "1", factor));
    }
    // `type` is the older name of the same field; some files have both.
    let (older, newer) = (object.text("type")?, object.text("rope_type")?);
    let kind = newer.or(older);
    if let Some(older) = older.filter(|older| Some(*older) != kind) {
        return Err(object.refuse("type", "the same as rope_type", older));
    }
    let known = "default or llama3";
    let scaling = match kind {
        None if object.number("factor")?.is_some() => {
            return Err(object.refuse("rope_type", known, "a factor without a type"));
        }
        None | Some("default") => RopeScaling::Plain,
        Some("llama3") => llama3(top, object, positions)?,
        Some(other) => return Err(object.refuse("rope_type", known, other)),
    };
    Ok(Resolved { theta: theta(top, object.number("rope_theta")?)?, scaling })
}

fn llama3(top: Fields<'_>, object: Fields<'_>, positions: usize) -> Result<RopeScaling, LoadError> {
    let (low, high) = (object.positive("low_freq_factor")?, object.positive("high_freq_factor")?);
    if high <= low {
        return Err(object.refuse("high_freq_factor", format!("more than low_freq_factor = {low}"), high));
    }
    let field = "original_max_position_embeddings";
    let original = match [top, object].into_iter().find(|fields| present(fields.json, field).is_some()) {
        Some(fields) => fields.positive(field)?,
        None => positions as f64,
    };
    Ok(RopeScaling::Llama3 {
        factor: object.positive("factor")?,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
    })
}
