//! What a model is put together from beside its weights. All of it is read and checked before they
//! are, which may take long.

use anyhow::{Context, Result, ensure};
use saffron_core::ModelName;
use saffron_mrm::RewardHead;
use saffron_mrm::checkpoint::{AdapterFile, MrmCard, RewardHeadFiles};
use saffron_mrm::text::TextLayout;
use saffron_mrm::{BaseFiles, GuardQuestions, GuardTemplate, ModelOptions, guards};
use saffron_search::eval::models::{GuardQuestion, GuardSettings, MrmSettings, PolicySettings, ServedSettings};

use super::layout::LayoutChoice;
use super::opener::{Opener, answers, parts};

impl Opener {
    /// Refuses a policy that runs here for what can be known without its weights, and remembers it
    /// for [`fit`](Self::fit).
    ///
    /// # Errors
    ///
    /// A configuration, tokenizer or layout that does not load or fit.
    pub fn check_policy(&mut self, settings: &PolicySettings) -> Result<()> {
        if settings.model.server().is_none() {
            self.policy_parts(settings, &LayoutChoice::of(settings)?)?;
            self.will_open(&settings.model, None, settings.cache_mb);
        }
        Ok(())
    }

    /// Refuses a guard for what can be known without its weights or its server, and remembers it for
    /// [`fit`](Self::fit) where it runs here.
    ///
    /// # Errors
    ///
    /// A configuration, tokenizer, question or adapter that does not load or fit.
    pub fn check_guard(&mut self, settings: &GuardSettings) -> Result<()> {
        match settings.model.server() {
            Some(_) => self.check_served_guard(settings),
            None => {
                self.guard_parts(settings)?;
                self.will_open(&settings.model, settings.adapter.as_deref(), settings.cache_mb);
                Ok(())
            }
        }
    }

    /// Refuses a multifurcation reward model for what can be known without its weights, and
    /// remembers it for [`fit`](Self::fit) where it runs here.
    ///
    /// # Errors
    ///
    /// A configuration, tokenizer, layout, adapter or head that does not load or fit.
    pub fn check_mrm(&mut self, settings: &MrmSettings) -> Result<()> {
        match settings.base.server() {
            Some(_) => self.check_served_mrm(settings),
            None => {
                self.mrm_parts(settings)?;
                self.will_open(&settings.base, Some(&settings.adapter), settings.cache_mb);
                Ok(())
            }
        }
    }

    pub(super) fn policy_parts(
        &mut self,
        settings: &PolicySettings,
        choice: &LayoutChoice,
    ) -> Result<(ModelOptions, TextLayout)> {
        refuse_served(settings.served.as_ref(), &settings.model)?;
        let options = self.options_for(&settings.model, settings.cache_mb, settings.max_context)?;
        let files = self.read(&settings.model)?;
        Ok((options, self.chosen(choice, &settings.model, &files)?))
    }

    pub(super) fn guard_parts(&mut self, settings: &GuardSettings) -> Result<(ModelOptions, GuardQuestions)> {
        let GuardSettings { model, adapter, question, served, cache_mb, max_context } = settings;
        refuse_served(served.as_ref(), model)?;
        let options = self.options_for(model, *cache_mb, *max_context)?;
        let files = self.read(model)?;
        let template = match question {
            Some(GuardQuestion::Words(asked)) => {
                GuardTemplate::in_words(files.tokenizer(), parts(asked), answers(asked))?.into()
            }
            Some(GuardQuestion::Named(name)) => guards::named(name, files.tokenizer())?,
            None => self.by_itself(model, &files)?,
        };
        if let Some(adapter) = adapter {
            AdapterFile::open(adapter, files.config())?;
        }
        Ok((options, template))
    }

    /// How a guard is asked that nobody said how to ask.
    fn by_itself(&mut self, model: &ModelName, files: &BaseFiles) -> Result<GuardQuestions> {
        match guards::recognised(files.checkpoint()) {
            Some(name) => {
                self.note_once(format!("{model} has the chat template of {name} and is asked as that guard is"));
                Ok(guards::named(name, files.tokenizer())?)
            }
            None => {
                let template = GuardTemplate::llama_guard_3(files.tokenizer());
                Ok(template.with_context(|| needs_question(model))?.into())
            }
        }
    }

    pub(super) fn mrm_parts(&mut self, settings: &MrmSettings) -> Result<(ModelOptions, TextLayout)> {
        let MrmSettings {
            base, adapter, layout, neutral_head, cache_mb, served, route, tolerance, max_context, ..
        } = settings;
        refuse_served(served.as_ref(), base)?;
        ensure!(route.is_none() && tolerance.is_none(), "{base} runs here: a route and a tolerance are for servers");
        let options = self.options_for(base, *cache_mb, *max_context)?;
        let files = self.read(base)?;
        let layout = TextLayout::named(layout, files.tokenizer())?;
        AdapterFile::open(adapter, files.config())?;
        // The reward model's card is honoured where it is opened.
        if max_context.is_none() && MrmCard::read(adapter)?.max_context.is_some() {
            self.note_of_long_contexts(base, files.config().context_limit());
        }
        let vocab_size = files.config().vocab_size;
        match *neutral_head {
            true => RewardHead::from_dir_or_neutral(adapter, vocab_size)?,
            false => RewardHead::from_dir(adapter, vocab_size)?,
        };
        Ok((options, layout))
    }
}

/// What to do about a guard that nobody said how to ask.
pub fn needs_question(model: impl std::fmt::Display) -> String {
    format!("{model} is no Llama Guard 3, and a guard that is not is asked in words: set `question`")
}

/// Refuses settings of a server for a model that runs here: they would have no effect.
fn refuse_served(settings: Option<&ServedSettings>, model: &ModelName) -> Result<()> {
    ensure!(
        settings.is_none_or(|served| *served == ServedSettings::default()),
        "{model} runs here: a tokenizer, a served model's name and a number of log-probabilities are for servers"
    );
    Ok(())
}
