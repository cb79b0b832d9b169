//! What an adapter calls the model that it belongs to.

use anyhow::Result;
use saffron_core::ModelName;

/// The base as an adapter names it, so that it is found from any folder: where it is, or what the
/// hub calls it.
///
/// # Errors
///
/// A current folder that cannot be told.
pub fn base_name(name: &ModelName) -> Result<String> {
    match name.path().filter(|path| path.exists()) {
        Some(path) => Ok(std::path::absolute(path)?.display().to_string()),
        None => Ok(name.to_string()),
    }
}
