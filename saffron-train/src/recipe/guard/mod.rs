//! A guard from labelled replies and preference pairs: what is said of it, its run, its report.

mod data;
mod held_out;
mod reader;

use std::path::{Path, PathBuf};

use saffron_core::ModelName;
use saffron_mrm::text::TextTokenizer;
use saffron_mrm::{Base, DecoderConfig, GuardRewardModel, GuardTemplate, ModelOptions, guards};
use saffron_search::eval::data::{Choice, Format, Share};
use saffron_search::eval::inputs::{NamedFile, NamesFiles, of_format};
use saffron_search::eval::models::GuardQuestion;
use saffron_search::eval::runs::{Counts, Manifest};
use serde::{Deserialize, Serialize};

use super::adapter::{AdapterRecipe, named_models};
use super::{RecipeError, RunOrigin, open_run};
use crate::objective::guard::{GuardCorpus, GuardObjective};
use crate::optim::AdamWSettings;
use crate::run::{RunSettings, TrainRun};

pub use data::GuardData;
pub use held_out::{GroupReport, HeldOut, HeldOutReport};

/// A guard from labelled replies and preference pairs: the whole of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardRecipe {
    /// The model that becomes a guard: a directory, a GGUF, or a name on the hub.
    pub base: ModelName,
    /// How it is asked; by default as Llama Guard 3 is.
    pub question: Option<GuardQuestion>,
    /// What is trained of it.
    #[serde(default)]
    pub adapter: AdapterRecipe,
    /// Labelled replies.
    #[serde(default)]
    pub labelled: Vec<DataRecipe>,
    /// Preference pairs.
    #[serde(default)]
    pub pairs: Vec<DataRecipe>,
    /// Labelled replies that are held out. Those that stand in the training data, too, are left
    /// out.
    pub held_out: DataRecipe,
    /// Labelled replies of the training data that validations look at instead of learning from
    /// them; drawn by the run's seed.
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

/// Rows of a data file.
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
    /// Only this many rows, drawn by the run's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// Only this many rows, the first ones of those. Without `sample`, no more of the file is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<usize>,
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

impl Default for Limits {
    fn default() -> Self {
        Self { prompt: 64, reply: 64 }
    }
}

impl DataRecipe {
    /// The rows that are wanted.
    pub(super) fn choice(&self, seed: u64) -> Choice {
        let Self { share, sample, take, .. } = *self;
        Choice { share, sample: sample.map(|count| (count, seed)), take, ..Choice::default() }
    }
}

impl GuardRecipe {
    /// Refuses what cannot be trained on a model, before its weights are loaded.
    ///
    /// # Errors
    ///
    /// An adapter that the model has no layers for, a question that cannot be asked, no question
    /// for a model that is no Llama Guard 3.
    pub fn check(&self, model: &DecoderConfig, tokenizer: &TextTokenizer) -> Result<(), RecipeError> {
        self.adapter.check(model)?;
        self.template(tokenizer).map(drop)
    }

    /// How the guard is asked.
    ///
    /// # Errors
    ///
    /// A question that cannot be asked, no question for a model that is no Llama Guard 3, a
    /// published guard with several questions or three answers.
    pub fn template(&self, tokenizer: &TextTokenizer) -> Result<GuardTemplate, RecipeError> {
        let Some(question) = &self.question else {
            let needed = |error| RecipeError::NeedsQuestion { model: self.base.clone(), source: Box::new(error) };
            return GuardTemplate::llama_guard_3(tokenizer).map_err(needed);
        };
        let asked = match question {
            GuardQuestion::Words(words) => words,
            GuardQuestion::Named(name) => {
                let single = guards::named(name, tokenizer)?.single();
                return single.ok_or_else(|| RecipeError::NotOneQuestion { name: name.clone() });
            }
        };
        let parts = [&asked.prefix, &asked.infix, &asked.suffix].map(String::as_str);
        Ok(GuardTemplate::in_words(tokenizer, parts, [&asked.safe, &asked.not_safe])?)
    }

    /// Begins the run in a directory, or takes up the one that is there.
    ///
    /// # Errors
    ///
    /// As [`TrainRun::open`]; an adapter that does not load, files that cannot be read, a run of an
    /// earlier version that encoded prompts otherwise.
    pub fn open(
        &self,
        base: &Base,
        data: &GuardData,
        out: &Path,
        origin: &RunOrigin,
    ) -> Result<TrainRun<GuardObjective>, RecipeError> {
        let template = self.template(base.tokenizer())?;
        let manifest = self.manifest(&template, data, origin)?;
        let network = self.adapter.network(base, &self.base)?;
        let trainer = crate::trainer::Trainer::new(network, GuardObjective::new(template), self.optimizer)?;
        open_run(out, &manifest, trainer, self.run, self.adapter.dtype)
    }

    fn manifest(
        &self,
        template: &GuardTemplate,
        data: &GuardData,
        origin: &RunOrigin,
    ) -> Result<Manifest, RecipeError> {
        let together = template.layout.text().is_some();
        origin.training(self, data.files.iter().chain(&self.adapter.from), together)
    }

    /// The examples to learn from, with beginnings that every epoch draws anew.
    #[must_use]
    pub fn corpus(&self, data: &GuardData) -> GuardCorpus {
        GuardCorpus::new(data.train.clone(), self.prefixes, self.run.seed)
    }

    /// Scores all held-out replies with a guard that was trained, from its directory: asked as a
    /// search would ask it.
    ///
    /// # Errors
    ///
    /// An adapter that does not load, a guard that fails, scores that are no numbers.
    pub fn judge(&self, base: &Base, adapter: &Path, data: &GuardData) -> Result<HeldOutReport, RecipeError> {
        let template = self.template(base.tokenizer())?;
        let guard = GuardRewardModel::on(base, ModelOptions::default(), |_| Ok(template))?;
        let mut guard = guard.with_adapter(adapter)?;
        let vocabulary = guard.vocabulary();
        HeldOut::score(&mut guard, &vocabulary, &data.held_out)?.report()
    }
}

impl NamesFiles for GuardRecipe {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let data = self.labelled.iter_mut().chain(&mut self.pairs).chain([&mut self.held_out]);
        named_models(&mut self.base, &mut self.adapter).chain(data.flat_map(of_data)).collect()
    }
}

fn of_data(data: &mut DataRecipe) -> impl Iterator<Item = NamedFile<'_>> {
    let format = of_format(&mut data.format, &data.path);
    format.into_iter().chain([NamedFile::path(&mut data.path, Counts::Extension)])
}

fn validation() -> usize {
    256
}

fn prefixes() -> usize {
    2
}
