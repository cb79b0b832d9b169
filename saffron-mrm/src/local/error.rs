//! Why a model does not open here.

use saffron_core::ModelName;

use crate::error::LoadError;
#[cfg(feature = "hub")]
use crate::hub::HubError;

/// A model that cannot be opened here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// A server, where a model must run here.
    #[error("{name} is a server, and a model that runs here is needed")]
    Served {
        /// The name.
        name: ModelName,
    },
    /// Nothing there, and not the name of a model on the hub either.
    #[error(
        "{name} is neither a file or directory here nor a model's name on the hub (org/name, org/name@revision, \
         org/name/file.gguf)"
    )]
    Nothing {
        /// The name.
        name: ModelName,
    },
    /// A model on the hub, which is not asked.
    #[error("{name} is no file or directory here, and no hub is asked: {reason}")]
    NoHub {
        /// The name.
        name: ModelName,
        /// Why not.
        reason: &'static str,
    },
    /// A model that the hub does not give.
    #[cfg(feature = "hub")]
    #[error("{name} is no file or directory here, and the hub does not give it")]
    Hub {
        /// The name.
        name: ModelName,
        /// Why.
        source: Box<HubError>,
    },
    /// A checkpoint that does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A path that cannot be followed.
    #[error("{name} cannot be opened")]
    Path {
        /// The name.
        name: ModelName,
        /// Why.
        source: std::io::Error,
    },
}
