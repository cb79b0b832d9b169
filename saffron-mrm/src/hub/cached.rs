//! What of a model is on disk already. The folder's layout is the hub's own: other programs' downloads count, and ours count for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{HubModel, files};
use crate::checkpoint::files::read_json;

/// The folder of a model's commits.
pub(super) const SNAPSHOTS: &str = "snapshots";

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that an index of shards names, each once. None if one of them is no plain name.
pub(super) fn shards(index: &Path) -> Option<Vec<String>> {
    let index: Index = read_json(index).ok()?;
    let mut names: Vec<String> = index.weight_map.into_values().collect();
    names.sort_unstable();
    names.dedup();
    names.iter().all(|name| HubModel::is_plain(name)).then_some(names)
}

/// A model's folder.
pub(super) fn folder(cache: &Path, model: &HubModel) -> PathBuf {
    cache.join(format!("models--{}", model.repo().replace('/', "--")))
}

/// The file that remembers which commit a revision was.
pub(super) fn reference(cache: &Path, model: &HubModel) -> PathBuf {
    folder(cache, model).join("refs").join(model.revision())
}

/// Where a commit's files are.
pub(super) fn snapshot(cache: &Path, model: &HubModel, commit: &str) -> PathBuf {
    folder(cache, model).join(SNAPSHOTS).join(commit)
}

/// The path of a model that is there as a whole, with its weights or without.
pub(super) fn find(cache: &Path, model: &HubModel, weights: bool) -> Option<PathBuf> {
    let commit = match model.is_pinned() {
        true => model.revision().to_owned(),
        false => std::fs::read_to_string(reference(cache, model)).ok()?.trim().to_owned(),
    };
    if !HubModel::is_commit(&commit) {
        return None;
    }
    let snapshot = snapshot(cache, model, &commit);
    match model.file() {
        Some(file) => Some(snapshot.join(file)).filter(|path| path.is_file()),
        None => is_whole(&snapshot, weights).then_some(snapshot),
    }
}

fn is_whole(dir: &Path, weights: bool) -> bool {
    let has = |name: &str| dir.join(name).is_file();
    let sharded = || shards(&dir.join(files::INDEX)).is_some_and(|names| names.iter().all(|name| has(name)));
    files::NEEDED.iter().all(|name| has(name)) && (!weights || has(files::WEIGHTS) || sharded())
}
