//! How prompts are put before a policy: in its own chat template, unless another layout is named.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use saffron_core::{ModelName, PromptLayout};
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::{ChatTemplate, Message, TextTokenizer, default_layout, layout};
use saffron_search::eval::models::PolicySettings;
use serde_json::Value;

use super::{TemplateDate, note};

/// The name of the layout that is the checkpoint's own chat template.
pub const TEMPLATE: &str = "template";
/// The layouts that special tokens speak for.
const GUESSED: [&str; 2] = ["llama3", "chatml"];

/// What a user says of how prompts are put.
#[derive(Clone, Debug, Default)]
pub struct LayoutChoice {
    /// A layout's name, or `template`.
    pub name: Option<String>,
    /// The system prompt.
    pub system: Option<String>,
    /// Variables of the chat template.
    pub options: BTreeMap<String, Value>,
    /// The date that it tells.
    pub date: Option<TemplateDate>,
}

/// Where a layout comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutSource {
    /// The checkpoint's chat template.
    Template {
        /// Whether it tells the date.
        dated: bool,
    },
    /// A name.
    Named,
    /// Special tokens of the tokenizer.
    Guessed,
}

/// A layout, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) layout: PromptLayout,
    pub(super) source: LayoutSource,
}

impl LayoutChoice {
    /// What a configuration says.
    ///
    /// # Errors
    ///
    /// A date that is none.
    pub fn of(settings: &PolicySettings) -> Result<Self> {
        let PolicySettings { layout, system, template_options, date, .. } = settings;
        let date = date.as_deref().map(str::parse).transpose()?;
        Ok(Self { name: layout.clone(), system: system.clone(), options: template_options.clone(), date })
    }

    /// Whether the checkpoint's chat template may be what is meant.
    #[must_use]
    pub fn may_be_template(&self) -> bool {
        self.name.as_deref().is_none_or(|name| name == TEMPLATE)
    }

    /// The chat template of a checkpoint with the options and the date.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a template that is none.
    pub fn template(&self, checkpoint: &Checkpoint, today: TemplateDate) -> Result<Option<ChatTemplate>> {
        let Some(template) = checkpoint.chat_template()? else { return Ok(None) };
        let (year, month, day) = self.date.unwrap_or(today).parts();
        let template = template.on(year, month, day)?;
        let options = self.options.iter();
        Ok(Some(options.fold(template, |template, (name, value)| template.with_option(name, value.clone()))))
    }

    /// The layout for a checkpoint.
    pub(super) fn choose(
        &self,
        model: &ModelName,
        checkpoint: &Checkpoint,
        tokenizer: &TextTokenizer,
        today: TemplateDate,
    ) -> Result<Chosen> {
        if self.may_be_template() {
            if let Some(template) = self.template(checkpoint, today)? {
                let system: Vec<Message> = self.system.as_deref().map(Message::system).into_iter().collect();
                let layout = template.layout(tokenizer, &system).with_context(|| format!("the template of {model}"))?;
                return Ok(Chosen { layout, source: LayoutSource::Template { dated: template.is_dated() } });
            }
            ensure!(self.name.is_none(), "{model} has no chat template");
        }
        let without = |what| format!("{what} needs a chat template, and {model} is asked without one");
        ensure!(self.system.is_none(), without("a system prompt"));
        ensure!(self.options.is_empty(), without("an option of the template"));
        match &self.name {
            Some(name) => Ok(Chosen { layout: layout(name, tokenizer)?, source: LayoutSource::Named }),
            None => guess(model, tokenizer),
        }
    }
}

/// The layout that special tokens speak for, said aloud.
fn guess(model: &ModelName, tokenizer: &TextTokenizer) -> Result<Chosen> {
    let guessed = default_layout(tokenizer)?;
    let name = GUESSED.into_iter().find(|name| layout(name, tokenizer).is_ok_and(|known| known == guessed));
    let Some(name) = name else {
        bail!(
            "{model} has no chat template, and no special tokens that speak for a layout: name one (plain puts prompts as \
             they are)"
        );
    };
    note(&format!("{model} has no chat template; its special tokens speak for the layout {name}, which is used"));
    Ok(Chosen { layout: guessed, source: LayoutSource::Guessed })
}
