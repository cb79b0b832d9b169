//! The files that a model is read from.

use std::error::Error;
use std::path::{Path, PathBuf};

use saffron_mrm::checkpoint::Checkpoint;
use saffron_search::eval::inputs::model_files;

/// All files that a model, an adapter or a data file is read from, by the path that names it: of a
/// GGUF that is split, all its parts.
///
/// # Errors
///
/// Files that cannot be found.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error + Send + Sync>> {
    match path.extension().is_some_and(|end| end == "gguf") {
        true => Ok(Checkpoint::open(path)?.files()?),
        false => Ok(model_files(path)?),
    }
}
