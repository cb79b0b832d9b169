//! How prompts are put before a policy: in its own chat template, unless another layout is named.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use saffron_core::{LayoutOrigin, ModelName};
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::{ChatTemplate, Message, TEMPLATE, TextLayout, TextTokenizer};
use saffron_search::eval::models::PolicySettings;
use serde_json::Value;

use super::TemplateDate;

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

/// A layout.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) layout: TextLayout,
    /// Whether it is a chat template that tells the date.
    pub(super) dated: bool,
    /// What the user is to be told of a guess.
    pub(super) guessed: Option<String>,
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
    /// Files that cannot be read, a template that cannot be parsed.
    pub fn template(&self, checkpoint: &Checkpoint, today: TemplateDate) -> Result<Option<ChatTemplate>> {
        let Some(template) = checkpoint.chat_template()? else { return Ok(None) };
        let (year, month, day) = self.date.unwrap_or(today).parts();
        let template = template.on(year, month, day)?;
        let options = self.options.iter();
        Ok(Some(options.fold(template, |template, (name, value)| template.with_option(name, value.clone()))))
    }

    /// The layout for a checkpoint. A guess is to be said aloud; putting prompts as they are is for
    /// those who ask for it.
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
                let layout = TextLayout::of_template(&template, &system, tokenizer);
                let layout = layout.with_context(|| format!("the chat template of {model}; name another layout"))?;
                let dated = template.is_dated();
                ensure!(dated || self.date.is_none(), "the chat template of {model} tells no date: leave the date out");
                return Ok(Chosen { layout, dated, guessed: None });
            }
            ensure!(self.name.is_none(), "{model} has no chat template");
        }
        let without = |what| format!("{what} needs a chat template, and {model} is asked without one");
        ensure!(self.system.is_none(), without("a system prompt"));
        ensure!(self.options.is_empty(), without("an option of the template"));
        ensure!(self.date.is_none(), without("a date"));
        match &self.name {
            Some(name) => Ok(Chosen { layout: TextLayout::named(name, tokenizer)?, dated: false, guessed: None }),
            None => guess(model, tokenizer),
        }
    }
}

/// The layout that special tokens suggest.
fn guess(model: &ModelName, tokenizer: &TextTokenizer) -> Result<Chosen> {
    let layout = TextLayout::guessed(tokenizer)?;
    let guessed = match layout.origin() {
        LayoutOrigin::Guessed(name) if name == "plain" => bail!(
            "{model} has no chat template, and no special tokens that suggest a layout: name one (plain puts prompts as \
             they are)"
        ),
        origin => format!("{model} has no chat template; its layout is {origin} (name a layout to choose)"),
    };
    Ok(Chosen { layout, dated: false, guessed: Some(guessed) })
}
