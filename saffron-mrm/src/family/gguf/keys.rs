//! The keys of an architecture, and the refusal of those that are neither understood nor harmless.

use std::fmt::Display;

use crate::config::{Metadata, Pattern, Seen};
use crate::error::LoadError;

/// The file's architecture.
pub(super) const ARCHITECTURE: &str = "general.architecture";
pub(super) const HIDDEN: &str = "embedding_length";
pub(super) const INTERMEDIATE: &str = "feed_forward_length";
pub(super) const LAYERS: &str = "block_count";
pub(super) const HEADS: &str = "attention.head_count";
pub(super) const KEY_HEADS: &str = "attention.head_count_kv";
pub(super) const KEY_WIDTH: &str = "attention.key_length";
pub(super) const VALUE_WIDTH: &str = "attention.value_length";
pub(super) const POSITIONS: &str = "context_length";
pub(super) const EPS: &str = "attention.layer_norm_rms_epsilon";
pub(super) const ROWS: &str = "vocab_size";
/// The cap of scores of attention.
pub(in crate::family) const SCORE_CAP: &str = "attn_logit_softcapping";
/// The cap of logits.
pub(in crate::family) const LOGIT_CAP: &str = "final_logit_softcapping";
pub(in crate::family) const SCORE_SCALE: &str = "attention.scale";
pub(in crate::family) const EMBEDDING_SCALE: &str = "embedding_scale";
pub(in crate::family) const RESIDUAL_SCALE: &str = "residual_scale";
pub(in crate::family) const LOGIT_SCALE: &str = "logit_scale";

/// Keys that change nothing in what a decoder computes.
const HARMLESS: [&str; 6] = [
    "attention.layer_norm_epsilon",
    "expert_used_count",
    "pooling_type",
    "rope.scaling.finetuned",
    "tensor_data_layout",
    ROWS,
];

/// A file's metadata, by keys without the architecture's name.
#[derive(Clone, Copy)]
pub(in crate::family) struct Keys<'a> {
    metadata: Metadata<'a>,
    architecture: &'static str,
}

impl<'a> Keys<'a> {
    pub(super) fn new(metadata: Metadata<'a>, architecture: &'static str) -> Self {
        Self { metadata, architecture }
    }

    pub(in crate::family) fn count(self, key: &str) -> Result<Option<usize>, LoadError> {
        self.metadata.count(&self.full(key))
    }

    /// A number that must be there.
    pub(super) fn need_count(self, key: &str) -> Result<usize, LoadError> {
        self.metadata.need(&self.full(key), self.count(key))
    }

    pub(in crate::family) fn real(self, key: &str) -> Result<Option<f64>, LoadError> {
        self.metadata.real(&self.full(key))
    }

    /// A real number that must be there.
    pub(in crate::family) fn need_real(self, key: &str) -> Result<f64, LoadError> {
        self.metadata.need(&self.full(key), self.real(key))
    }

    /// A real number for which 0 stands for nothing.
    pub(in crate::family) fn scale(self, key: &str) -> Result<Option<f64>, LoadError> {
        Ok(self.real(key)?.filter(|scale| *scale != 0.0))
    }

    pub(super) fn text(self, key: &str) -> Result<Option<&'a str>, LoadError> {
        self.metadata.text(&self.full(key))
    }

    pub(super) fn pattern(self, key: &str) -> Result<Option<Pattern>, LoadError> {
        self.metadata.pattern(&self.full(key))
    }

    /// Refuses a switch that is not as it should be.
    pub(in crate::family) fn only(self, key: &str, expected: bool) -> Result<(), LoadError> {
        match self.metadata.flag(&self.full(key))?.filter(|found| *found != expected) {
            Some(found) => Err(self.refuse(key, expected, found)),
            None => Ok(()),
        }
    }

    /// Refuses a number other than 0.
    pub(super) fn none(self, key: &str) -> Result<(), LoadError> {
        match self.count(key)?.filter(|count| *count > 0) {
            Some(found) => Err(self.refuse(key, "0 or nothing", found)),
            None => Ok(()),
        }
    }

    /// Refuses another width than a head's.
    pub(super) fn same(self, key: &str, width: usize) -> Result<(), LoadError> {
        match self.count(key)?.filter(|found| *found != width) {
            Some(found) => Err(self.refuse(key, format!("the width of a head, {width}"), found)),
            None => Ok(()),
        }
    }

    pub(in crate::family) fn refuse(self, key: &str, expected: impl Display, found: impl Display) -> LoadError {
        self.metadata.refuse(&self.full(key), expected, found)
    }

    /// Refuses what a file holds beside its metadata.
    pub(super) fn refuse_file(self, name: &str, expected: impl Display, found: impl Display) -> LoadError {
        self.metadata.refuse(name, expected, found)
    }

    /// Refuses keys of the architecture that nobody has looked at: they may change what is
    /// computed.
    pub(super) fn refuse_unknown(self, seen: &Seen) -> Result<(), LoadError> {
        let seen = seen.borrow();
        let own = self.metadata.keys().filter_map(|key| Some((key, self.own(key)?)));
        let unknown = own.filter(|(key, own)| !seen.contains(*key) && !HARMLESS.contains(own)).min();
        match unknown {
            Some((key, _)) => Err(self.metadata.refuse(key, "nothing: not supported", "a value")),
            None => Ok(()),
        }
    }

    fn full(self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    /// A key without the architecture's name, if it begins with it.
    fn own(self, key: &str) -> Option<&str> {
        key.strip_prefix(self.architecture)?.strip_prefix('.')
    }
}
