//! Why a text names no model.

use std::path::PathBuf;

/// A text that names no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelNameError {
    /// No text at all.
    #[error("a model's name is empty: expected a directory, a GGUF, org/name, or ENGINE:URL")]
    Empty,
    /// A path that cannot be written in a configuration.
    #[error("{} is no Unicode, so that no configuration can hold it", path.display())]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
    /// Begins like the address of a server, and is none.
    #[error("{found:?} is no address of a server: {reason}")]
    Server {
        /// What was given, without credentials.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not the name of a model on the hub.
    #[error("expected org/name, org/name@revision or org/name/file.gguf, found {found:?}")]
    Hub {
        /// What was given.
        found: String,
    },
}
