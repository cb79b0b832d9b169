//! The families of decoders: transformers' numbers on a random checkpoint of each, whatever way
//! they are computed.

mod configs;
#[cfg(feature = "gguf")]
mod engines;
mod files;
#[cfg(feature = "gguf")]
mod gguf;
mod numbers;
mod padded;

use std::path::PathBuf;

/// The fixtures of families by name; there are at least as many as there were when this was
/// written.
pub(crate) fn families() -> Vec<String> {
    let folder = crate::fixtures::dir("families");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| path(name).is_dir())
        .collect();
    names.sort_unstable();
    assert!(names.len() >= 42, "{names:?}");
    names
}

/// A fixture's directory below `fixtures`.
pub(crate) fn within(name: &str) -> String {
    format!("families/{name}")
}

fn path(name: &str) -> PathBuf {
    crate::fixtures::dir(&within(name))
}
