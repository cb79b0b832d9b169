//! Rotary positions in a `config.json`. Transformers 4 has `rope_theta` and `rope_scaling`,
//! transformers 5 `rope_parameters` with all of it, and a file that went through both has both.
//! Resolved as transformers 5 does:
//!
//! - the object is `rope_scaling` if that is there and not empty, else `rope_parameters`;
//! - a `rope_theta` in the object wins over the top level's, which wins over the family's;
//! - a top-level `original_max_position_embeddings` wins over the object's, which wins over
//!   `max_position_embeddings`.
//!
//! Where both objects are there, transformers 5 forgets the second. A file whose two objects say
//! different things is refused.

use serde_json::Value;

use super::model::Model;
use crate::config::{ContextLength, Fields, LongRope, RopeScaling, Rotary, Yarn};
use crate::error::LoadError;

const ORIGINAL: &str = "original_max_position_embeddings";
const PARTIAL: &str = "partial_rotary_factor";

/// Fields of an object that are read, or that matter only with another kind of stretching.
const KNOWN: [&str; 17] = [
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "finetuned",
    "high_freq_factor",
    "long_factor",
    "low_freq_factor",
    "mscale",
    "mscale_all_dim",
    ORIGINAL,
    PARTIAL,
    "rope_theta",
    "rope_type",
    "short_factor",
    "truncate",
    "type",
];

/// No head has more pairs with divisors of their own; every layer holds a copy.
const MOST_FACTORS: usize = 1024;

/// A family's way of reading them.
#[derive(Clone, Copy)]
pub(super) struct Rope<'a> {
    top: Fields<'a>,
    positions: usize,
    head_dim: usize,
    /// The top level's field of the base.
    base_field: &'static str,
    /// Base where a file names none.
    theta: f64,
    /// What stands for a top-level original context that is absent.
    original: Option<usize>,
    /// Other names of kinds of stretching, each with the name that is known.
    aliases: &'static [(&'static str, &'static str)],
    /// Whether a part of a head may be rotated.
    partial: bool,
    /// Whether kinds of layers have objects of their own.
    by_layer_type: bool,
}

impl<'a> Rope<'a> {
    pub(super) fn new(model: &Model<'a>, theta: f64) -> Self {
        let Model { fields: top, positions, head_dim, .. } = *model;
        Self {
            top,
            positions,
            head_dim,
            base_field: "rope_theta",
            theta,
            original: None,
            aliases: &[],
            partial: false,
            by_layer_type: false,
        }
    }

    /// The same where kinds of layers have objects of their own. transformers then looks for less:
    /// not at the top level for the original context, not for `truncate`, and for a kind of
    /// stretching under its newer name alone.
    pub(super) fn by_layer_type(self) -> Self {
        Self { by_layer_type: true, ..self }
    }

    /// The same with another field of the top level for the base.
    pub(super) fn with_base_field(self, base_field: &'static str) -> Self {
        Self { base_field, ..self }
    }

    /// The same where a part of a head may be rotated.
    pub(super) fn partial(self) -> Self {
        Self { partial: true, ..self }
    }

    /// The same with an original context for files that name none at the top level.
    pub(super) fn with_original(self, original: usize) -> Self {
        Self { original: Some(original), ..self }
    }

    /// The same with other names of kinds.
    pub(super) fn with_aliases(self, aliases: &'static [(&'static str, &'static str)]) -> Self {
        Self { aliases, ..self }
    }

    /// What the file comes to.
    pub(super) fn resolve(self) -> Result<Rotary, LoadError> {
        let read = |name| self.object(name)?.map(|object| self.of(object)).transpose();
        match (read("rope_scaling")?, read("rope_parameters")?) {
            (Some(one), Some(other)) if one != other => {
                let expected = format!("what rope_scaling says, {one:?}");
                Err(self.top.refuse("rope_parameters", expected, format!("{other:?}")))
            }
            (Some(one), _) | (None, Some(one)) => Ok(one),
            (None, None) => self.unscaled(),
        }
    }

