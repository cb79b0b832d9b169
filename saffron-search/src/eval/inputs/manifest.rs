//! Manifests of runs whose files may lie elsewhere the next time: paths are written as from the
//! configuration's folder, and files are told apart by their checksums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::fingerprint::is_checksum;
use super::{FilesOf, InputError, NamedFile, NamesFiles, fingerprints, is_of_model};
use crate::eval::runs::{Counts, Manifest};

/// A configuration as a manifest has it: paths start from `folder`, the configuration's own, where
/// they lead into it.
///
/// # Errors
///
/// A configuration that JSON cannot hold.
pub fn settings(config: &impl NamesFiles, folder: &Path) -> Result<Value, InputError> {
    let mut config = config.clone();
    for named in config.named().into_iter().filter(NamedFile::is_path) {
        let path = named.written();
        let path = match (named.leads_to(), path.strip_prefix(folder)) {
            (None, Ok(within)) if within.as_os_str().is_empty() => PathBuf::from("."),
            (None, Ok(within)) => within.to_path_buf(),
            _ => path,
        };
        let text = path.to_str().ok_or_else(|| InputError::NotUnicode { path: path.clone() })?;
        named.write(text)?;
    }
    Ok(serde_json::to_value(&config)?)
}

/// The manifest with how much of every path that a configuration names counts. `at` is the place of
/// the configuration in its settings.
///
/// # Errors
///
/// A configuration that JSON cannot hold.
pub fn with_places(manifest: Manifest, at: &str, config: &impl NamesFiles) -> Result<Manifest, InputError> {
    let mark = |manifest: Manifest, PlacedPath { place, counts, .. }: PlacedPath| manifest.counting(place, counts);
    Ok(places(at, config)?.into_iter().fold(manifest, mark))
}

/// The manifest with every path that a configuration names, and with what is known of files and
/// models: checksums of files by the places of the settings that name them, all else by its name.
/// `at` is the place of the configuration in the manifest's settings. Files whose checksums are not
/// `known` are found by `files_of` and read.
///
/// # Errors
///
/// Files that cannot be read.
pub fn with_files(
    manifest: Manifest,
    at: &str,
    config: &impl NamesFiles,
    folder: &Path,
    known: &BTreeMap<String, String>,
    files_of: FilesOf<'_>,
) -> Result<Manifest, InputError> {
    let known = KnownSums::of(known);
    let mut left: BTreeMap<&str, &str> = known.all.iter().map(|(name, sum)| (&name[..], &sum[..])).collect();
    let mut manifest = with_places(manifest, at, config)?;
    for PlacedPath { place, leads_to, .. } in places(at, config)?.iter().filter(|path| path.counts != Counts::Nothing) {
        for (name, sum) in known.sums(leads_to, &mut left, files_of)? {
            manifest = manifest.fingerprint(format!("{place}{name}"), sum);
        }
    }
    for (name, sum) in left {
        let within = Path::new(name).strip_prefix(folder).ok().filter(|_| is_checksum(sum));
        let name = within.map_or_else(|| name.to_owned(), |path| path.display().to_string());
        manifest = manifest.fingerprint(name, sum);
    }
    Ok(manifest)
}

/// A path in a configuration, by its place in the JSON.
struct PlacedPath {
    place: String,
    leads_to: PathBuf,
    counts: Counts,
}

/// Begins what a path is marked by. No path has it.
const MARK: char = '\u{1}';

/// Where the paths stand in the JSON: a copy of the configuration, which is at a place itself, has
/// a mark in place of each.
fn places(at: &str, config: &impl NamesFiles) -> Result<Vec<PlacedPath>, InputError> {
    let mut marked = config.clone();
    let mut paths = Vec::new();
    for (number, named) in marked.named().into_iter().filter(NamedFile::is_path).enumerate() {
        paths.push((named.leads_to().map_or_else(|| named.written(), Path::to_path_buf), named.counts()));
        named.write(&format!("{MARK}{number}"))?;
    }
    let mut places = Vec::new();
    find(&serde_json::to_value(&marked)?, at, &mut |place, number| {
        let found = paths.get(number).cloned();
        places.extend(found.map(|(leads_to, counts)| PlacedPath { place: place.to_owned(), leads_to, counts }));
    });
    Ok(places)
}

fn find(value: &Value, place: &str, found: &mut impl FnMut(&str, usize)) {
    match value {
        Value::Object(members) => {
            let dot = if place.is_empty() { "" } else { "." };
            members.iter().for_each(|(name, value)| find(value, &format!("{place}{dot}{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| find(value, &format!("{place}[{index}]"), found));
        }
        Value::String(text) => {
            if let Some(number) = text.strip_prefix(MARK).and_then(|number| number.parse().ok()) {
                found(place, number);
            }
        }
        _ => {}
    }
}

/// Checksums that are known already, with where their files really are.
struct KnownSums<'a> {
    all: &'a BTreeMap<String, String>,
    files: Vec<(PathBuf, &'a str, &'a str)>,
}

impl<'a> KnownSums<'a> {
    fn of(all: &'a BTreeMap<String, String>) -> Self {
        let sums = all.iter().filter(|(_, sum)| is_checksum(sum));
        let files = sums.map(|(name, sum)| (in_real_folder(Path::new(name)), &name[..], &sum[..]));
        Self { all, files: files.collect() }
    }

    /// The checksums of a file or of a directory's files, by what comes behind the place that names
    /// it. Those that are known are taken from what is `left`, the others made.
    fn sums(
        &self,
        path: &Path,
        left: &mut BTreeMap<&'a str, &'a str>,
        files_of: FilesOf<'_>,
    ) -> Result<BTreeMap<String, String>, InputError> {
        let mut found = BTreeMap::new();
        let real = if path.is_dir() { path.canonicalize().unwrap_or_default() } else { in_real_folder(path) };
        for (file, name, sum) in &self.files {
            let rest = file.strip_prefix(&real).ok().filter(|rest| is_of_model(rest));
            if let Some(rest) = rest {
                left.remove(name);
                found.insert(behind(rest), (*sum).to_owned());
            }
        }
        if found.is_empty() {
            let made = fingerprints(path, files_of)?.into_iter();
            found.extend(made.map(|(file, sum)| (behind(Path::new(&file).strip_prefix(path).unwrap_or(path)), sum)));
        }
        Ok(found)
    }
}

/// The part of a fingerprint's name that tells a file of a directory; none for a file that is named
/// itself.
fn behind(rest: &Path) -> String {
    if rest.as_os_str().is_empty() { String::new() } else { format!("/{}", rest.display()) }
}

/// The path of a file with its folder's links followed, but not its own: in the hub's cache, a
/// model's files are links to elsewhere.
fn in_real_folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_path_buf(),
    }
}
