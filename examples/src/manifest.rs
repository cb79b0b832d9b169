//! Manifests of runs whose files may lie elsewhere the next time: paths are written as from the
//! configuration's folder, and files are told apart by their checksums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use saffron_core::ModelName;
use saffron_search::eval::runs::{Counts, Manifest};
use serde::Serialize;
use serde_json::Value;

use crate::compare::{fingerprints, is_of_model};

/// A path in a configuration.
#[derive(Debug)]
pub struct Named<'a> {
    path: NamedPath<'a>,
    /// Where it leads; none where that is the path itself.
    leads_to: Option<PathBuf>,
    counts: Counts,
}

#[derive(Debug)]
enum NamedPath<'a> {
    Path(&'a mut PathBuf),
    Model(&'a mut ModelName),
}

impl<'a> Named<'a> {
    /// A path, and how much of it counts.
    pub fn path(path: &'a mut PathBuf, counts: Counts) -> Self {
        Self { path: NamedPath::Path(path), leads_to: None, counts }
    }

    /// A path that starts from somewhere else than the configuration's folder, with where it leads.
    pub fn beside(path: &'a mut PathBuf, leads_to: PathBuf, counts: Counts) -> Self {
        Self { path: NamedPath::Path(path), leads_to: Some(leads_to), counts }
    }

    /// A model, which may be a file or directory.
    pub fn model(name: &'a mut ModelName) -> Self {
        Self { path: NamedPath::Model(name), leads_to: None, counts: Counts::Files }
    }

    /// Whether it is a path, and not a model on the hub or a server.
    fn is_path(&self) -> bool {
        match &self.path {
            NamedPath::Path(_) => true,
            NamedPath::Model(name) => name.path().is_some() && name.hub().is_none(),
        }
    }

    /// Makes it start from where `folder` does. A model's name is such a path if something is
    /// there.
    fn resolve(self, folder: &Path) {
        match self.path {
            NamedPath::Path(path) if self.leads_to.is_none() => *path = folder.join(&path),
            NamedPath::Path(_) => {}
            NamedPath::Model(name) => *name = name.clone().within(folder, Path::exists),
        }
    }

    fn written(&self) -> PathBuf {
        match &self.path {
            NamedPath::Path(path) => path.to_path_buf(),
            NamedPath::Model(name) => PathBuf::from(name.as_str()),
        }
    }

    fn write(self, path: &str) -> Result<()> {
        match self.path {
            NamedPath::Path(old) => *old = PathBuf::from(path),
            // Whoever reads the manifest is not to take a path for a model on the hub.
            NamedPath::Model(old) if path.parse::<ModelName>().is_ok_and(|name| name.hub().is_some()) => {
                *old = ModelName::from_path(format!("./{path}"))?;
            }
            NamedPath::Model(old) => *old = ModelName::from_path(path)?,
        }
        Ok(())
    }
}

/// A configuration that names files.
pub trait NamesFiles: Clone + Serialize {
    /// All paths and models in it.
    fn named(&mut self) -> Vec<Named<'_>>;

    /// Makes paths that start from the configuration's folder start from where the program does.
    fn resolve(&mut self, folder: &Path) {
        self.named().into_iter().for_each(|named| named.resolve(folder));
    }
}

/// A configuration as a manifest has it: paths start from `folder`, the configuration's own, where
/// they lead into it.
///
/// # Errors
///
/// A configuration that JSON cannot hold.
pub fn settings(config: &impl NamesFiles, folder: &Path) -> Result<Value> {
    let mut config = config.clone();
    for named in config.named().into_iter().filter(Named::is_path) {
        let path = named.written();
        let path = match (&named.leads_to, path.strip_prefix(folder)) {
            (None, Ok(within)) if within.as_os_str().is_empty() => PathBuf::from("."),
            (None, Ok(within)) => within.to_path_buf(),
            _ => path,
        };
        named.write(path.to_str().context("a path is no Unicode")?)?;
    }
    Ok(serde_json::to_value(&config)?)
}

/// The manifest with how much of every path that a configuration names counts. `at` is the place of
/// the configuration in its settings.
///
/// # Errors
///
/// A configuration that JSON cannot hold.
pub fn with_places(manifest: Manifest, at: &str, config: &impl NamesFiles) -> Result<Manifest> {
    let mark = |manifest: Manifest, Place { place, counts, .. }: Place| manifest.counting(place, counts);
    Ok(places(at, config)?.into_iter().fold(manifest, mark))
}

/// The manifest with every path that a configuration names, and with what is known of files and
/// models: checksums of files by the places of the settings that name them, all else by its name.
/// `at` is the place of the configuration in the manifest's settings.
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
) -> Result<Manifest> {
    let known = Known::of(known);
    let mut left: BTreeMap<&str, &str> = known.all.iter().map(|(name, sum)| (&name[..], &sum[..])).collect();
    let mut manifest = with_places(manifest, at, config)?;
    for Place { place, leads_to, .. } in places(at, config)?.iter().filter(|place| place.counts != Counts::Nothing) {
        for (name, sum) in known.sums(leads_to, &mut left)? {
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
struct Place {
    place: String,
    leads_to: PathBuf,
    counts: Counts,
}

/// Begins what a path is marked by. No path has it.
const MARK: char = '\u{1}';

/// Where the paths stand in the JSON: a copy of the configuration, which is at a place itself, has
/// a mark in place of each.
fn places(at: &str, config: &impl NamesFiles) -> Result<Vec<Place>> {
    let mut marked = config.clone();
    let mut paths = Vec::new();
    for (number, named) in marked.named().into_iter().filter(Named::is_path).enumerate() {
        paths.push((named.leads_to.clone().unwrap_or_else(|| named.written()), named.counts));
        named.write(&format!("{MARK}{number}"))?;
    }
    let mut places = Vec::new();
    find(&serde_json::to_value(&marked)?, at, &mut |place, number| {
        let found = paths.get(number).cloned();
        places.extend(found.map(|(leads_to, counts)| Place { place: place.to_owned(), leads_to, counts }));
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
struct Known<'a> {
    all: &'a BTreeMap<String, String>,
    files: Vec<(PathBuf, &'a str, &'a str)>,
}

impl<'a> Known<'a> {
    fn of(all: &'a BTreeMap<String, String>) -> Self {
        let sums = all.iter().filter(|(_, sum)| is_checksum(sum));
        let files = sums.map(|(name, sum)| (in_real_folder(Path::new(name)), &name[..], &sum[..]));
        Self { all, files: files.collect() }
    }

    /// The checksums of a file or of a directory's files, by what comes behind the place that names
    /// it. Those that are known are taken from what is `left`, the others made.
    fn sums(&self, path: &Path, left: &mut BTreeMap<&'a str, &'a str>) -> Result<BTreeMap<String, String>> {
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
            let made = fingerprints(path)?.into_iter();
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

fn is_checksum(sum: &str) -> bool {
    sum.starts_with("crc32 ")
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