    /// What the top level comes to without an object.
    pub(super) fn unscaled(self) -> Result<Rotary, LoadError> {
        if !self.by_layer_type {
            // Says nothing where nothing is stretched.
            self.top.number(ORIGINAL)?;
        }
        let width = self.width(self.top, self.top.number(PARTIAL)?)?;
        Ok(Rotary { theta: self.base(None)?, scaling: RopeScaling::Plain, width })
    }

    /// A field's object, if it is there and not empty.
    fn object(self, name: &'a str) -> Result<Option<Fields<'a>>, LoadError> {
        let Some(json) = self.top.read(name, "an object or null", Value::as_object)? else { return Ok(None) };
        let fields = self.top.within(json, name);
        // Families whose layers differ have an object a kind of layer.
        match json.iter().find(|(_, value)| value.is_object()) {
            Some((inner, _)) => Err(fields.refuse(inner, "one value for all layers", "an object")),
            None => Ok(Some(fields).filter(|_| !json.is_empty())),
        }
    }

    /// What an object says together with the top level.
    pub(super) fn of(self, object: Fields<'a>) -> Result<Rotary, LoadError> {
        if let Some((name, value)) = object.all().find(|(name, value)| !KNOWN.contains(name) && !value.is_null()) {
            return Err(object.refuse(name, "no field of this name, which is not known", value));
        }
        let top = self.top.number(PARTIAL)?;
        if !self.by_layer_type {
            self.top.number(ORIGINAL)?;
        }
        let width = match object.number(PARTIAL)? {
            Some(factor) => self.width(object, Some(factor)),
            None => self.width(self.top, top),
        }?;
        let scaling = self.scaling(object, width.unwrap_or(self.head_dim))?;
        Ok(Rotary { theta: self.base(object.number("rope_theta")?)?, scaling, width })
    }

    fn base(self, inner: Option<f64>) -> Result<f64, LoadError> {
        Ok(inner.or(self.top.number(self.base_field)?).unwrap_or(self.theta))
    }

    /// Features of a head that are rotated, where not all are.
    fn width(self, fields: Fields<'_>, factor: Option<f64>) -> Result<Option<usize>, LoadError> {
        match factor.filter(|factor| *factor != 1.0) {
            None => Ok(None),
            Some(factor) if self.partial && factor > 0.0 && factor < 1.0 => {
                Ok(Some((self.head_dim as f64 * factor) as usize))
            }
            Some(factor) => {
                let expected = if self.partial { "a number above 0, up to 1" } else { "1" };
                Err(fields.refuse(PARTIAL, expected, factor))
            }
        }
    }

    fn scaling(self, object: Fields<'a>, width: usize) -> Result<RopeScaling, LoadError> {
        // `type` is the older name of the same field; some files have both.
        let (older, newer) = (object.text("type")?, object.text("rope_type")?);
        let kind = newer.or(older);
        let resolved = |kind: Option<&'a str>| {
            let alias = self.aliases.iter().find(|(alias, _)| Some(*alias) == kind);
            alias.map(|(_, known)| *known).or(kind)
        };
        if let Some(older) = older.filter(|older| resolved(Some(older)) != resolved(kind)) {
            return Err(object.refuse("type", "the same as rope_type", older));
        }
        if let Some(older) = older.filter(|_| self.by_layer_type && newer.is_none()) {
            return Err(object.refuse("rope_type", "a kind of stretching", format!("nothing but type = {older}")));
        }
        let known = "default, linear, llama3, yarn or longrope";
        match resolved(kind) {
            None if object.number("factor")?.is_some() => {
                Err(object.refuse("rope_type", known, "a factor without a type"))
            }
            None | Some("default") => Ok(RopeScaling::Plain),
            Some("linear") => Ok(RopeScaling::Linear { factor: object.positive("factor")? }),
            Some("llama3") => self.llama3(object),
            Some("yarn") => self.yarn(object),
            Some("longrope") => self.longrope(object, width),
            Some("dynamic") => {
                Err(object.refuse("rope_type", known, "dynamic, whose frequencies change with the context's length"))
            }
            Some(other) => Err(object.refuse("rope_type", known, other)),
        }
    }

