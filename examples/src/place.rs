//! Where a model is: on disk, on the hub, or behind a server.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use saffron_mrm::hub::{Hub, HubModel};
use saffron_search::remote::ServerAddress;

use crate::progress;

/// A model as a command line names it: a directory, a GGUF, `org/name[@revision]` or `org/name/file.gguf` of the hub,
/// `llamacpp:URL`, `vllm:URL` or `sglang:URL`. What is there on disk is no name of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(String);

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self(path.display().to_string())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Place {
    /// The server, if it is one.
    ///
    /// # Errors
    ///
    /// What begins like an address and is none.
    pub fn server(&self) -> Result<Option<ServerAddress>> {
        if ServerAddress::looks_like(&self.0) { Ok(Some(self.0.parse()?)) } else { Ok(None) }
    }

    /// The directory or file, fetched from the hub where it is a name there, with its weights or without.
    ///
    /// # Errors
    ///
    /// A server; a path that is not there; what the hub does not give.
    pub fn path(&self, weights: bool) -> Result<PathBuf> {
        if ServerAddress::looks_like(&self.0) {
            bail!("{self} is a server, and a model that runs here is needed");
        }
        let path = Path::new(&self.0);
        if path.exists() {
            return Ok(path.to_path_buf());
        }
        let Ok(model) = self.0.parse::<HubModel>() else {
            bail!(
                "{self} is neither a file or directory here nor a model's name on the hub (org/name, org/name@revision)"
            );
        };
        fetch(&model, weights)
            .with_context(|| format!("{self} is no file or directory here, and as a model's name on the hub:"))
    }
}

/// A model from the hub that the environment names (`HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_CACHE` or `HF_HOME`, `HF_HUB_OFFLINE`), as other programs
/// take them.
fn fetch(model: &HubModel, weights: bool) -> Result<PathBuf> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = || std::env::home_dir().map(|home| home.join(".cache/huggingface")).unwrap_or_default();
    let cache =
        set("HF_HUB_CACHE").map_or_else(|| set("HF_HOME").map_or_else(home, PathBuf::from).join("hub"), PathBuf::from);
    let mut hub = Hub::new(cache);
    if let Some(endpoint) = set("HF_ENDPOINT") {
        hub = hub.with_endpoint(endpoint);
    }
    if let Some(token) = set("HF_TOKEN") {
        hub = hub.with_token(token);
    }
    let yes = |value: String| ["1", "on", "yes", "true"].contains(&&value.to_lowercase()[..]);
    if set("HF_HUB_OFFLINE").is_some_and(yes) {
        hub = hub.offline();
    }
    if !weights {
        hub = hub.without_weights();
    }
    let bar = progress::download();
    let found = hub.fetch_watched(model, &mut |now| {
        bar.set_length(now.size);
        bar.set_position(now.done);
        bar.set_message(now.file.clone());
    });
    bar.finish_and_clear();
    Ok(found?)
}
