//! Models that run here, opened by name: directories, GGUFs (feature `gguf`), and models on the hub
//! (feature `hub`).

mod error;

use std::fmt;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use saffron_core::{HubModel, ModelName};

use crate::base::{Base, BaseFiles};
use crate::checkpoint::Checkpoint;
use crate::engine::ModelOptions;
use crate::error::LoadError;
use crate::files::is_there;
#[cfg(feature = "hub")]
use crate::hub::{Hub, HubProgress, commit_of};
use crate::memory::{MemoryEstimate, MemoryPlan};
pub use error::LocalError;

/// Where a model is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModel {
    /// The directory or file.
    pub path: PathBuf,
    /// The commit, of a model on the hub.
    pub commit: Option<String>,
}

/// Finds models by name and opens them. One that is asked for again is neither looked up nor loaded
/// again, so that policy, guard and reward model of one checkpoint share its weights.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use saffron_mrm::{LmPolicy, LocalModels, ModelOptions, Mrm};
/// # let device = burn::tensor::Device::flex();
/// let mut models = LocalModels::new(device, ModelOptions::default());
/// let base = models.base(&"models/smollm2".parse()?)?;
/// let policy = LmPolicy::on(&base, models.options())?;
/// # Ok(())
/// # }
/// ```
pub struct LocalModels {
    device: Device,
    options: ModelOptions,
    #[cfg(feature = "hub")]
    hub: Option<WatchedHub>,
    /// Names that have been looked up, with weights or without.
    found: Vec<(ModelName, bool, LocalModel)>,
    bases: Vec<(PathBuf, Base)>,
    /// The weights that are loaded.
    plan: MemoryPlan,
}

/// The hub, and who is told how far a download has come.
#[cfg(feature = "hub")]
struct WatchedHub {
    hub: Hub,
    watch: Box<dyn FnMut(&HubProgress)>,
}

impl fmt::Debug for LocalModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bases: Vec<&PathBuf> = self.bases.iter().map(|(path, _)| path).collect();
        f.debug_struct("LocalModels").field("options", &self.options).field("bases", &bases).finish_non_exhaustive()
    }
}

impl LocalModels {
    /// Models on a device. Nothing is loaded yet, and no hub is asked.
    #[must_use]
    pub fn new(device: Device, options: ModelOptions) -> Self {
        Self {
            device,
            options,
            #[cfg(feature = "hub")]
            hub: None,
            found: Vec::new(),
            bases: Vec::new(),
            plan: MemoryPlan::default(),
        }
    }

    /// The same, with models from a hub; `watch` is told how far a download has come.
    #[cfg(feature = "hub")]
    #[must_use]
    pub fn with_hub(mut self, hub: Hub, watch: impl FnMut(&HubProgress) + 'static) -> Self {
        self.hub = Some(WatchedHub { hub, watch: Box::new(watch) });
        self
    }

    /// How models run.
    #[must_use]
    pub fn options(&self) -> ModelOptions {
        self.options
    }

    /// Where a model is: a path if something is there, else a snapshot of the hub's, fetched unless
    /// it is here. With `weights`, or, for a model that is served elsewhere, without.
    ///
    /// # Errors
    ///
    /// A server, a path with nothing there, a model that the hub does not give.
    pub fn find(&mut self, name: &ModelName, weights: bool) -> Result<LocalModel, LocalError> {
        // What is here with weights is here without.
        let known = |(known, all, _): &&(ModelName, bool, LocalModel)| known == name && (*all || !weights);
        if let Some((_, _, found)) = self.found.iter().find(known) {
            return Ok(found.clone());
        }
        // A link that leads nowhere is there, and no name of the hub: opening it fails.
        let found = match name.path() {
            Some(path) if is_there(path)? => LocalModel { path: path.to_path_buf(), commit: None },
            _ => self.fetch(name, weights)?,
        };
        self.found.push((name.clone(), weights, found.clone()));
        Ok(found)
    }

    /// A checkpoint, with its weights loaded.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find); one that does not load, or does not fit beside those that are loaded
    /// ([`ModelOptions::memory_limit`]).
    pub fn base(&mut self, name: &ModelName) -> Result<Base, LocalError> {
        let found = self.find(name, true)?.path;
        // Links and detours lead to the same weights.
        let place = found.canonicalize().map_err(|source| LocalError::Path { name: name.clone(), source })?;
        if let Some((_, base)) = self.bases.iter().find(|(loaded, _)| *loaded == place) {
            return Ok(base.clone());
        }
        let files = BaseFiles::open(found)?;
        self.check_memory(&files, &place)?;
        let base = files.load(&self.device, self.options.dtype)?;
        self.bases.push((place, base.clone()));
        Ok(base)
    }

    /// Refuses a checkpoint that does not fit beside those that are loaded.
    fn check_memory(&mut self, files: &BaseFiles, place: &Path) -> Result<(), LoadError> {
        let Some(limit) = self.options.memory_limit else { return Ok(()) };
        let needed = files.memory(&self.options)?;
        let mut all = self.plan.clone();
        all.add(place, needed);
        let path = || files.checkpoint().path().to_path_buf();
        all.estimate().check(limit).map_err(|source| LoadError::Memory { path: path(), source })?;
        self.plan.add(place, MemoryEstimate { cache: 0, working: 0, ..needed });
        Ok(())
    }

    /// A checkpoint without its weights: sizes, tokenizer, chat template.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find); a GGUF that does not hold together.
    pub fn checkpoint(&mut self, name: &ModelName) -> Result<Checkpoint, LocalError> {
        Ok(Checkpoint::open(self.find(name, false)?.path)?)
    }

    fn fetch(&mut self, name: &ModelName, weights: bool) -> Result<LocalModel, LocalError> {
        match (name.server(), name.hub()) {
            (Some(_), _) => Err(LocalError::Served { name: name.clone() }),
            (None, None) => Err(LocalError::Nothing { name: name.clone() }),
            (None, Some(model)) => self.fetch_from_hub(name, model, weights),
        }
    }

    #[cfg(feature = "hub")]
    fn fetch_from_hub(&mut self, name: &ModelName, model: &HubModel, weights: bool) -> Result<LocalModel, LocalError> {
        let Some(WatchedHub { hub, watch }) = &mut self.hub else {
            return Err(LocalError::NoHub { name: name.clone(), reason: "none is set" });
        };
        let hub = if weights { hub.clone() } else { hub.clone().without_weights() };
        let fetched = hub.fetch_watched(model, watch);
        let path = fetched.map_err(|source| LocalError::Hub { name: name.clone(), source: Box::new(source) })?;
        let commit = commit_of(&path).map(str::to_owned);
        Ok(LocalModel { path, commit })
    }

    #[cfg(not(feature = "hub"))]
    #[allow(clippy::unused_self, reason = "with the feature it has a hub")]
    fn fetch_from_hub(&mut self, name: &ModelName, _: &HubModel, _: bool) -> Result<LocalModel, LocalError> {
        Err(LocalError::NoHub { name: name.clone(), reason: "the feature `hub` is off" })
    }
}
