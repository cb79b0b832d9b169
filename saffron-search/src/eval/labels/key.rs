//! Which answer stands in which row of a sheet.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LabelError;
use crate::eval::files::{read_capped, replace};
use crate::eval::runs::Key;

/// The most bytes of a key: 256 MiB.
const MAX_KEY: u64 = 256 << 20;
const VERSION: u32 = 1;

/// What must not be seen by whoever labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetKey {
    version: u32,
    /// The seed of the order and of the duplicates.
    pub seed: u64,
    /// The rows in the sheet's order.
    pub rows: Vec<Keyed>,
}

/// A row of a sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyed {
    /// The row's id in the sheet.
    pub id: String,
    /// Whose answer it is.
    pub key: Key,
    /// CRC-32 of the answer's text.
    pub answer: u32,
    /// Whether it is the duplicate of another row.
    pub again: bool,
}

impl SheetKey {
    pub(super) fn new(seed: u64, rows: Vec<Keyed>) -> Self {
        Self { version: VERSION, seed, rows }
    }

    /// Writes the key.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self, path: &Path) -> Result<(), LabelError> {
        Ok(replace(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })?)
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, LabelError> {
        let bytes = read_capped(path, MAX_KEY)?;
        let broken = |reason: String| LabelError::Key { path: path.to_owned(), reason };
        let key: Self = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        match key.version {
            VERSION => Ok(key),
            other => Err(broken(format!("expected version {VERSION}, found {other}"))),
        }
    }
}
