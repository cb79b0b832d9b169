//! The labelling of a corpus: what is said of it, where its replies come from, its run.

mod corpus;
mod labelling;
mod replier;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use saffron_core::{CandidateFilter, ModelName};
use saffron_search::eval::attack::Attack;
use saffron_search::eval::data::{Choice, Format, Share};
use saffron_search::eval::inputs::{self, NamedFile, NamesFiles, of_format};
use saffron_search::eval::models::{
    FilterConfig, GuardQuestion, GuardSettings, NoQuestion, PolicySettings, ServedSettings,
};
use saffron_search::eval::runs::Counts;
use serde::{Deserialize, Serialize};

use super::RecipeError;
use crate::labels::LabelSettings;

pub use corpus::LabelCorpus;
pub use labelling::{LabelModel, Labelling};
pub use replier::{PolicyReply, Question, Replier, ReplyError, ReplySettings};

/// The labelling of a corpus: the whole of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelRecipe {
    /// Seed of what is drawn: which rows of the data, which replies of a policy.
    #[serde(default)]
    pub seed: u64,
    /// Where replies come from.
    pub corpus: CorpusRecipe,
    /// The guard that rewards them.
    pub guard: LabelGuard,
    /// How they are rewarded.
    #[serde(default)]
    pub annotate: AnnotateSettings,
}

/// Where replies come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusRecipe {
    /// The data file. Its replies are labelled, of preference pairs both, unless a policy is to
    /// reply to its questions.
    pub data: LabelData,
    /// The policy that replies, under attack.
    pub sampled: Option<SampledReplies>,
}

/// Rows of a data file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelData {
    /// Its name in records.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What its rows mean.
    pub format: Format,
    /// Only the prompts of one share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Only this many rows, drawn by the seed.
    pub sample: Option<usize>,
    /// Only this many rows, the first ones. Without `sample`, no more of the file is read.
    pub limit: Option<usize>,
}

/// Replies of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampledReplies {
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

/// The guard of a labelling.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelGuard {
    /// The model.
    pub base: ModelName,
    /// Directory of an adapter that it was trained to; only for a model that runs here.
    pub adapter: Option<PathBuf>,
    /// How it is asked; by default as its checkpoint says, or as Llama Guard 3 is. A served guard
    /// must be told: in words, or by name where its tokenizer is known here.
    pub question: Option<GuardQuestion>,
    /// What its server does not say, if it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedSettings>,
    /// Megabytes of keys and values. By default whoever opens the model decides; a run's manifest
    /// keeps what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_mb: Option<u64>,
}

/// How replies are rewarded.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnnotateSettings {
    /// The most tokens of prompt and reply together.
    pub max_tokens: usize,
    /// Replies that are labelled and written together.
    pub group: NonZeroUsize,
    /// Prefixes a call of the guard.
    pub batch: NonZeroUsize,
}

impl LabelData {
    /// The rows that are wanted.
    fn choice(&self, seed: u64) -> Choice {
        let Self { share, sample, limit, .. } = *self;
        Choice { share, sample: sample.map(|count| (count, seed)), take: limit, ..Choice::default() }
    }
}

impl SampledReplies {
    fn check(&self) -> Result<(), RecipeError> {
        if self.max_new_tokens == 0 {
            return Err(RecipeError::NoNewTokens);
        }
        self.filter().check().map_err(RecipeError::Filter)?;
        self.attack.check(false).map_err(RecipeError::Attack)
    }

    /// What may be drawn.
    #[must_use]
    pub fn filter(&self) -> CandidateFilter {
        self.filter.over(CandidateFilter::default())
    }
}

impl LabelGuard {
    /// The guard as a [`ModelOpener`](saffron_search::eval::models::ModelOpener) takes it.
    #[must_use]
    pub fn settings(&self) -> GuardSettings {
        let Self { base, adapter, question, served, cache_mb } = self.clone();
        GuardSettings { model: base, adapter, question, served, cache_mb, max_context: None }
    }
}

impl Default for AnnotateSettings {
    fn default() -> Self {
        let LabelSettings { max_tokens, group, batch, .. } = LabelSettings::new(1, 1);
        Self { max_tokens, group, batch }
    }
}

impl LabelRecipe {
    /// Refuses what can be known to be wrong before any file is read.
    ///
    /// # Errors
    ///
    /// A served guard without a question, or with one by name and no tokenizer; a policy that is to draw no token, a filter or
    /// an attack that cannot be.
    pub fn check(&self) -> Result<(), RecipeError> {
        self.guard.settings().check().map_err(|error| match error {
            NoQuestion::Unset { model } => RecipeError::ServedGuard { model },
            NoQuestion::NoTokenizer { model } => RecipeError::ServedByName { model },
        })?;
        self.corpus.sampled.as_ref().map_or(Ok(()), SampledReplies::check)
    }

    /// The sizes of all caches, in one order, for whoever opens the models: what is open is none.
    pub fn caches_mut(&mut self) -> Vec<&mut Option<u64>> {
        let policy = self.corpus.sampled.iter_mut().map(|sampled| &mut sampled.policy.cache_mb);
        [&mut self.guard.cache_mb].into_iter().chain(policy).collect()
    }

    /// The settings of a run over `items` replies, for a recipe whose paths start from `folder`.
    ///
    /// # Errors
    ///
    /// Settings that JSON cannot hold.
    pub fn settings(&self, folder: &Path, items: usize, vocab_size: usize) -> Result<LabelSettings, RecipeError> {
        let AnnotateSettings { max_tokens, group, batch } = self.annotate;
        let origin = inputs::settings(self, folder)?;
        Ok(LabelSettings { max_tokens, group, batch, origin, ..LabelSettings::new(items, vocab_size) })
    }
}

impl NamesFiles for LabelRecipe {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let CorpusRecipe { data, sampled } = &mut self.corpus;
        let policy = sampled.iter_mut().flat_map(|sampled| sampled.policy.names_mut()).map(NamedFile::model);
        let mut named: Vec<NamedFile<'_>> = of_format(&mut data.format, &data.path).into_iter().chain(policy).collect();
        named.push(NamedFile::path(&mut data.path, Counts::Extension));
        let LabelGuard { base, adapter, served, .. } = &mut self.guard;
        let tokenizer = served.iter_mut().filter_map(|served| served.tokenizer.as_mut());
        named.extend([base].into_iter().chain(tokenizer).map(NamedFile::model));
        named.extend(adapter.iter_mut().map(|adapter| NamedFile::path(adapter, Counts::Files)));
        named
    }
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn thirty_two() -> usize {
    32
}
