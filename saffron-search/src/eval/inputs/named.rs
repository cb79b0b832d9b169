//! The paths and models in a configuration.

use std::path::{Path, PathBuf};

use saffron_core::{ModelName, ModelNameError};
use serde::Serialize;

use crate::eval::runs::Counts;

/// A path in a configuration.
#[derive(Debug)]
pub struct NamedFile<'a> {
    name: Name<'a>,
    /// Where it leads; `None` if that is the path itself.
    leads_to: Option<PathBuf>,
    counts: Counts,
}

#[derive(Debug)]
enum Name<'a> {
    Path(&'a mut PathBuf),
    Model(&'a mut ModelName),
}

impl<'a> NamedFile<'a> {
    /// A path, and how much of it counts.
    pub fn path(path: &'a mut PathBuf, counts: Counts) -> Self {
        Self { name: Name::Path(path), leads_to: None, counts }
    }

    /// A path that does not start from the configuration's folder, with where it leads.
    pub fn beside(path: &'a mut PathBuf, leads_to: PathBuf, counts: Counts) -> Self {
        Self { name: Name::Path(path), leads_to: Some(leads_to), counts }
    }

    /// A model, which may be a file or a directory.
    pub fn model(name: &'a mut ModelName) -> Self {
        Self { name: Name::Model(name), leads_to: None, counts: Counts::Files }
    }

    /// How much of it counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether it is a path, and not a model on the hub or a server.
    pub(super) fn is_path(&self) -> bool {
        match &self.name {
            Name::Path(_) => true,
            Name::Model(name) => name.path().is_some() && name.hub().is_none(),
        }
    }

    /// The path as it is written.
    pub(super) fn written(&self) -> PathBuf {
        match &self.name {
            Name::Path(path) => path.to_path_buf(),
            Name::Model(name) => PathBuf::from(name.as_str()),
        }
    }

    /// Where it leads, if that is not the path itself.
    pub(super) fn leads_to(&self) -> Option<&Path> {
        self.leads_to.as_deref()
    }

    /// Makes it start from where `folder` does. A model's name is such a path if something is
    /// there.
    fn resolve(self, folder: &Path) {
        match self.name {
            Name::Path(path) if self.leads_to.is_none() => *path = folder.join(&path),
            Name::Path(_) => {}
            Name::Model(name) => *name = name.clone().within(folder, Path::exists),
        }
    }

    /// Writes another path in its place.
    pub(super) fn write(self, path: &str) -> Result<(), ModelNameError> {
        match self.name {
            Name::Path(old) => *old = PathBuf::from(path),
            // A reader of the manifest must not take a path for a model on the hub.
            Name::Model(old) if path.parse::<ModelName>().is_ok_and(|name| name.hub().is_some()) => {
                *old = ModelName::from_path(format!("./{path}"))?;
            }
            Name::Model(old) => *old = ModelName::from_path(path)?,
        }
        Ok(())
    }
}

/// A configuration that names files.
pub trait NamesFiles: Clone + Serialize {
    /// All paths and models in it.
    fn named(&mut self) -> Vec<NamedFile<'_>>;

    /// Makes paths that start from the configuration's folder start from where the program does.
    fn resolve(&mut self, folder: &Path) {
        self.named().into_iter().for_each(|named| named.resolve(folder));
    }
}
