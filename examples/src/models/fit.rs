//! Do the models fit into memory? Asked when all are known and before any weights are read; what
//! they leave is shared out among their caches.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::DType;
use clap::Args;
use saffron_core::ModelName;
use saffron_mrm::checkpoint::{AdapterFile, Checkpoint};
use saffron_mrm::engine::Merge;
use saffron_mrm::memory::{MemoryError, MemoryPlan};
use saffron_mrm::{LocalModels, ModelOptions};

use super::opener::Opener;
use crate::memory::{LEAST, cache_bytes, cache_share};

/// Arguments: the memory that models may take.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(about = None, long_about = None)]
pub struct MemoryArgs {
    /// Megabytes of memory that models may take, caches included; what needs more is refused before
    /// weights are read [default: what is free on Linux, within the limits of control groups, for
    /// models on a CPU; else no limit].
    #[arg(long, value_name = "MEGABYTES")]
    pub memory_mb: Option<u64>,
}

impl MemoryArgs {
    /// The limit in bytes, if one is set.
    #[must_use]
    pub fn limit(self) -> Option<u64> {
        self.memory_mb.map(|megabytes| megabytes.saturating_mul(1 << 20))
    }
}

/// Models that do not fit, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{models} cannot be held in memory; what helps: {help}")]
pub struct DoesNotFit {
    models: String,
    help: String,
    source: MemoryError,
}

/// A model that is going to be opened.
#[derive(Debug)]
struct Planned {
    model: ModelName,
    adapter: Option<PathBuf>,
    /// None where the size is to be chosen.
    cache_mb: Option<u64>,
}

/// What is known about memory before weights are read.
#[derive(Debug, Default)]
pub(super) struct Fit {
    /// Bytes that models may take, where that is known.
    room: Option<u64>,
    /// Megabytes of every cache, where the command line names them.
    asked: Option<u64>,
    /// Megabytes of a cache whose size nobody names, once they are chosen.
    chosen: Option<u64>,
    planned: Vec<Planned>,
}

impl Fit {
    /// Nothing is planned yet.
    pub(super) fn within(room: Option<u64>) -> Self {
        Self { room, ..Self::default() }
    }

    /// Megabytes of caches whose sizes are named, as far as they can be counted.
    fn named(&self) -> impl Iterator<Item = u64> {
        self.planned.iter().filter_map(|model| model.cache_mb)
    }

    /// How many caches have no size yet.
    fn open(&self) -> usize {
        self.planned.len() - self.named().count()
    }

    /// The weights, adapters and working set of the planned models. Reads their headers.
    fn plan(&self, local: &mut LocalModels) -> Result<MemoryPlan> {
        let options = ModelOptions { cache_bytes: 0, ..local.options() };
        let mut plan = MemoryPlan::default();
        for Planned { model, adapter, .. } in &self.planned {
            let checkpoint = Checkpoint::open(local.find(model, true)?.path)?;
            plan.add(checkpoint.path(), checkpoint.memory(&options)?);
            if let Some(adapter) = adapter {
                let config = checkpoint.config()?;
                let merged = AdapterFile::open(adapter, &config)?.memory(&config, options.dtype, Merge::IntoWeights);
                plan.add_adapter(merged);
            }
        }
        Ok(plan)
    }

    /// The plan with all caches, those without a size at a share of what is left.
    fn with_caches(&mut self, mut plan: MemoryPlan, room: u64) -> Result<MemoryPlan> {
        for megabytes in self.named() {
            plan.add_cache(cache_bytes(megabytes, None)?);
        }
        let open = self.open();
        if open > 0 {
            let size = cache_share(room.saturating_sub(plan.estimate().total()), open);
            (0..open).for_each(|_| plan.add_cache(size << 20));
            self.chosen = Some(size);
        }
        Ok(plan)
    }

    fn names(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for name in self.planned.iter().map(|planned| planned.model.to_string()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(", ")
    }

    /// What would make the models fit.
    fn help(&self, error: &MemoryError, training: bool, dtype: DType) -> String {
        let fixed = error.needed.total() - error.needed.cache;
        let least = (LEAST << 20) * self.planned.len() as u64;
        let mut help = Vec::new();
        if error.needed.cache > least && fixed.saturating_add(least) <= error.limit {
            help.push("smaller caches (--cache-mb, in a configuration cache_mb)");
        }
        if dtype == DType::F32 && !training {
            help.push("weights of 16 bits (--dtype bf16, in a configuration dtype)");
        }
        help.push("a smaller model");
        if !training {
            help.push("a model that is served (llamacpp:URL, vllm:URL, sglang:URL)");
        }
        help.push("--memory-mb, if there is more memory than the system says");
        help.join(", ")
    }
}

impl Opener {
    /// The same, with the memory that models may take.
    #[must_use]
    pub fn with_memory(mut self, memory: MemoryArgs) -> Self {
        self.fit.room = memory.limit().or(self.fit.room);
        self
    }

    /// The same, with the megabytes of every cache, where they are named.
    #[must_use]
    pub fn with_caches(mut self, megabytes: Option<u64>) -> Self {
        self.fit.asked = megabytes;
        self
    }

    /// Megabytes of every cache, where they are named.
    #[must_use]
    pub fn asked_cache(&self) -> Option<u64> {
        self.fit.asked
    }

    /// Megabytes of a cache whose size nobody names.
    #[must_use]
    pub fn cache_mb(&self) -> u64 {
        self.fit.chosen.unwrap_or(self.local.options().cache_bytes >> 20)
    }

    /// Remembers that a model is going to be opened.
    pub(super) fn will_open(&mut self, model: &ModelName, adapter: Option<&Path>, cache_mb: Option<u64>) {
        self.fit.planned.push(Planned { model: model.clone(), adapter: adapter.map(Path::to_path_buf), cache_mb });
    }

    /// Refuses the models that were checked if they do not fit into memory together, and chooses
    /// the size of caches. Where the memory is unknown, nothing is refused and caches have their
    /// largest default.
    ///
    /// # Errors
    ///
    /// [`DoesNotFit`]; headers that cannot be read.
    pub fn fit(&mut self) -> Result<()> {
        self.fit_for(false)
    }

    /// Refuses a model that is trained if it does not fit into memory. It has no cache.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn fit_training(&mut self, model: &ModelName) -> Result<()> {
        self.will_open(model, None, Some(0));
        self.fit_for(true)
    }

    /// How a model that is opened alone runs: refused as [`fit`](Self::fit) refuses it, its cache of
    /// the size that is chosen.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn alone(&mut self, model: &ModelName) -> Result<ModelOptions> {
        self.will_open(model, None, None);
        self.fit()?;
        Ok(self.options())
    }

    fn fit_for(&mut self, training: bool) -> Result<()> {
        let mut fit = std::mem::take(&mut self.fit);
        let fits = self.fits(&mut fit, training);
        fit.planned.clear();
        self.fit = fit;
        fits
    }

    fn fits(&mut self, fit: &mut Fit, training: bool) -> Result<()> {
        let Some(room) = fit.room else { return Ok(()) };
        let plan = fit.plan(&mut self.local)?;
        let plan = fit.with_caches(plan, room)?;
        plan.estimate().check(room).map_err(|source| {
            let help = fit.help(&source, training, self.local.options().dtype);
            DoesNotFit { models: fit.names(), help, source }.into()
        })
    }
}
