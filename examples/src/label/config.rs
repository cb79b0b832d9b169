//! What a configuration file may say. Paths start from the file's own folder.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use saffron_core::{CandidateFilter, ModelName};
use saffron_search::eval::attack::Attack;
use saffron_search::eval::data::{Format, Share};
use saffron_train::labels::LabelSettings;
use serde::{Deserialize, Serialize};

use crate::compare::config::{self, FilterConfig, PolicySettings, QuestionSettings, ServedSettings};

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of what is drawn: which rows of the data, which replies of a policy.
    #[serde(default)]
    pub seed: u64,
    /// Where replies come from.
    pub corpus: CorpusConfig,
    /// Who rewards them.
    pub guard: GuardConfig,
    /// How they are rewarded.
    #[serde(default)]
    pub annotate: AnnotateConfig,
}

/// Where replies come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// The data file. Its replies are labelled, of preference pairs both, unless a policy is to reply to its questions.
    pub data: DataConfig,
    /// The policy that replies, under attack.
    pub sampled: Option<SampledConfig>,
}

/// Rows of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Its name in records.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What its rows mean.
    pub format: Format,
    /// Only the prompts of one share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Only so many rows, drawn by the seed.
    pub sample: Option<usize>,
    /// Only so many rows, the first ones.
    pub limit: Option<usize>,
}

/// Replies of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampledConfig {
    /// The policy.
    pub policy: PolicySettings,
    /// What an attacker does.
    #[serde(default)]
    pub attack: Attack,
    /// Replies a question.
    #[serde(default = "one")]
    pub samples: NonZeroUsize,
    /// Longest reply, in tokens.
    #[serde(default = "thirty_two")]
    pub max_new_tokens: usize,
    /// What may be drawn; by default all of the distribution at temperature 1.
    #[serde(default)]
    pub filter: FilterConfig,
}

impl SampledConfig {
    pub(super) fn filter(&self) -> CandidateFilter {
        self.filter.over(CandidateFilter::default())
    }
}

/// A guard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    /// The model.
    pub base: ModelName,
    /// Directory of an adapter that it was trained to; only for a model that runs here.
    pub adapter: Option<PathBuf>,
    /// How it is asked; by default as Llama Guard 3 is. A served guard needs it.
    pub question: Option<QuestionSettings>,
    /// What its server does not say, if it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedSettings>,
    /// Megabytes of keys and values.
    #[serde(default = "cache_mb")]
    pub cache_mb: u64,
}

impl GuardConfig {
    pub(super) fn settings(&self) -> config::GuardSettings {
        let Self { base, adapter, question, served, cache_mb } = self.clone();
        config::GuardSettings { model: base, adapter, question, served, cache_mb }
    }

    fn names_mut(&mut self) -> impl Iterator<Item = &mut ModelName> {
        [&mut self.base].into_iter().chain(self.served.as_mut().and_then(|served| served.tokenizer.as_mut()))
    }
}

/// How replies are rewarded.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnnotateConfig {
    /// The most tokens of prompt and reply together.
    pub max_tokens: usize,
    /// Replies that are labelled and written together.
    pub group: NonZeroUsize,
    /// Prefixes a call of the guard.
    pub batch: NonZeroUsize,
}

impl Default for AnnotateConfig {
    fn default() -> Self {
        let LabelSettings { max_tokens, group, batch, .. } = LabelSettings::new(1, 1);
        Self { max_tokens, group, batch }
    }
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn thirty_two() -> usize {
    32
}

fn cache_mb() -> u64 {
    1024
}

impl Config {
    /// Reads a file. Paths in it are made to start from where the program does.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or says something unknown.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut config: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let replies = config.corpus.sampled.as_ref().is_none_or(|sampled| sampled.max_new_tokens > 0);
        ensure!(replies, "{}: max_new_tokens must be at least 1", path.display());
        let dir = path.parent().unwrap_or(Path::new(""));
        config.paths().into_iter().for_each(|path| *path = dir.join(&path));
        config.names().into_iter().for_each(|name| *name = name.clone().within(dir, Path::exists));
        Ok(config)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        [&mut self.corpus.data.path].into_iter().chain(&mut self.guard.adapter).collect()
    }

    fn names(&mut self) -> Vec<&mut ModelName> {
        let sampled = self.corpus.sampled.as_mut();
        let policy = sampled.into_iter().flat_map(|sampled| sampled.policy.names_mut());
        self.guard.names_mut().chain(policy).collect()
    }

    /// The settings of a run over so many replies.
    ///
    /// # Errors
    ///
    /// Settings that JSON cannot hold.
    pub fn settings(&self, items: usize, vocab_size: usize) -> Result<LabelSettings> {
        let AnnotateConfig { max_tokens, group, batch } = self.annotate;
        let origin = serde_json::to_value(self)?;
        Ok(LabelSettings { max_tokens, group, batch, origin, ..LabelSettings::new(items, vocab_size) })
    }
}
