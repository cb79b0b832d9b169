//! What the training recipes' configurations may say. Paths start from the file's own folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use saffron_core::ModelName;
use saffron_mrm::DecoderConfig;
use saffron_mrm::checkpoint::{AdapterConfig, AdapterFile};
use saffron_search::eval::data::{Format, Share};
use saffron_search::eval::inputs::{NamedFile, NamesFiles, of_format};
use saffron_search::eval::models::{QuestionSettings, WeightType};
use saffron_search::eval::runs::Counts;
use saffron_train::{AdamWSettings, Init, RunSettings};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::settings;

/// `train_guard`: a guard from labelled replies and preference pairs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardRecipe {
    /// The model that becomes a guard: a directory, a GGUF, or a name on the hub.
    pub base: ModelName,
    /// How it is asked; by default as Llama Guard 3 is.
    pub question: Option<QuestionSettings>,
    /// What is trained of it.
    #[serde(default)]
    pub adapter: AdapterRecipe,
    /// Labelled replies.
    #[serde(default)]
    pub labelled: Vec<DataRecipe>,
    /// Preference pairs.
    #[serde(default)]
    pub pairs: Vec<DataRecipe>,
    /// Labelled replies that are held out. Those that stand in the training data, too, are left out.
    pub held_out: DataRecipe,
    /// Labelled replies of the training data that validations look at instead of learning from them; drawn by the run's seed.
    #[serde(default = "validation")]
    pub validation: usize,
    /// How long prompts and replies may be.
    #[serde(default)]
    pub limits: Limits,
    /// Beginnings of every reply that an epoch learns from, beside the whole.
    #[serde(default = "prefixes")]
    pub prefixes: usize,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: AdamWSettings,
    /// The run.
    #[serde(default)]
    pub run: RunSettings,
}

/// `train_mrm`: a multifurcation reward model from token rewards.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MrmRecipe {
    /// The model that becomes a reward model: a directory, a GGUF, or a name on the hub. Its
    /// tokenizer is the policy's.
    pub base: ModelName,
    /// What is trained of it.
    #[serde(default)]
    pub adapter: AdapterRecipe,
    /// Prompt layout of the reward model.
    #[serde(default = "layout")]
    pub layout: String,
    /// Files or directories of token rewards, as `label` writes them.
    pub labels: Vec<PathBuf>,
    /// Share of the prompts that is held out for the report at the end.
    #[serde(default = "held_out")]
    pub held_out: f64,
    /// Share of the prompts that validations look at, to choose the best step by.
    #[serde(default = "validated")]
    pub validation: f64,
    /// The most tokens of a rendered prompt and its reply: the reference cuts at 128.
    #[serde(default = "max_tokens")]
    pub max_tokens: usize,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: AdamWSettings,
    /// The run.
    #[serde(default)]
    pub run: RunSettings,
}

/// The adapter in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdapterRecipe {
    /// Directory of an adapter to begin from, such as a guard's for a multifurcation reward model; else a new one.
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

/// A data file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// The file.
    pub path: PathBuf,
    /// What its rows mean.
    pub format: Format,
    /// Only the prompts of one share, such as one half for a guard and the other for its judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Only so many rows, drawn by the run's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
}

/// How long prompts and replies may be, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of a longer prompt the end is kept.
    pub prompt: usize,
    /// Of a longer reply the beginning is kept.
    pub reply: usize,
}

impl Default for AdapterRecipe {
    fn default() -> Self {
        let targets = ["q_proj", "v_proj"].map(String::from).to_vec();
        Self { from: None, rank: 8, alpha: 16.0, targets, seed: 0, bias: true, base_name: None, dtype: WeightType::F32 }
    }
}

impl AdapterRecipe {
    /// Whether it says something of a new adapter, which one that is begun from would not obey.
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
    pub fn check(&self, model: &DecoderConfig) -> Result<()> {
        ensure!(
            !self.is_contradictory(),
            "adapter.from: rank, alpha, targets and seed are those of the adapter that it names"
        );
        match &self.from {
            Some(dir) => AdapterFile::open(dir, model).map(drop).with_context(|| dir.display().to_string()),
            None => Init::layers(&self.config(), model).map(drop).context("adapter"),
        }
    }

    /// The configuration of a new adapter.
    #[must_use]
    pub fn config(&self) -> AdapterConfig {
        AdapterConfig::new(self.rank, self.alpha, self.targets.clone())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { prompt: 64, reply: 64 }
    }
}

fn validation() -> usize {
    256
}

fn prefixes() -> usize {
    2
}

fn layout() -> String {
    String::from("mrm")
}

fn held_out() -> f64 {
    0.1
}

fn validated() -> f64 {
    0.05
}

fn max_tokens() -> usize {
    128
}

/// A configuration whose paths start from its file's folder.
pub trait Recipe: DeserializeOwned + NamesFiles {
    /// Reads a file. Paths in it are made to start from where the program does.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or says something unknown.
    fn read(path: &Path) -> Result<Self> {
        let mut recipe: Self = settings::read(path)?;
        recipe.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(recipe)
    }
}

impl Recipe for GuardRecipe {}

impl Recipe for MrmRecipe {}

impl NamesFiles for GuardRecipe {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let data = self.labelled.iter_mut().chain(&mut self.pairs).chain([&mut self.held_out]);
        models(&mut self.base, &mut self.adapter).chain(data.flat_map(of_data)).collect()
    }
}

impl NamesFiles for MrmRecipe {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let labels = self.labels.iter_mut().map(|labels| NamedFile::path(labels, Counts::Files));
        models(&mut self.base, &mut self.adapter).chain(labels).collect()
    }
}

fn models<'a>(base: &'a mut ModelName, adapter: &'a mut AdapterRecipe) -> impl Iterator<Item = NamedFile<'a>> {
    let from = adapter.from.iter_mut().map(|path| NamedFile::path(path, Counts::Files));
    [NamedFile::model(base)].into_iter().chain(from)
}

fn of_data(data: &mut DataRecipe) -> impl Iterator<Item = NamedFile<'_>> {
    let format = of_format(&mut data.format, &data.path);
    format.into_iter().chain([NamedFile::path(&mut data.path, Counts::Extension)])
}
