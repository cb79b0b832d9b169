//! With what a run was begun.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::counts::{Places, by_place, counted};
use super::dir::MANIFEST;
use super::{Counts, Difference, RunError, Shard, secrets};
use crate::eval::files;

/// The format that is written here.
pub const FORMAT_VERSION: u32 = 1;

/// The most bytes of a manifest: 8 MiB.
const MAX_MANIFEST: u64 = 8 << 20;

/// With what a run was begun. A run goes on only with the same: all fingerprints, and of the
/// settings what [counts](Counts).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format_version: u32,
    /// Every setting that a result depends on. Must hold no secret.
    pub settings: Value,
    /// Settings of which not all counts, by place; paths among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    counts: Places,
    /// What models and data were, by name: checksums, lengths, versions.
    pub fingerprints: BTreeMap<String, String>,
    /// Which part of the run the directory holds.
    pub shard: Shard,
}

impl Manifest {
    /// A manifest without fingerprints.
    #[must_use]
    pub fn new(settings: Value, shard: Shard) -> Self {
        Self { format_version: FORMAT_VERSION, settings, counts: Places::new(), fingerprints: BTreeMap::new(), shard }
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

    /// Says how much of the setting at a place counts.
    ///
    /// ```
    /// use saffron_search::eval::runs::{Counts, Manifest, Shard};
    /// let begun = |path: &str, epochs: u32, sum: &str| {
    ///     let settings = serde_json::json!({ "data": [{ "path": path }], "epochs": epochs });
    ///     let manifest = Manifest::new(settings, Shard::WHOLE).counting("epochs", Counts::Nothing);
    ///     manifest.counting("data[0].path", Counts::Files).fingerprint("data[0].path", sum)
    /// };
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("manifest.json");
    /// begun("/home/a/asked.jsonl", 1, "crc32 00c0ffee").settle(&path)?;
    /// begun("/home/b/asked.jsonl", 2, "crc32 00c0ffee").settle(&path)?;
    /// assert!(begun("/home/b/asked.jsonl", 2, "crc32 0badf00d").settle(&path).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn counting(mut self, place: impl Into<String>, counts: Counts) -> Self {
        self.counts.insert(place.into(), counts);
        self
    }

    /// Compares the manifest with the one at a path, or writes it there where there is none, and
    /// where settings that do not count are others now.
    ///
    /// # Errors
    ///
    /// A manifest that holds what looks like a secret; one at the path with other settings or fingerprints, or of another shard; a file
    /// that is no manifest, cannot be read or written.
    pub fn settle(&self, path: &Path) -> Result<(), RunError> {
        self.check_secrets()?;
        match self.check(path)? {
            Some(in_run) if !self.is_out_of_date(&in_run) => Ok(()),
            _ => self.write(path),
        }
    }

    /// Compares the manifest with the one at a path, and gives that.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle), but for what is written.
    pub fn check(&self, path: &Path) -> Result<Option<Self>, RunError> {
        let in_run = Self::read(path)?;
        in_run.iter().try_for_each(|in_run| self.check_same(in_run, path))?;
        Ok(in_run)
    }

    /// Whether the settings are the same as in another manifest, as far as they count.
    #[must_use]
    pub fn same_settings(&self, other: &Self) -> bool {
        self.settings_differ(other, &self.all_counts(other)).is_none()
    }

    /// All that a run depends on: its settings, as far as they count, and fingerprints.
    #[must_use]
    pub fn identity(&self) -> (Value, &BTreeMap<String, String>) {
        (counted(&self.settings, "", &self.counts).unwrap_or_default(), &self.fingerprints)
    }

    /// Reads the manifest at a path; none when there is none.
    ///
    /// # Errors
    ///
    /// A file that is no manifest, is of another format version, has more than 8 MiB or cannot be
    /// read; anything but a file.
    pub fn read(path: &Path) -> Result<Option<Self>, RunError> {
        if !files::is_there(path)? {
            return Ok(None);
        }
        let bytes = files::read_capped(path, MAX_MANIFEST)?;
        let failed = |source| RunError::Manifest { path: path.to_owned(), source };
        let value: Value = serde_json::from_slice(&bytes).map_err(failed)?;
        match value.get("format_version").and_then(Value::as_u64) {
            Some(found) if found != u64::from(FORMAT_VERSION) => {
                Err(RunError::FormatVersion { path: path.to_owned(), expected: FORMAT_VERSION, found })
            }
            _ => serde_json::from_value(value).map(Some).map_err(failed),
        }
    }

    /// Reads the manifest of the run in a directory.
    ///
    /// # Errors
    ///
    /// No run there; otherwise as [`read`](Self::read).
    pub fn existing(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(MANIFEST);
        Self::read(&path)?.ok_or(RunError::NoManifest { path })
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
        let counts = self.all_counts(in_run);
        let names = |manifest: &Self| {
            let unnamed = counts.iter().filter(|(place, _)| !manifest.counts.contains_key(*place));
            let unnamed = unnamed.map(|(place, counts)| (place.clone(), *counts)).collect();
            let names = by_place(&manifest.fingerprints, &manifest.settings, &unnamed);
            Value::Object(names.into_iter().map(|(name, value)| (name, value.into())).collect())
        };
        self.settings_differ(in_run, &counts)
            .or_else(|| Difference::between("fingerprints", &names(self), &names(in_run)))
    }

    fn settings_differ(&self, in_run: &Self, counts: &Places) -> Option<Difference> {
        let settings = |manifest: &Self| counted(&manifest.settings, "", counts).unwrap_or_default();
        Difference::between("", &settings(self), &settings(in_run))
    }

    /// Whether settings that do not count, but are no paths, are others in the run.
    fn is_out_of_date(&self, in_run: &Self) -> bool {
        let mut paths = self.all_counts(in_run);
        paths.retain(|_, counts| *counts != Counts::Nothing);
        self.settings_differ(in_run, &paths).is_some()
    }

    /// What counts by either manifest: one of an earlier version says nothing of it.
    fn all_counts(&self, other: &Self) -> Places {
        self.counts.iter().chain(&other.counts).map(|(place, counts)| (place.clone(), *counts)).collect()
    }
}

fn refuse(difference: Option<Difference>, path: &Path) -> Result<(), RunError> {
    match difference {
        Some(difference) => Err(RunError::OtherSettings { path: path.to_owned(), difference }),
        None => Ok(()),
    }
}
