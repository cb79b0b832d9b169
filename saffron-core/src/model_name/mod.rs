//! Names of models, as command lines and configurations spell them. Parsing is pure: whether a text
//! is a path is for whoever opens the model to see.

mod error;
mod hub;
mod server;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use error::ModelNameError;
pub use hub::HubModel;
pub use server::{EngineKind, ServerAddress};

/// The name of a model: a directory, a GGUF file, a model on the Hugging Face hub, or a server.
///
/// | form | reading |
/// |---|---|
/// | `llamacpp:URL`, `vllm:URL`, `sglang:URL`; replicas with commas between | a [server](Self::server), and nothing else |
/// | `org/name`, `org/name@revision`, `org/name/file.gguf` | a [path](Self::path) if something is there, else a model on the [hub](Self::hub) |
/// | anything else | a [path](Self::path) |
///
/// Serialised as its text.
///
/// ```
/// use saffron_core::{EngineKind, ModelName};
/// let name: ModelName = "vllm:http://a:8000,http://b:8000".parse()?;
/// assert_eq!(name.server().map(|server| server.engine()), Some(EngineKind::Vllm));
/// assert!(name.path().is_none() && name.hub().is_none());
///
/// let name: ModelName = "org/name@main".parse()?;
/// assert!(name.path().is_some() && name.hub().is_some_and(|hub| hub.repo() == "org/name"));
///
/// let name: ModelName = "../models/mine".parse()?;
/// assert!(name.path().is_some() && name.hub().is_none());
/// # Ok::<(), saffron_core::ModelNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    text: String,
    readings: Readings,
}

/// What a text may name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Readings {
    Server(ServerAddress),
    /// A path, or a model on the hub.
    PathOrHub(HubModel),
    Path,
    Hub(HubModel),
}

impl ModelName {
    /// The name of a file or directory.
    ///
    /// # Errors
    ///
    /// A path that is empty or no Unicode, which no configuration can hold.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, ModelNameError> {
        let path = path.as_ref();
        match path.to_str() {
            Some("") => Err(ModelNameError::Empty),
            Some(text) => Ok(Self { text: text.to_owned(), readings: Readings::Path }),
            None => Err(ModelNameError::NotUnicode { path: path.to_path_buf() }),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The server, if it is one.
    #[must_use]
    pub fn server(&self) -> Option<&ServerAddress> {
        match &self.readings {
            Readings::Server(address) => Some(address),
            _ => None,
        }
    }

    /// The path, if it may be one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self.readings {
            Readings::Path | Readings::PathOrHub(_) => Some(Path::new(&self.text)),
            Readings::Server(_) | Readings::Hub(_) => None,
        }
    }

    /// The model on the hub, if it may be one.
    #[must_use]
    pub fn hub(&self) -> Option<&HubModel> {
        match &self.readings {
            Readings::Hub(model) | Readings::PathOrHub(model) => Some(model),
            Readings::Server(_) | Readings::Path => None,
        }
    }

    /// The name as a file in `folder` means it: a path that starts there if something `exists` at
    /// it, else a model on the hub, where it can be one. Servers stay what they are.
    ///
    /// ```
    /// use std::path::Path;
    /// use saffron_core::ModelName;
    /// let name: ModelName = "models/mine".parse()?;
    /// assert_eq!(name.clone().within("configs".as_ref(), |_| true).path(), Some(Path::new("configs/models/mine")));
    /// assert!(name.within("configs".as_ref(), |_| false).hub().is_some());
    /// # Ok::<(), saffron_core::ModelNameError>(())
    /// ```
    #[must_use]
    pub fn within(self, folder: &Path, exists: impl FnOnce(&Path) -> bool) -> Self {
        let Some(path) = self.path().map(|path| folder.join(path)) else { return self };
        match self.readings {
            Readings::PathOrHub(model) if !exists(&path) => Self { text: self.text, readings: Readings::Hub(model) },
            _ => Self { text: path.display().to_string(), readings: Readings::Path },
        }
    }
}

impl FromStr for ModelName {
    type Err = ModelNameError;

    fn from_str(text: &str) -> Result<Self, ModelNameError> {
        let readings = if text.is_empty() {
            return Err(ModelNameError::Empty);
        } else if ServerAddress::looks_like(text) {
            Readings::Server(text.parse()?)
        } else {
            text.parse().map_or(Readings::Path, Readings::PathOrHub)
        };
        Ok(Self { text: text.to_owned(), readings })
    }
}

impl TryFrom<PathBuf> for ModelName {
    type Error = ModelNameError;

    fn try_from(path: PathBuf) -> Result<Self, ModelNameError> {
        Self::from_path(path)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ModelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
