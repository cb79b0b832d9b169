//! What a configuration file may say. Paths start from the file's own folder.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use saffron_core::{CandidateFilter, ModelName};
use saffron_search::eval::attack::Attack;
use saffron_search::eval::data::{Format, Share};
use saffron_search::eval::inputs::{self, NamedFile, NamesFiles, of_format};
use saffron_search::eval::models::{FilterConfig, GuardSettings, PolicySettings, QuestionSettings, ServedSettings};
use saffron_search::eval::runs::Counts;
use saffron_train::labels::LabelSettings;
use serde::{Deserialize, Serialize};

use crate::settings;

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
    fn check(&self) -> Result<()> {
        ensure!(self.max_new_tokens > 0, "corpus.sampled: max_new_tokens must be at least 1");
        self.filter().check().context("corpus.sampled.filter")?;
        self.attack.check(false).context("corpus.sampled.attack")
    }

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
    pub(super) fn settings(&self) -> GuardSettings {
        let Self { base, adapter, question, served, cache_mb } = self.clone();
        GuardSettings { model: base, adapter, question, served, cache_mb }
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
        let mut config: Self = settings::read(path)?;
        let guard = &config.guard;
        let asked = guard.base.server().is_none() || guard.question.is_some();
        ensure!(asked, "{}: guard: {} is a server: set `question`", path.display(), guard.base);
        if let Some(sampled) = &config.corpus.sampled {
            sampled.check().with_context(|| path.display().to_string())?;
        }
        let dir = path.parent().unwrap_or(Path::new(""));
        config.resolve(dir);
        Ok(config)
    }

    /// The settings of a run over so many replies, of a configuration in `folder`.
    ///
    /// # Errors
    ///
    /// Settings that JSON cannot hold.
    pub fn settings(&self, folder: &Path, items: usize, vocab_size: usize) -> Result<LabelSettings> {
        let AnnotateConfig { max_tokens, group, batch } = self.annotate;
        let origin = inputs::settings(self, folder)?;
        Ok(LabelSettings { max_tokens, group, batch, origin, ..LabelSettings::new(items, vocab_size) })
    }
}

impl NamesFiles for Config {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let CorpusConfig { data, sampled } = &mut self.corpus;
        let policy = sampled.iter_mut().flat_map(|sampled| sampled.policy.names_mut()).map(NamedFile::model);
        let mut named: Vec<NamedFile<'_>> = of_format(&mut data.format, &data.path).into_iter().chain(policy).collect();
        named.push(NamedFile::path(&mut data.path, Counts::Extension));
        let GuardConfig { base, adapter, served, .. } = &mut self.guard;
        let tokenizer = served.iter_mut().filter_map(|served| served.tokenizer.as_mut());
        named.extend([base].into_iter().chain(tokenizer).map(NamedFile::model));
        named.extend(adapter.iter_mut().map(|adapter| NamedFile::path(adapter, Counts::Files)));
        named
    }
}
