//! The adapter that a recipe trains.

use std::path::{Path, PathBuf};

use saffron_core::ModelName;
use saffron_mrm::checkpoint::{AdapterConfig, AdapterFile};
use saffron_mrm::{Base, DecoderConfig};
use saffron_search::eval::inputs::NamedFile;
use saffron_search::eval::models::WeightType;
use saffron_search::eval::runs::Counts;
use serde::{Deserialize, Serialize};

use super::RecipeError;
use crate::error::TrainError;
use crate::init::Init;
use crate::network::Network;

/// The adapter in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdapterRecipe {
    /// Directory of an adapter to begin from, such as a guard's for a multifurcation reward model;
    /// else a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Rank of a new adapter.
    pub rank: usize,
    /// Its alpha: the scale is alpha / rank.
    pub alpha: f64,
    /// The modules it adapts.
    pub targets: Vec<String>,
    /// Seed of its factors.
    pub seed: u64,
    /// Whether the unembedding's bias is trained, too.
    pub bias: bool,
    /// What the adapter calls its base; by default where it is, or what the hub calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_name: Option<String>,
    /// Type of the exported factors; the bias stays in float32.
    #[serde(skip_serializing_if = "WeightType::is_full")]
    pub dtype: WeightType,
}

impl Default for AdapterRecipe {
    fn default() -> Self {
        let targets = ["q_proj", "v_proj"].map(String::from).to_vec();
        Self { from: None, rank: 8, alpha: 16.0, targets, seed: 0, bias: true, base_name: None, dtype: WeightType::F32 }
    }
}

impl AdapterRecipe {
    /// Whether it has settings of a new adapter beside one to begin from, which would not obey
    /// them.
    #[must_use]
    pub fn is_contradictory(&self) -> bool {
        let plain = Self::default();
        let Self { from, rank, alpha, targets, seed, .. } = self;
        from.is_some() && (*rank, *alpha, targets, *seed) != (plain.rank, plain.alpha, &plain.targets, plain.seed)
    }

    /// Refuses an adapter that cannot be put beside a model's layers.
    ///
    /// # Errors
    ///
    /// Settings of a new adapter beside one to begin from; one that does not load; modules that the
    /// model does not have; a rank beyond a layer's sides.
    pub fn check(&self, model: &DecoderConfig) -> Result<(), RecipeError> {
        if self.is_contradictory() {
            return Err(RecipeError::ContradictoryAdapter);
        }
        match &self.from {
            Some(dir) => AdapterFile::open(dir, model).map(drop).map_err(|error| not_opened(dir, error.into())),
            None => Init::layers(&self.config(), model).map(drop).map_err(RecipeError::NewAdapter),
        }
    }

    /// The configuration of a new adapter.
    #[must_use]
    pub fn config(&self) -> AdapterConfig {
        AdapterConfig::new(self.rank, self.alpha, self.targets.clone())
    }

    /// The network that training begins with, on a base of this name. The adapter calls its base
    /// so, unless the recipe says otherwise.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn network(&self, base: &Base, name: &ModelName) -> Result<Network, RecipeError> {
        self.check(base.decoder().config())?;
        let network = match &self.from {
            Some(dir) => Network::open(base, dir).map_err(|error| not_opened(dir, error))?,
            None => Network::fresh(base, self.config(), self.seed)?,
        };
        let name = match &self.base_name {
            Some(name) => name.clone(),
            None => base_name(name)?,
        };
        let network = network.with_base_name(name);
        Ok(if self.bias { network } else { network.with_frozen_bias() })
    }
}

fn not_opened(dir: &Path, error: TrainError) -> RecipeError {
    RecipeError::AdapterFile { path: dir.to_owned(), source: Box::new(error) }
}

/// A base as an adapter names it, so that it is found from any folder: where it is, or what the hub
/// calls it.
///
/// # Errors
///
/// [`RecipeError::Here`]: the operating system cannot say where the program runs.
pub fn base_name(name: &ModelName) -> Result<String, RecipeError> {
    match name.path().filter(|path| path.exists()) {
        Some(path) => Ok(std::path::absolute(path).map_err(RecipeError::Here)?.display().to_string()),
        None => Ok(name.to_string()),
    }
}

/// The models that a training recipe names.
pub(super) fn named_models<'a>(
    base: &'a mut ModelName,
    adapter: &'a mut AdapterRecipe,
) -> impl Iterator<Item = NamedFile<'a>> {
    let from = adapter.from.iter_mut().map(|path| NamedFile::path(path, Counts::Files));
    [NamedFile::model(base)].into_iter().chain(from)
}
