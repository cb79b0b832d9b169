//! The files of a checkpoint, and their largest sizes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::HubModel;
pub(super) use crate::files::small::NEEDED;
use crate::files::small::{OPTIONAL, TEMPLATES};
use crate::files::{MAX_JSON, MAX_TOKENIZER, read_json};
use crate::text::MAX_TEMPLATE;

const TOKENIZER: &str = "tokenizer.json";
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
        _ if name == TOKENIZER => MAX_TOKENIZER,
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

/// All files of a checkpoint that one file is named of: of a GGUF that was split
/// (`NAME-00001-of-00003.gguf`) all parts, of any other the one.
pub(super) fn parts(name: &str) -> Vec<String> {
    let Some((base, count)) = split(name) else { return vec![name.to_owned()] };
    (1..=count).map(|number| format!("{base}-{number:05}-of-{count:05}.gguf")).collect()
}

/// Whether a file begins with a model's header: a GGUF, and of several the first.
#[cfg(feature = "gguf")]
pub(super) fn has_header(name: &str) -> bool {
    name.ends_with(".gguf") && parts(name).first().is_some_and(|first| first == name)
}

/// What the names of all parts begin with, and how many there are.
fn split(name: &str) -> Option<(&str, usize)> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (base, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| (text.len() == 5).then(|| text.parse::<u16>().ok()).flatten().map(usize::from);
    let (number, count) = (digits(number)?, digits(count)?);
    (1..=count).contains(&number).then_some((base, count))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_of_a_split_file_are_all_named() {
        let all = ["a/b-q8-00001-of-00002.gguf", "a/b-q8-00002-of-00002.gguf"];
        assert_eq!(parts(all[0]), all);
        assert_eq!(parts(all[1]), all);
        for one in ["b.gguf", "b-00003-of-00002.gguf", "b-00000-of-00002.gguf", "b-1-of-2.gguf", "b-00001-of-00002.bin"]
        {
            assert_eq!(parts(one), [one]);
        }
        assert_eq!(parts("b-00001-of-00001.gguf"), ["b-00001-of-00001.gguf"]);
    }
}
