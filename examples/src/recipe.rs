//! Recipes in TOML files.

use std::error::Error;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use saffron_search::eval::inputs::NamesFiles;
use serde::de::DeserializeOwned;

use crate::settings;

/// Reads a recipe. Paths in it are made to start from where the program does.
///
/// # Errors
///
/// A file that cannot be read or says something unknown.
pub fn read<R: DeserializeOwned + NamesFiles>(path: &Path) -> Result<R> {
    read_checked(path, |_| Ok::<(), std::convert::Infallible>(()))
}

/// Reads a recipe, and refuses it for what can be known by its words alone.
///
/// # Errors
///
/// As [`read`], and what `check` refuses.
pub fn read_checked<R, E>(path: &Path, check: impl FnOnce(&R) -> Result<(), E>) -> Result<R>
where
    R: DeserializeOwned + NamesFiles,
    E: Error + Send + Sync + 'static,
{
    let mut recipe: R = settings::read(path)?;
    check(&recipe).with_context(|| path.display().to_string())?;
    recipe.resolve(&folder_of(path));
    Ok(recipe)
}

/// The folder of a recipe's file.
#[must_use]
pub fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}