    fn llama3(self, object: Fields<'_>) -> Result<RopeScaling, LoadError> {
        let (low, high) = (object.positive("low_freq_factor")?, object.positive("high_freq_factor")?);
        if high <= low {
            return Err(object.refuse("high_freq_factor", format!("more than low_freq_factor = {low}"), high));
        }
        Ok(RopeScaling::Llama3 {
            factor: object.positive("factor")?,
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings: self.original(object)?,
        })
    }

    fn yarn(self, object: Fields<'_>) -> Result<RopeScaling, LoadError> {
        let original = self.original(object)?;
        let factor = match object.get("factor") {
            Some(Value::Null) => self.positions as f64 / original,
            _ => object.positive("factor")?,
        };
        // Zero stands for what is absent.
        let number = |name| Ok::<_, LoadError>(object.number(name)?.filter(|number| *number != 0.0));
        let magnitude = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
        let attention_factor = match (self.attention_factor(object)?, number("mscale")?, number("mscale_all_dim")?) {
            (Some(given), ..) => given,
            (None, Some(one), Some(other)) => magnitude(one) / magnitude(other),
            _ => magnitude(1.0),
        };
        let (beta_fast, beta_slow) = (number("beta_fast")?.unwrap_or(32.0), number("beta_slow")?.unwrap_or(1.0));
        for (name, value) in [("beta_fast", beta_fast), ("beta_slow", beta_slow)] {
            if value < 0.0 {
                return Err(object.refuse(name, "a number above 0", value));
            }
        }
        Ok(RopeScaling::Yarn(Yarn {
            factor,
            beta_fast,
            beta_slow,
            original_max_position_embeddings: original,
            attention_factor,
            truncate: self.truncate(object)?,
        }))
    }

    /// Whether yarn's bounds are rounded. Null is not absent here.
    fn truncate(self, object: Fields<'_>) -> Result<bool, LoadError> {
        let truncate = object.get("truncate").is_none() || object.flag("truncate")?;
        match truncate || !self.by_layer_type {
            true => Ok(truncate),
            false => Err(object.refuse("truncate", "true, or nothing", truncate)),
        }
    }

    fn longrope(self, object: Fields<'_>, width: usize) -> Result<RopeScaling, LoadError> {
        let original = self.original(object)?;
        if width / 2 > MOST_FACTORS {
            return Err(object.refuse("rope_type", format!("heads of at most {}", 2 * MOST_FACTORS), width));
        }
        let factors = |name| match object.numbers(name)? {
            Some(factors) if factors.len() == width / 2 => Ok(factors),
            found => {
                let found = found.map_or_else(|| String::from("nothing"), |factors| factors.len().to_string());
                Err(object.refuse(name, format!("{} numbers", width / 2), found))
            }
        };
        let factor = object.number("factor")?.unwrap_or(self.positions as f64 / original);
        let attention_factor = match self.attention_factor(object)? {
            Some(given) => given,
            None if factor <= 1.0 => 1.0,
            None => (1.0 + factor.ln() / original.ln()).sqrt(),
        };
        Ok(RopeScaling::LongRope(LongRope {
            short_factor: factors("short_factor")?,
            long_factor: factors("long_factor")?,
            original_max_position_embeddings: original,
            attention_factor,
            serves: ContextLength::Short,
        }))
    }

    fn attention_factor(self, object: Fields<'_>) -> Result<Option<f64>, LoadError> {
        match object.get("attention_factor") {
            None | Some(Value::Null) => Ok(None),
            Some(_) => object.positive("attention_factor").map(Some),
        }
    }

    /// The context before stretching.
    fn original(self, object: Fields<'_>) -> Result<f64, LoadError> {
        let has = |fields: Fields<'_>| fields.get(ORIGINAL).is_some_and(|value| !value.is_null());
        match self.original {
            _ if !self.by_layer_type && has(self.top) => self.top.positive(ORIGINAL),
            Some(original) => Ok(original as f64),
            None if has(object) => object.positive(ORIGINAL),
            None => Ok(self.positions as f64),
        }
    }
}
