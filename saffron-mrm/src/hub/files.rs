//! The files of a checkpoint, and their largest sizes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::HubModel;
use crate::checkpoint::files::{MAX_JSON, read_json};
pub(super) use crate::checkpoint::small::NEEDED;
use crate::checkpoint::small::{OPTIONAL, TEMPLATES};
use crate::text::MAX_TEMPLATE;

pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// The largest file of weights, in bytes. It refuses absurd sizes before anything is written.
const MAX_WEIGHTS: u64 = 1 << 40;

/// Whether a file is part of a checkpoint without weights.
pub(super) fn is_small(name: &str) -> bool {
    NEEDED.contains(&name) || OPTIONAL.contains(&name) || is_template(name)
}

/// The largest size of a file, in bytes: the loaders' own limit.
pub(super) fn limit(name: &str) -> u64 {
    match name.rsplit_once('.') {
        Some((_, "json")) => MAX_JSON,
        Some((_, "jinja")) => MAX_TEMPLATE,
        _ => MAX_WEIGHTS,
    }
}

fn is_template(name: &str) -> bool {
    let file = name.strip_prefix(TEMPLATES).and_then(|name| name.strip_prefix('/'));
    file.is_some_and(|file| file.ends_with(".jinja") && HubModel::is_plain(file))
}

/// The files of a snapshot that are part of a checkpoint without weights.
pub(super) fn small_in(snapshot: &Path) -> Vec<String> {
    let entries = snapshot.join(TEMPLATES).read_dir().into_iter().flatten().flatten();
    let templates = entries.filter_map(|entry| Some(format!("{TEMPLATES}/{}", entry.file_name().to_str()?)));
    let names = NEEDED.into_iter().chain(OPTIONAL).map(str::to_owned).chain(templates);
    names.filter(|name| is_small(name) && snapshot.join(name).is_file()).collect()
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that an index of shards names, each once; `None` if a name is not plain.
pub(super) fn shards(index: &Path) -> Option<Vec<String>> {
    let index: Index = read_json(index).ok()?;
    let mut names: Vec<String> = index.weight_map.into_values().collect();
    names.sort_unstable();
    names.dedup();
    names.iter().all(|name| HubModel::is_plain(name)).then_some(names)
}
