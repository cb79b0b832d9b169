//! With what a run was begun.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Difference, RunError, Shard, secrets};
use crate::eval::files;

/// The format that is written here.
pub const FORMAT_VERSION: u32 = 1;

/// With what a run was begun. A run goes on only with the very same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format_version: u32,
    /// Every setting that a result depends on. Must hold no secret.
    pub settings: Value,
    /// What models and data were, by name: checksums, lengths, versions.
    pub fingerprints: BTreeMap<String, String>,
    /// Which part of the run the directory holds.
    pub shard: Shard,
}

impl Manifest {
    /// A manifest without fingerprints.
    #[must_use]
    pub fn new(settings: Value, shard: Shard) -> Self {
        Self { format_version: FORMAT_VERSION, settings, fingerprints: BTreeMap::new(), shard }
    }

    /// The manifest of another part of the run.
    #[must_use]
    pub fn with_shard(self, shard: Shard) -> Self {
        Self { shard, ..self }
    }

    /// Adds a fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fingerprints.insert(name.into(), value.into());
        self
    }

    /// Compares the manifest with the one at a path, or writes it there where there is none.
    ///
    /// # Errors
    ///
    /// A manifest that holds what looks like a secret; one at the path with other settings or fingerprints, or of another shard; a file
    /// that is no manifest, cannot be read or written.
    pub fn settle(&self, path: &Path) -> Result<(), RunError> {
        self.check_secrets()?;
        match Self::read(path)? {
            Some(in_run) => self.check_same(&in_run, path),
            None => self.write(path),
        }
    }

    /// Reads the manifest at a path; none when there is none.
    ///
    /// # Errors
    ///
    /// A file that is no manifest, is of another format version, or cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>, RunError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RunError::io("read", path)(error)),
        };
        let failed = |source| RunError::Manifest { path: path.to_owned(), source };
        let value: Value = serde_json::from_slice(&bytes).map_err(failed)?;
        match value.get("format_version").and_then(Value::as_u64) {
            Some(found) if found != u64::from(FORMAT_VERSION) => {
                Err(RunError::FormatVersion { path: path.to_owned(), expected: FORMAT_VERSION, found })
            }
            _ => serde_json::from_value(value).map(Some).map_err(failed),
        }
    }

    /// Writes the manifest, whole or not at all.
    fn write(&self, path: &Path) -> Result<(), RunError> {
        let text =
            serde_json::to_vec_pretty(self).map_err(|source| RunError::Encode { what: "the manifest", source })?;
        Ok(files::replace(path, |file| file.write_all(&text).and_then(|()| file.write_all(b"\n")))?)
    }

    /// Refuses what looks like a secret, by name or by value.
    pub(super) fn check_secrets(&self) -> Result<(), RunError> {
        secrets::check("settings", &self.settings)?;
        let fingerprints = self.fingerprints.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        Ok(secrets::check("fingerprints", &Value::Object(fingerprints.collect()))?)
    }

    /// Refuses to go on with a run that was begun with something else.
    fn check_same(&self, in_run: &Self, path: &Path) -> Result<(), RunError> {
        let difference = self.difference(in_run).or_else(|| {
            let shard = |manifest: &Self| Value::String(manifest.shard.to_string());
            Difference::between("shard", &shard(self), &shard(in_run))
        });
        refuse(difference, path)
    }

    /// Refuses a shard of a run with other settings.
    pub(super) fn check_same_run(&self, other: &Self, path: &Path) -> Result<(), RunError> {
        refuse(self.difference(other), path)
    }

    /// The first difference of settings and fingerprints.
    fn difference(&self, in_run: &Self) -> Option<Difference> {
        let names = |manifest: &Self| {
            Value::Object(
                manifest.fingerprints.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect(),
            )
        };
        Difference::between("", &self.settings, &in_run.settings)
            .or_else(|| Difference::between("fingerprints", &names(self), &names(in_run)))
    }
}

fn refuse(difference: Option<Difference>, path: &Path) -> Result<(), RunError> {
    match difference {
        Some(difference) => Err(RunError::OtherSettings { path: path.to_owned(), difference }),
        None => Ok(()),
    }
}
