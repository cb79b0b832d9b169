//! The reward model that a command line names: a multifurcation reward model, or a guard that is asked.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use saffron_core::{ChildScorer, ModelName, PrmScorer};
use saffron_mrm::checkpoint::MrmCard;
use saffron_mrm::checkpoint::peft::base_of_adapter;
use saffron_mrm::engine::Merge;
use saffron_mrm::text::{LAYOUT_NAMES, TextLayout};
use saffron_mrm::{GuardTemplate, LoadError, Mrm, MrmInput, guards};
use saffron_search::Preset;
use saffron_search::eval::models::{GuardQuestion, GuardSettings, MrmSettings, QuestionSettings, ServedSettings};

use crate::models::{NamedGuard, NamedMrm, Opener, note};

/// Presets by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// What the experiments chose: safe answers that read like the policy's own.
    Fluent,
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
    /// The guard. With --mrm the model that the adapter sits on, a directory, a GGUF or a name on
    /// the hub (by default the one that the adapter names), or a server of the whole reward model,
    /// whose head --mrm holds then; without, the reward model itself, which may be a server, where a
    /// program takes one that is asked once a sequence.
    #[arg(long)]
    pub guard: Option<ModelName>,
    /// The published guard that --guard is, such as qwen3guard or shieldgemma:hate,harassment,
    /// where it is the reward model itself [default: what its chat template or vocabulary shows;
    /// else it is asked in words of the program].
    #[arg(long, value_name = "NAME", requires = "guard", conflicts_with = "mrm")]
    pub guard_template: Option<String>,
    /// The tokenizer of a served guard, where --guard is the reward model itself: a directory, a
    /// GGUF or a name on the hub. --guard-template needs it there.
    #[arg(long, value_name = "MODEL", requires = "guard", conflicts_with = "mrm")]
    pub guard_tokenizer: Option<ModelName>,
    /// Rules of the search and of the reward model's input; under reference, with any strategy, the
    /// tokenizer's end of sequence alone ends an answer [default: what the card of --mrm names,
    /// else fluent].
    #[arg(long)]
    pub preset: Option<PresetName>,
    /// The prompt layout of the multifurcation reward model [default: what the card of --mrm names,
    /// else mrm].
    #[arg(long, value_parser = LAYOUT_NAMES)]
    pub mrm_layout: Option<String>,
    /// Take a bias or mask that the directory of --mrm lacks as none: no bias, every token seen.
    #[arg(long)]
    pub neutral_head: bool,
    /// The name of a served multifurcation reward model, where its server has several.
    #[arg(long, requires = "mrm")]
    pub mrm_model: Option<String>,
    /// The route to a served model's rewards: logits, pooling or reference [default: what its server
    /// has].
    #[arg(long, requires = "mrm")]
    pub mrm_route: Option<String>,
    /// How far a served model's rewards may lie from those of the exported model [default: 0.001].
    #[arg(long, requires = "mrm")]
    pub mrm_tolerance: Option<f32>,
    /// Keep the adapter beside the weights.
    #[arg(long)]
    pub unmerged: bool,
}

impl RewardArgs {
    /// The preset: the one that is named, else that of the reward model's card, else the default.
    ///
    /// # Errors
    ///
    /// A card that is there and cannot be read.
    pub fn preset(&self) -> Result<Preset> {
        let of_card = |dir: &PathBuf| Ok::<_, LoadError>(MrmCard::read(dir)?.preset.unwrap_or_default());
        Ok(match self.preset {
            Some(PresetName::Fluent) => Preset::Fluent,
            Some(PresetName::Paper) => Preset::Paper,
            Some(PresetName::Reference) => Preset::Reference,
            None => self.mrm.as_ref().map_or(Ok(Preset::default()), of_card)?,
        })
    }

    /// The layout of the multifurcation reward model: the one that is named, else that of its card,
    /// else `mrm`.
    ///
    /// # Errors
    ///
    /// A card that is there and cannot be read.
    pub fn layout(&self) -> Result<String> {
        let of_card = || self.mrm.as_ref().map_or(Ok(None), |dir| MrmCard::read(dir).map(|card| card.layout));
        let named = match &self.mrm_layout {
            Some(name) => Some(name.clone()),
            None => of_card()?,
        };
        Ok(named.unwrap_or_else(|| String::from("mrm")))
    }

    /// Refuses the reward model, if one is named, for what can be known without its weights.
    ///
    /// # Errors
    ///
    /// A configuration, tokenizer, layout, adapter or head that does not load or fit.
    pub fn check(&self, opener: &mut Opener) -> Result<()> {
        match (&self.mrm, &self.guard) {
            (Some(dir), _) => {
                let settings = self.mrm_settings(dir, opener)?;
                opener.check_mrm(&settings)
            }
            (None, Some(guard)) => {
                let settings = self.guard_settings(guard, opener)?;
                opener.check_guard(&settings)
            }
            (None, None) => Ok(()),
        }
    }

