//! What a model on the hub is called.

use std::fmt;
use std::str::FromStr;

use super::ModelNameError;

/// The revision that counts where none is named.
const MAIN: &str = "main";

/// A model on the hub: `org/name` for its newest state, `org/name@revision` for a branch, tag or commit, `org/name/file.gguf` for one file of it.
///
/// ```
/// use saffron_core::HubModel;
/// let model: HubModel = "HuggingFaceTB/SmolLM2-135M-Instruct@main".parse()?;
/// assert_eq!((model.repo(), model.revision(), model.file()), ("HuggingFaceTB/SmolLM2-135M-Instruct", "main", None));
/// let model: HubModel = "org/model-GGUF/model-q8_0.gguf".parse()?;
/// assert_eq!((model.repo(), model.file()), ("org/model-GGUF", Some("model-q8_0.gguf")));
/// assert!("../models/mine".parse::<HubModel>().is_err());
/// # Ok::<(), saffron_core::ModelNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    repo: Box<str>,
    revision: Box<str>,
    file: Option<Box<str>>,
}

impl HubModel {
    /// Whose it is and its name.
    #[must_use]
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// Branch, tag or commit.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The one file that is wanted.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Whether the revision is a commit, which names one state for ever.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        Self::is_commit(&self.revision)
    }

    /// Whether a text is a commit's hash.
    #[must_use]
    pub fn is_commit(text: &str) -> bool {
        text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Whether a text may be one part of a name, or a file of a repository: no step to another
    /// folder, nothing that an address must quote.
    #[must_use]
    pub fn is_plain(part: &str) -> bool {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(fits)
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        if let Some(file) = &self.file {
            write!(f, "/{file}")?;
        }
        write!(f, "@{}", self.revision)
    }
}

impl FromStr for HubModel {
    type Err = ModelNameError;

    fn from_str(text: &str) -> Result<Self, ModelNameError> {
        let refuse = || ModelNameError::Hub { found: text.to_owned() };
        let (path, revision) = text.split_once('@').unwrap_or((text, MAIN));
        let parts: Vec<&str> = path.split('/').collect();
        let (repo, file) = match parts[..] {
            [org, name] => (format!("{org}/{name}"), None),
            [org, name, file] if file.ends_with(".gguf") => (format!("{org}/{name}"), Some(file.into())),
            _ => return Err(refuse()),
        };
        // A revision may have parts of its own: refs/pr/1.
        if parts.into_iter().chain(revision.split('/')).all(Self::is_plain) {
            Ok(Self { repo: repo.into(), revision: revision.into(), file })
        } else {
            Err(refuse())
        }
    }
}
