//! `config.json` of Hugging Face's layout, read and resolved as transformers 5 does.

use std::path::Path;

use serde_json::{Map, Value};

use super::gemma3::MULTIMODAL;
use super::harmless::refuse_unknown;
use super::kind::{self, Found};
use super::model::Model;
use super::{Defaults, Entry};
use crate::config::{DecoderConfig, Fields, Seen};
use crate::error::LoadError;
use crate::files::read_json;

/// No decoder has more.
const MOST_LAYERS: usize = 4096;

impl DecoderConfig {
    /// Reads and checks `config.json` of a checkpoint directory.
    ///
    /// # Errors
    ///
    /// An unreadable file, a model of another family, or a value that this decoder does not
    /// support, by name.
    pub fn from_dir(dir: &Path) -> Result<Self, LoadError> {
        Self::from_file(&dir.join("config.json"))
    }

    /// Reads and checks a `config.json`. Every family that it may be of has a file in
    /// `saffron-mrm/src/family`.
    ///
    /// # Errors
    ///
    /// As [`from_dir`](Self::from_dir).
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        Self::of_json(&read_json(path)?, path)
    }

    /// What the names of the text part's modules begin with in transformers, if a directory's
    /// `config.json` is of a multimodal model.
    pub(crate) fn text_prefix(dir: &Path) -> Result<Option<&'static str>, LoadError> {
        let path = dir.join("config.json");
        let json = read_json(&path)?;
        Ok(kind::of(&json, &path)?.within.map(|_| MULTIMODAL.modules))
    }

    /// Reads and checks what a `config.json` holds; `path` is what errors call it.
    pub(super) fn of_json(json: &Map<String, Value>, path: &Path) -> Result<Self, LoadError> {
        let Found { entry, json: text, within } = kind::of(json, path)?;
        let (top, seen) = (Fields::of(json, path), Seen::default());
        let fields = within.map_or(top, |name| top.within(text, name)).noting(&seen);
        let mut config = config(entry, fields, &seen)?;
        if within.is_some() {
            config.take_outer(top)?;
        }
        config.check(path)?;
        Ok(config)
    }

    /// What the top level of a multimodal configuration decides.
    fn take_outer(&mut self, top: Fields<'_>) -> Result<(), LoadError> {
        // The text part's own switch is not asked for, nor its cap applied.
        self.tie_word_embeddings = match top.get("tie_word_embeddings") {
            None => true,
            Some(_) => top.flag("tie_word_embeddings")?,
        };
        if let Some(cap) = self.choices.logit_cap {
            return Err(top.refuse("text_config.final_logit_softcapping", "null in a multimodal configuration", cap));
        }
        let ends = top.tokens("eos_token_id")?;
        if !ends.is_empty() {
            self.eos_token_ids = ends;
        }
        Ok(())
    }
}

/// The configuration in a file's fields, its values not yet checked against each other.
fn config(entry: &Entry, fields: Fields<'_>, seen: &Seen) -> Result<DecoderConfig, LoadError> {
    let sizes = Sizes { fields, defaults: &entry.defaults };
    let (hidden_size, heads) = (sizes.need("hidden_size")?, sizes.need("num_attention_heads")?);
    let layers = sizes.need("num_hidden_layers")?;
    if layers == 0 || layers > MOST_LAYERS {
        return Err(fields.refuse("num_hidden_layers", format!("1 to {MOST_LAYERS}"), layers));
    }
    let head_dim = match entry.defaults.size("head_dim") {
        Some(size) => fields.or_default("head_dim", Fields::count, size)?,
        None => fields.count("head_dim")?.unwrap_or(hidden_size / heads.max(1)),
    };
    let model = Model { fields, layers, head_dim, hidden: hidden_size, positions: sizes.positions()? };
    refuse_other_masks(fields)?;
    let choices = (entry.choices)(&model)?;
    let config = DecoderConfig {
        hidden_size,
        intermediate_size: sizes.need("intermediate_size")?,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: sizes.or("num_key_value_heads", heads)?,
        head_dim,
        vocab_size: sizes.need("vocab_size")?,
        max_position_embeddings: model.positions,
        rms_norm_eps: fields.or_default("rms_norm_eps", Fields::number, entry.defaults.eps)?,
        tie_word_embeddings: match fields.get("tie_word_embeddings") {
            None => entry.defaults.tied,
            Some(_) => fields.flag("tie_word_embeddings")?,
        },
        eos_token_ids: fields.tokens("eos_token_id")?,
        choices,
    };
    refuse_unknown(&model, seen)?;
    Ok(config)
}

/// Refuses attention that looks ahead. transformers asks every family's configuration for it.
fn refuse_other_masks(fields: Fields<'_>) -> Result<(), LoadError> {
    match fields.get("is_causal") {
        None | Some(Value::Bool(true)) => Ok(()),
        Some(other) => Err(fields.refuse("is_causal", "true", other)),
    }
}

struct Sizes<'a> {
    fields: Fields<'a>,
    defaults: &'a Defaults,
}

impl Sizes<'_> {
    /// A size that the file or the family must have.
    fn need(&self, field: &str) -> Result<usize, LoadError> {
        match (self.fields.get(field), self.defaults.size(field)) {
            (None, Some(size)) => Ok(size),
            _ => self.fields.needed_count(field),
        }
    }

    /// A size of the file, or of the family where the file is silent; null, or silence of both,
    /// stands for
    /// `other`.
    fn or(&self, field: &str, other: usize) -> Result<usize, LoadError> {
        match (self.fields.get(field), self.defaults.size(field)) {
            (None, Some(size)) => Ok(size),
            _ => Ok(self.fields.count(field)?.unwrap_or(other)),
        }
    }

    fn positions(&self) -> Result<usize, LoadError> {
        let field = "max_position_embeddings";
        match self.defaults.size(field) {
            Some(size) => self.fields.or_default(field, Fields::count, size),
            None => self.need(field),
        }
    }
}
