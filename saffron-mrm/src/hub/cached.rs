//! Looking for a model in the cache, whichever program fetched it.

use std::path::{Path, PathBuf};

use super::HubModel;
use super::files;
use super::record::{Entry, Known, Record, is_sound};
use super::store::{Folder, linked_digest};
use crate::files::{read_capped, read_json};

/// The longest file that names a commit.
const MAX_REFERENCE: u64 = 1 << 10;

/// What counts as a complete model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complete {
    /// All files that the hub lists; only this crate's records tell.
    AsListed,
    /// The files that every model needs; the hub may list optional ones besides.
    AsNeeded,
}

/// What a set of files is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose<'a> {
    /// Configuration, tokenizer, templates.
    Checkpoint,
    Weights,
    File(&'a str),
}

impl Purpose<'_> {
    pub(super) fn name(self) -> String {
        match self {
            Self::Checkpoint => String::from("checkpoint"),
            Self::Weights => String::from("weights"),
            Self::File(file) => format!("file-{file}"),
        }
    }

    /// The names of the files there that serve the purpose; `None` if a required one is missing.
    fn names(self, snapshot: &Path) -> Option<Vec<String>> {
        let has = |name: &str| snapshot.join(name).is_file();
        match self {
            Self::Checkpoint => files::NEEDED.iter().all(|name| has(name)).then(|| files::small_in(snapshot)),
            Self::Weights if has(files::WEIGHTS) => Some(vec![files::WEIGHTS.to_owned()]),
            Self::Weights => {
                let mut names = files::shards(&snapshot.join(files::INDEX))?;
                names.push(files::INDEX.to_owned());
                names.iter().all(|name| has(name)).then_some(names)
            }
            Self::File(file) => {
                let parts = files::parts(file);
                parts.iter().all(|name| has(name)).then_some(parts)
            }
        }
    }
}

impl Purpose<'_> {
    /// Whether a record has all files that the name of one stands for. Earlier versions fetched one
    /// part of a file that was split.
    fn is_covered(self, record: &Record) -> bool {
        match self {
            Self::File(file) => files::parts(file).iter().all(|name| record.files.contains_key(name)),
            Self::Checkpoint | Self::Weights => true,
        }
    }
}

/// The purposes whose files a model needs, with its weights or without.
pub(super) fn purposes(model: &HubModel, weights: bool) -> Vec<Purpose<'_>> {
    match model.file() {
        Some(file) => vec![Purpose::File(file)],
        None if weights => vec![Purpose::Checkpoint, Purpose::Weights],
        None => vec![Purpose::Checkpoint],
    }
}

/// The path of a model that is complete and undamaged, with its weights or without.
pub(super) fn find(folder: &Folder, model: &HubModel, weights: bool, complete: Complete) -> Option<PathBuf> {
    let commit = match model.is_pinned() {
        true => model.revision().to_owned(),
        false => String::from_utf8(read_capped(&folder.reference(model.revision()), MAX_REFERENCE).ok()?)
            .ok()?
            .trim()
            .to_owned(),
    };
    if !HubModel::is_commit(&commit) {
        return None;
    }
    let holds = |purpose| holds(folder, &commit, purpose, complete);
    if !purposes(model, weights).into_iter().all(holds) {
        return None;
    }
    let snapshot = folder.snapshot(&commit);
    Some(model.file().map_or_else(|| snapshot.clone(), |file| snapshot.join(file)))
}

/// Whether all files of a purpose exist and are correct.
fn holds(folder: &Folder, commit: &str, purpose: Purpose<'_>, complete: Complete) -> bool {
    let snapshot = folder.snapshot(commit);
    let listed = read(folder, commit, &purpose.name()).filter(|record| purpose.is_covered(record));
    if listed.is_none() && complete == Complete::AsListed {
        return false;
    }
    // Other programs' downloads are verified, too. Their record is separate, because optional files
    // may be missing.
    let (record, name) = match listed {
        Some(record) => (record, purpose.name()),
        None => {
            let name = format!("found-{}", purpose.name());
            (read(folder, commit, &name).unwrap_or_default(), name)
        }
    };
    let names = match name == purpose.name() {
        true => Some(record.files.keys().cloned().collect()),
        false => purpose.names(&snapshot),
    };
    let checked = names.and_then(|names| check(&snapshot, names, &record));
    match checked {
        Some(now) if now == record => true,
        // A file was verified again. If the record cannot be written, the next look is slower.
        Some(now) => {
            write(folder, commit, &name, &now).ok();
            true
        }
        None => false,
    }
}

/// Verifies files; returns their record, or `None` if one is missing or damaged.
fn check(snapshot: &Path, names: Vec<String>, record: &Record) -> Option<Record> {
    let mut now = Record::default();
    for name in names {
        let (path, entry) = (snapshot.join(&name), record.files.get(&name));
        let unlisted = || Known { size: None, digest: linked_digest(&path) };
        let known = entry.map_or_else(unlisted, Entry::known);
        if !is_sound(&path, &known, entry).ok()? {
            return None;
        }
        now.files.insert(name, Entry::of(&path, known.digest.as_ref()).ok()?);
    }
    Some(now)
}

/// Reads a record; `None` if there is none that can be read.
pub(super) fn read(folder: &Folder, commit: &str, name: &str) -> Option<Record> {
    read_json(&folder.record(commit, name)).ok()
}

pub(super) fn write(folder: &Folder, commit: &str, name: &str, record: &Record) -> Result<(), super::HubError> {
    let path = folder.record(commit, name);
    let bytes = serde_json::to_vec(record)
        .map_err(|error| super::HubError::Cache { path: path.clone(), source: error.into() })?;
    folder.write(&path, &bytes)
}
