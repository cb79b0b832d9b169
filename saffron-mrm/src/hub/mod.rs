//! Checkpoints by name from the Hugging Face hub, kept in its usual folder.
//!
//! Several processes may fetch one model at the same time: one downloads a file while the others
//! wait for it. Downloads are compared with the sizes and checksums that the hub lists before they
//! enter the cache. Cached files are verified, too: lengths always, checksums once and again when a
//! file has changed. Configuration, tokenizer and chat template are fetched and parsed before the
//! weights are fetched.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use saffron_mrm::LmPolicy;
//! use saffron_mrm::hub::Hub;
//!
//! let hub = Hub::new("models/hub");
//! let path = hub.fetch(&"HuggingFaceTB/SmolLM2-135M-Instruct".parse()?)?;
//! # let device = burn::tensor::Device::flex();
//! let policy = LmPolicy::open(path, &device)?;
//! # Ok(())
//! # }
//! ```

mod cached;
mod client;
mod digest;
mod error;
mod files;
mod record;
mod store;
mod visit;

use std::fmt;
use std::path::{Path, PathBuf};

use self::cached::Complete;
use self::client::Client;
pub use self::error::HubError;
use self::store::Folder;
use self::visit::Visit;
pub use saffron_core::HubModel;

/// The progress of a file, downloaded by this process or by another one that this one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubProgress {
    /// The file.
    pub file: String,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes in all.
    pub size: u64,
}

/// The hub, or a mirror of it.
#[derive(Clone)]
pub struct Hub {
    endpoint: String,
    cache: PathBuf,
    token: Option<String>,
    offline: bool,
    weights: bool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, cache, offline, weights, .. } = self;
        let mut shown = f.debug_struct("Hub");
        shown.field("endpoint", endpoint).field("cache", cache).field("offline", offline).field("weights", weights);
        shown.finish_non_exhaustive()
    }
}

impl Hub {
    /// The public hub, with models kept in a folder. The usual one is `~/.cache/huggingface/hub`;
    /// nothing is read from the environment.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        let endpoint = String::from("https://huggingface.co");
        Self { endpoint, cache: cache.into(), token: None, offline: false, weights: true }
    }

    /// Another hub.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into().trim_end_matches('/').to_owned();
        self
    }

    /// With the token of an account, for models that are not given to everybody. It goes to the
    /// endpoint and nowhere else.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Without the network: what is not there is an error.
    #[must_use]
    pub fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// Without weights: sizes, tokenizer and chat template alone, for a model that is served
    /// elsewhere.
    #[must_use]
    pub fn without_weights(mut self) -> Self {
        self.weights = false;
        self
    }

    /// The path of a model, as [`Checkpoint::open`](crate::checkpoint::Checkpoint::open) takes it:
    /// fetched, unless it is there. A download that broke off goes on where it ended. Where the hub
    /// cannot be reached, what it said of the revision the last time counts.
    ///
    /// # Errors
    ///
    /// No network and no earlier download, a model that is not there or not given to everybody, one
    /// without a safetensors checkpoint or with a configuration, tokenizer or chat template that
    /// cannot be used; files that are not what the hub has announced.
    pub fn fetch(&self, model: &HubModel) -> Result<PathBuf, HubError> {
        self.fetch_watched(model, &mut |_| {})
    }

    /// [`fetch`](Self::fetch), telling how far it has come.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fetch_watched(&self, model: &HubModel, watch: &mut dyn FnMut(&HubProgress)) -> Result<PathBuf, HubError> {
        let folder = Folder::of(&self.cache, model);
        let complete = if self.offline { Complete::AsNeeded } else { Complete::AsListed };
        if self.offline || model.is_pinned() {
            match cached::find(&folder, model, self.weights, complete) {
                Some(path) => return Ok(path),
                None if self.offline => {
                    return Err(HubError::NotCached { cache: self.cache.clone(), model: model.clone() });
                }
                None => {}
            }
        }
        let client = Client::new(&self.endpoint, self.token.as_deref());
        match client.revision(model)? {
            Ok(revision) => Visit::new(self, client, (model, folder), revision, watch)?.fetch(),
            Err(reason) => self.earlier(model, reason),
        }
    }

    /// What is there from an earlier time, now that the hub cannot be reached.
    fn earlier(&self, model: &HubModel, reason: String) -> Result<PathBuf, HubError> {
        let (endpoint, cache) = (self.endpoint.clone(), self.cache.clone());
        match cached::find(&Folder::of(&cache, model), model, self.weights, Complete::AsNeeded) {
            Some(path) => {
                tracing::warn!(%endpoint, %reason, %model, "the hub cannot be reached; an earlier download serves");
                Ok(path)
            }
            None => Err(HubError::Unreachable { endpoint, reason, cache, model: model.clone() }),
        }
    }
}

/// The commit whose files a path that [`Hub::fetch`] gave holds.
#[must_use]
pub fn commit_of(path: &Path) -> Option<&str> {
    let parts: Vec<_> = path.iter().collect();
    let place = parts.iter().rposition(|part| *part == store::SNAPSHOTS)?;
    parts.get(place + 1)?.to_str().filter(|commit| HubModel::is_commit(commit))
}
