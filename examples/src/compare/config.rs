//! Configuration files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use saffron_search::eval::comparison::{ComparisonConfig, Report};
use saffron_search::eval::runs::Manifest;

use super::cards::enter_cards;
use crate::memory::take_sizes;
use crate::settings;

/// Reads a configuration. What it leaves open is taken from the cards of its reward models, then
/// from the defaults. Paths in it are made to start from where the program does.
///
/// # Errors
///
/// A file that cannot be read or says something unknown; a configuration that
/// [`ComparisonConfig::settled`] refuses.
pub fn read(path: &Path) -> Result<ComparisonConfig> {
    // As it stands first, so that a fault is told with its line.
    let mut config: ComparisonConfig = settings::read(path)?;
    let mut table: toml::Table = settings::read(path)?;
    if enter_cards(&mut table, folder(path)).with_context(|| path.display().to_string())? {
        config = table.try_into().with_context(|| path.display().to_string())?;
    }
    config.settled(folder(path)).with_context(|| path.display().to_string())
}

/// The folder that a configuration's paths start from.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Reads a configuration for a run. One that has begun keeps the sizes of its caches.
///
/// # Errors
///
/// As [`read`]; a manifest that cannot be read.
pub fn read_for(path: &Path, run: Option<&PathBuf>) -> Result<ComparisonConfig> {
    let mut config = read(path)?;
    run.map_or(Ok(()), |dir| keep_caches(&mut config, dir))?;
    Ok(config)
}

/// Takes the sizes of caches that a configuration leaves open from the run in a directory, if there
/// is one: a run that goes on has the caches that it was begun with, however much memory is free.
///
/// # Errors
///
/// A manifest that cannot be read.
fn keep_caches(config: &mut ComparisonConfig, dir: &Path) -> Result<()> {
    let Some(manifest) = Manifest::read(&dir.join("manifest.json"))? else { return Ok(()) };
    // A manifest of something else is refused when the run is opened.
    if let Ok(mut in_run) = Report::config_of(&manifest) {
        take_sizes(config.caches_mut(), in_run.caches_mut());
    }
    Ok(())
}
