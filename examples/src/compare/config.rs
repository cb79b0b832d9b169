//! Configuration files.

use std::path::Path;

use anyhow::{Context, Result};
use saffron_search::eval::comparison::ComparisonConfig;

use crate::settings;

/// Reads a configuration. Paths in it are made to start from where the program does.
///
/// # Errors
///
/// A file that cannot be read or says something unknown; a configuration that
/// [`ComparisonConfig::settled`] refuses.
pub fn read(path: &Path) -> Result<ComparisonConfig> {
    let config: ComparisonConfig = settings::read(path)?;
    config.settled(folder(path)).with_context(|| path.display().to_string())
}

/// The folder that a configuration's paths start from.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
