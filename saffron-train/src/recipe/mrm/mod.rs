//! A multifurcation reward model from token rewards: what is said of it, its run, its report.

mod data;

use std::path::{Path, PathBuf};

use saffron_core::{ContextLayout, ModelName};
use saffron_mrm::checkpoint::MrmCard;
use saffron_mrm::text::{TextLayout, TextTokenizer};
use saffron_mrm::{Base, ContextLength, DecoderConfig};
use saffron_search::eval::inputs::{NamedFile, NamesFiles};
use saffron_search::eval::runs::Counts;
use serde::{Deserialize, Serialize};

use super::adapter::{AdapterRecipe, named_models};
use super::{RecipeError, RunOrigin, open_run};
use crate::objective::PartialSupervision;
use crate::optim::AdamWSettings;
use crate::run::{RunSettings, TrainRun};
use crate::trainer::Trainer;

pub use data::MrmData;

/// A multifurcation reward model from token rewards: the whole of a run.
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
    /// Files or directories of token rewards, as a [`LabelRun`](crate::labels::LabelRun) writes
    /// them.
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
    /// The longest context that the model is to serve, where its base has rotary frequencies for
    /// long contexts and these are to be trained with; those for short ones by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context: Option<usize>,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: AdamWSettings,
    /// The run.
    #[serde(default)]
    pub run: RunSettings,
}

impl MrmRecipe {
    /// The prompt layout over a tokenizer.
    ///
    /// # Errors
    ///
    /// An unknown layout, or one that the tokenizer has no tokens for.
    pub fn context_layout(&self, tokenizer: &TextTokenizer) -> Result<ContextLayout, RecipeError> {
        Ok(TextLayout::named(&self.layout, tokenizer)?.into())
    }

    /// Refuses what cannot be trained on a model, before its weights are loaded.
    ///
    /// # Errors
    ///
    /// An adapter or a layout that does not fit.
    pub fn check(&self, model: &DecoderConfig, tokenizer: &TextTokenizer) -> Result<(), RecipeError> {
        self.adapter.check(model)?;
        self.context_length(model)?;
        self.context_layout(tokenizer).map(drop)
    }

    /// Which rotary frequencies are trained with: those for long contexts where the base has some
    /// and contexts beyond its original length are asked for, or it already serves them.
    fn context_length(&self, model: &DecoderConfig) -> Result<ContextLength, RecipeError> {
        let (original, most) =
            (model.clone().for_contexts(ContextLength::Short).context_limit(), model.max_position_embeddings);
        match self.max_context {
            Some(asked) if asked == 0 || asked > most => Err(RecipeError::MaxContext { asked, most }),
            Some(asked) if asked > original => Ok(ContextLength::Long),
            Some(_) => Ok(ContextLength::Short),
            None => Ok(model.context_length()),
        }
    }

    /// The card of the reward model: the layout that it is trained with, and the contexts, where
    /// its base takes the rotary frequencies for long ones. A preset in the card that is there
    /// stays.
    fn card(&self, out: &Path, model: &DecoderConfig) -> Result<MrmCard, RecipeError> {
        let mut card = MrmCard::read(&out.join("model"))?;
        card.layout = Some(self.layout.clone());
        let longest = || self.max_context.unwrap_or(model.max_position_embeddings);
        card.max_context = (model.context_length() == ContextLength::Long).then(longest);
        Ok(card)
    }

    /// Begins the run in a directory, or takes up the one that is there. Tokens that the training
    /// data never rewards are the reward model's unseen tokens.
    ///
    /// # Errors
    ///
    /// As [`TrainRun::open`]; an adapter that does not load, files that cannot be read, a run of an
    /// earlier version that encoded prompts otherwise.
    pub fn open(
        &self,
        base: &Base,
        data: &MrmData,
        out: &Path,
        origin: &RunOrigin,
    ) -> Result<TrainRun<PartialSupervision>, RecipeError> {
        let base = &base.clone().for_contexts(self.context_length(base.decoder().config())?);
        let unseen = data.unseen(base.decoder().config().vocab_size)?;
        let manifest = origin.training(self, data.files.iter().chain(&self.adapter.from), data.together)?;
        let network = self.adapter.network(base, &self.base)?.with_unseen(unseen)?;
        let trainer = Trainer::new(network, PartialSupervision, self.optimizer)?;
        let card = self.card(out, base.decoder().config())?;
        Ok(open_run(out, &manifest, trainer, self.run, self.adapter.dtype)?.with_card(card))
    }
}

impl NamesFiles for MrmRecipe {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let labels = self.labels.iter_mut().map(|labels| NamedFile::path(labels, Counts::Files));
        named_models(&mut self.base, &mut self.adapter).chain(labels).collect()
    }
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
