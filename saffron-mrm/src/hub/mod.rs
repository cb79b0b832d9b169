//! Checkpoints by name from the Hugging Face hub, kept in its usual folder.
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
mod error;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::client::{Client, Part, Revision};
pub use self::error::HubError;
pub use saffron_core::HubModel;

/// How long to wait before a file is asked for again that has not come any further.
const WAITS: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// Which files of a repository make a checkpoint.
mod files {
    pub(super) const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];
    pub(super) const MAYBE: [&str; 3] = ["generation_config.json", "tokenizer_config.json", "chat_template.jinja"];
    pub(super) const WEIGHTS: &str = "model.safetensors";
    pub(super) const INDEX: &str = "model.safetensors.index.json";
}

/// How far a file has come.
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
    /// The public hub, with models kept in a folder. The usual one is `~/.cache/huggingface/hub`; nothing is read from the environment.
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

    /// With the token of an account, for models that are not given to everybody. It goes to the endpoint and nowhere else.
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

    /// Without weights: sizes, tokenizer and chat template alone, for a model that is served elsewhere.
    #[must_use]
    pub fn without_weights(mut self) -> Self {
        self.weights = false;
        self
    }

    /// The path of a model, as [`Checkpoint::open`](crate::checkpoint::Checkpoint::open) takes it: fetched, unless it is there. A download that
    /// broke off goes on where it ended. Where the hub cannot be reached, what it said of the revision the last time counts.
    ///
    /// # Errors
    ///
    /// No network and no earlier download, a model that is not there or not given to everybody, one without a safetensors checkpoint.
    pub fn fetch(&self, model: &HubModel) -> Result<PathBuf, HubError> {
        self.fetch_watched(model, &mut |_| {})
    }

    /// [`fetch`](Self::fetch), telling how far it has come.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fetch_watched(&self, model: &HubModel, watch: &mut dyn FnMut(&HubProgress)) -> Result<PathBuf, HubError> {
        match cached::find(&self.cache, model, self.weights) {
            Some(path) if self.offline || model.is_pinned() => return Ok(path),
            None if self.offline => {
                return Err(HubError::NotCached { cache: self.cache.clone(), model: model.clone() });
            }
            _ => {}
        }
        let client = Client::new(&self.endpoint, self.token.as_deref());
        match client.revision(model)? {
            Ok(revision) => Visit { hub: self, client, model, revision, watch }.fetch(),
            Err(reason) => self.earlier(model, reason),
        }
    }

    /// What is there from an earlier time, now that the hub cannot be reached.
    fn earlier(&self, model: &HubModel, reason: String) -> Result<PathBuf, HubError> {
        let (endpoint, cache) = (self.endpoint.clone(), self.cache.clone());
        match cached::find(&self.cache, model, self.weights) {
            Some(path) => {
                tracing::warn!(%endpoint, %reason, %model, "the hub cannot be reached; an earlier download serves");
                Ok(path)
            }
            None => Err(HubError::Unreachable { endpoint, reason, cache, model: model.clone() }),
        }
    }
}

/// One way to the hub for one model, all of whose files are of one commit, whatever becomes of a branch meanwhile.
struct Visit<'a> {
    hub: &'a Hub,
    client: Client<'a>,
    model: &'a HubModel,
    revision: Revision,
    watch: &'a mut dyn FnMut(&HubProgress),
}

impl Visit<'_> {
    fn fetch(mut self) -> Result<PathBuf, HubError> {
        let sha = self.revision.sha.clone();
        if !HubModel::is_commit(&sha) || (self.model.is_pinned() && sha != self.model.revision()) {
            return Err(self.client.answer("the hash of the commit", sha));
        }
        let snapshot = cached::snapshot(&self.hub.cache, self.model, &sha);
        make_folder(&snapshot)?;
        let path = match self.model.file() {
            Some(file) if self.revision.has(file) => self.file(&snapshot, file)?,
            Some(_) => {
                return Err(HubError::NotFound { endpoint: self.hub.endpoint.clone(), model: self.model.clone() });
            }
            None => self.checkpoint(&snapshot)?,
        };
        if !self.model.is_pinned() {
            let reference = cached::reference(&self.hub.cache, self.model);
            make_folder(reference.parent().unwrap_or(&self.hub.cache))?;
            std::fs::write(&reference, sha).map_err(|source| HubError::Cache { path: reference, source })?;
        }
        Ok(path)
    }

    /// Everything that makes a checkpoint.
    fn checkpoint(&mut self, snapshot: &Path) -> Result<PathBuf, HubError> {
        let lacks = |expected| HubError::Lacks { model: self.model.clone(), expected };
        let has = |name: &str| self.revision.has(name);
        if let Some(name) = files::NEEDED.into_iter().find(|name| !has(name)) {
            return Err(lacks(name));
        }
        let (single, sharded) = (has(files::WEIGHTS), has(files::INDEX));
        if self.hub.weights && !single && !sharded {
            return Err(lacks("model.safetensors and no model.safetensors.index.json"));
        }
        let small: Vec<&str> = files::NEEDED.into_iter().chain(files::MAYBE).filter(|name| has(name)).collect();
        for name in small {
            self.file(snapshot, name)?;
        }
        if self.hub.weights && single {
            self.file(snapshot, files::WEIGHTS)?;
        } else if self.hub.weights {
            let shards = cached::shards(&self.file(snapshot, files::INDEX)?);
            for name in shards.ok_or_else(|| self.client.answer("an index of plain file names", "another one"))? {
                self.file(snapshot, &name)?;
            }
        }
        Ok(snapshot.to_path_buf())
    }

    /// One file, unless it is there. It appears whole; what there is of it until then lies beside it.
    fn file(&mut self, snapshot: &Path, name: &str) -> Result<PathBuf, HubError> {
        let (place, part) = (snapshot.join(name), snapshot.join(format!(".{name}.part")));
        if place.is_file() {
            return Ok(place);
        }
        let mut waits = WAITS.iter();
        let mut before = length(&part);
        let from = (&self.revision.sha[..], name);
        while let Part::Short(source) = self.client.part(self.model, from, &part, self.watch)? {
            let now = length(&part);
            if now <= before {
                let Some(wait) = waits.next() else {
                    return Err(HubError::Broken { model: self.model.clone(), file: name.to_owned(), source });
                };
                std::thread::sleep(*wait);
            }
            before = now;
        }
        std::fs::rename(&part, &place).map_err(|source| HubError::Cache { path: place.clone(), source })?;
        Ok(place)
    }
}

/// The commit whose files a path that [`Hub::fetch`] gave holds.
#[must_use]
pub fn commit_of(path: &Path) -> Option<&str> {
    let parts: Vec<_> = path.iter().collect();
    let place = parts.iter().rposition(|part| *part == cached::SNAPSHOTS)?;
    parts.get(place + 1)?.to_str().filter(|commit| HubModel::is_commit(commit))
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

fn make_folder(path: &Path) -> Result<(), HubError> {
    std::fs::create_dir_all(path).map_err(|source| HubError::Cache { path: path.to_path_buf(), source })
}
