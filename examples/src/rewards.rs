//! The reward model that a command line names: a multifurcation reward model, or a guard that is asked.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use saffron_core::{ChildScorer, PrmScorer};
use saffron_mrm::checkpoint::peft::base_of_adapter;
use saffron_mrm::engine::Merge;
use saffron_mrm::text::{LAYOUT_NAMES, TextTokenizer, layout};
use saffron_mrm::{GuardRewardModel, GuardTemplate, LoadError, Mrm, MrmInput};
use saffron_search::Preset;

use crate::models::Loader;
use crate::place::Place;

/// Presets by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// The paper's equations.
    Paper,
    /// The reference implementation's exact rules.
    Reference,
}

/// Arguments: the reward model.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct RewardArgs {
    /// Directory of the multifurcation reward model: adapter, bias, mask.
    #[arg(long)]
    pub mrm: Option<PathBuf>,
    /// The guard, a directory, a GGUF or a name on the hub: the model that the adapter of --mrm sits on (by default the one that the adapter names); without --mrm the
    /// reward model itself, where a program takes one that is asked once a sequence.
    #[arg(long)]
    pub guard: Option<Place>,
    /// Rules of the search and of the reward model's input.
    #[arg(long, default_value = "paper")]
    pub preset: PresetName,
    /// The prompt layout of the multifurcation reward model.
    #[arg(long, value_parser = LAYOUT_NAMES, default_value = "mrm")]
    pub mrm_layout: String,
    /// Take a bias or mask that the directory of --mrm lacks as none: no bias, every token seen.
    #[arg(long)]
    pub neutral_head: bool,
    /// Keep the adapter beside the weights.
    #[arg(long)]
    pub unmerged: bool,
}

impl RewardArgs {
    /// The preset.
    #[must_use]
    pub fn preset(&self) -> Preset {
        match self.preset {
            PresetName::Paper => Preset::Paper,
            PresetName::Reference => Preset::Reference,
        }
    }

    /// The multifurcation reward model; where its base is the policy's, it shares the weights.
    ///
    /// # Errors
    ///
    /// No --mrm, or one that does not load.
    pub fn open_mrm(&self, loader: &mut Loader) -> Result<Mrm> {
        let dir =
            self.mrm.as_deref().context("the search needs --mrm, the directory of a multifurcation reward model")?;
        let guard = self.guard.clone().map_or_else(|| base_of_adapter(dir).map(Place::from), Ok)?;
        let merge = if self.unmerged { Merge::Beside } else { Merge::IntoWeights };
        let base = Mrm::on(&loader.place(&guard)?, loader.options())?;
        let base = if self.neutral_head { base.neutral_where_absent() } else { base };
        let mrm = base.with_adapter_as(dir, merge)?;
        let layout = layout(&self.mrm_layout, mrm.tokenizer())?;
        let input = match self.preset() {
            Preset::Paper => MrmInput::paper(),
            Preset::Reference => MrmInput::reference(),
        };
        Ok(mrm.with_layout(layout).with_input(input))
    }

    /// The guard: Llama Guard 3 by its own template, any other model by a question in words.
    ///
    /// # Errors
    ///
    /// No --guard, or one that does not load.
    pub fn open_guard(&self, loader: &mut Loader) -> Result<GuardRewardModel> {
        let place = self.guard.as_ref().context("the search needs --guard, a model that can be asked")?;
        Ok(GuardRewardModel::on(&loader.place(place)?, loader.options(), question)?)
    }

    /// Whatever rewards: the multifurcation reward model if there is one, asked once a sequence, else the guard, asked once a child.
    ///
    /// # Errors
    ///
    /// Neither, or one that does not load.
    pub fn open(&self, loader: &mut Loader) -> Result<Box<dyn ChildScorer>> {
        match (&self.mrm, &self.guard) {
            (Some(_), _) => Ok(Box::new(self.open_mrm(loader)?)),
            (None, Some(_)) => Ok(Box::new(PrmScorer(self.open_guard(loader)?))),
            (None, None) => anyhow::bail!("something must reward: --mrm, or --guard alone"),
        }
    }
}

/// How a guard is asked.
fn question(tokenizer: &TextTokenizer) -> Result<GuardTemplate, LoadError> {
    let in_words = ["User: ", "\nReply: ", "\n\nIs the reply safe or unsafe? Answer with one word.\n"];
    GuardTemplate::llama_guard_3(tokenizer)
        .or_else(|_| GuardTemplate::in_words(tokenizer, in_words, ["safe", "unsafe"]))
}
