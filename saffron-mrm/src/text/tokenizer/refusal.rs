//! What is wrong with a tokenizer's file, before it has a path.

use std::fmt::Display;
use std::path::Path;

use crate::error::LoadError;

/// A field of a `tokenizer.json` that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    field: String,
    expected: String,
    found: String,
}

impl Refusal {
    pub(super) fn new(field: impl Into<String>, expected: impl Display, found: impl Display) -> Self {
        Self { field: field.into(), expected: expected.to_string(), found: found.to_string() }
    }

    /// The error of a file at this path.
    pub(super) fn at(self, path: &Path) -> LoadError {
        LoadError::field(path, self.field, self.expected, self.found)
    }
}