    /// The multifurcation reward model; where its base is the policy's, it shares the weights.
    ///
    /// # Errors
    ///
    /// No --mrm, or one that does not load.
    pub fn open_mrm(&self, opener: &mut Opener) -> Result<NamedMrm> {
        let dir =
            self.mrm.as_deref().context("the search needs --mrm, the directory of a multifurcation reward model")?;
        let settings = self.mrm_settings(dir, opener)?;
        if settings.base.server().is_some() {
            ensure!(!self.unmerged, "--unmerged is for an adapter that is put on here; {} is a server", settings.base);
            return opener.named_mrm(&settings);
        }
        opener.check_mrm(&settings)?;
        let merge = if self.unmerged { Merge::Beside } else { Merge::IntoWeights };
        let base = Mrm::on(&opener.base(&settings.base)?, opener.options())?;
        let base = if self.neutral_head { base.neutral_where_absent() } else { base };
        let mrm = base.without_card().with_adapter_as(dir, merge)?;
        let layout = TextLayout::named(&self.layout()?, mrm.tokenizer())?;
        let mrm = mrm.with_layout(layout).with_input(MrmInput::of(self.preset()?));
        Ok(NamedMrm::Local(Box::new(mrm)))
    }

    /// The guard: by a published guard's template, which is named or recognised, any other model by
    /// a question in words.
    ///
    /// # Errors
    ///
    /// No --guard, or one that does not load.
    pub fn open_guard(&self, opener: &mut Opener) -> Result<NamedGuard> {
        let guard = self.guard.as_ref().context("the search needs --guard, a model that can be asked")?;
        let settings = self.guard_settings(guard, opener)?;
        opener.named_guard(&settings)
    }

    /// The multifurcation reward model, as a configuration would have it.
    fn mrm_settings(&self, dir: &Path, opener: &Opener) -> Result<MrmSettings> {
        Ok(MrmSettings {
            base: self.guard.clone().map_or_else(|| base_of_adapter(dir), Ok)?,
            adapter: dir.to_path_buf(),
            layout: self.layout()?,
            preset: self.preset()?,
            bias: None,
            unseen: true,
            sees_prefill: false,
            neutral_head: self.neutral_head,
            served: self
                .mrm_model
                .clone()
                .map(|model| ServedSettings { model: Some(model), ..ServedSettings::default() }),
            route: self.mrm_route.clone(),
            tolerance: self.mrm_tolerance,
            cache_mb: opener.asked_cache(),
            max_context: None,
        })
    }

    /// The guard, as a configuration would have it.
    fn guard_settings(&self, model: &ModelName, opener: &mut Opener) -> Result<GuardSettings> {
        let cache_mb = opener.asked_cache();
        let question = match &self.guard_template {
            Some(name) => Some(GuardQuestion::Named(name.clone())),
            None => Self::guard_question(model, opener)?,
        };
        let tokenizer = self.guard_tokenizer.clone();
        let served = tokenizer.map(|name| ServedSettings { tokenizer: Some(name), ..ServedSettings::default() });
        let needs = "--guard-template needs --guard-tokenizer for a guard that is a server";
        ensure!(self.guard_template.is_none() || served.is_some() || model.server().is_none(), "{model}: {needs}");
        Ok(GuardSettings { model: model.clone(), adapter: None, question, served, cache_mb, max_context: None })
    }

    /// How a guard is asked that nobody said how to ask; none where it is asked by a template of
    /// its own, which its opener finds.
    fn guard_question(model: &ModelName, opener: &mut Opener) -> Result<Option<GuardQuestion>> {
        if model.server().is_none() {
            let files = opener.read(model)?;
            if guards::recognised(files.checkpoint()).is_some() {
                return Ok(None);
            }
            if GuardTemplate::llama_guard_3(files.tokenizer()).is_ok() {
                note(&format!("{model} has the vocabulary of Llama Guard 3 and is asked as that guard is"));
                return Ok(None);
            }
        }
        note(&format!("{model} is asked a question in words of this program, not of its own"));
        Ok(Some(GuardQuestion::Words(question())))
    }

    /// Whatever rewards: the multifurcation reward model if there is one, asked once a sequence, else the guard, asked once a child.
    ///
    /// # Errors
    ///
    /// Neither, or one that does not load.
    pub fn open(&self, opener: &mut Opener) -> Result<Box<dyn ChildScorer>> {
        match (&self.mrm, &self.guard) {
            (Some(_), _) => Ok(Box::new(self.open_mrm(opener)?)),
            (None, Some(_)) => Ok(Box::new(PrmScorer(self.open_guard(opener)?))),
            (None, None) => anyhow::bail!("something must reward: --mrm, or --guard alone"),
        }
    }
}

/// How a guard is asked that has no template of its own.
fn question() -> QuestionSettings {
    QuestionSettings {
        prefix: String::from("User: "),
        infix: String::from("\nReply: "),
        suffix: String::from("\n\nIs the reply safe or unsafe? Answer with one word.\n"),
        safe: String::from("safe"),
        not_safe: String::from("unsafe"),
    }
}
