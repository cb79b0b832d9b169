//! Why the files that a configuration names cannot be told apart or written down.

use std::error::Error;
use std::path::PathBuf;

use saffron_core::ModelNameError;

use crate::eval::files::FileError;

/// A file that a configuration names cannot be used, or its name cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files of a model cannot be found.
    #[error("{path}", path = .path.display())]
    Model {
        /// Where the model is.
        path: PathBuf,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A path that JSON cannot hold.
    #[error("{path} is no Unicode, so that no manifest can hold it", path = .path.display())]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
    /// A path that is no name of a model.
    #[error(transparent)]
    Name(#[from] ModelNameError),
    /// A configuration that JSON cannot hold.
    #[error("the configuration cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
}
