//! What a program tells a chat template beside the conversation: today's date, and variables by name. And where it asks in a template.

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Zoned;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::{ChatTemplate, TextLayout, TextTokenizer};
use serde_json::Value;

/// The name of the layout that is a checkpoint's own chat template.
pub const TEMPLATE: &str = "template";

/// The layout of a name for a checkpoint; without one its chat template, prepared, and where it has none the one that its special tokens
/// suggest.
///
/// # Errors
///
/// A name that is none; a template that cannot be used, or is named and not there.
pub fn chosen_layout(
    name: Option<&str>,
    checkpoint: &Checkpoint,
    tokenizer: &TextTokenizer,
    prepare: impl FnOnce(ChatTemplate) -> Result<ChatTemplate>,
) -> Result<TextLayout> {
    if let Some(name) = name.filter(|name| *name != TEMPLATE) {
        return Ok(TextLayout::named(name, tokenizer)?);
    }
    let place = || format!("the chat template of {}", checkpoint.path().display());
    match checkpoint.chat_template()? {
        Some(template) => TextLayout::of_template(&prepare(template)?, &[], tokenizer).with_context(place),
        None if name.is_some() => bail!("{} has no chat template", checkpoint.path().display()),
        None => Ok(TextLayout::guessed(tokenizer)?),
    }
}

/// How a chat template is to be used.
#[derive(Args, Clone, Debug, Default)]
pub struct TemplateArgs {
    /// A variable of the chat template, as NAME=VALUE with a value in JSON, or text: enable_thinking=false. May be given again
    #[arg(long = "template-option", value_name = "NAME=VALUE", value_parser = option)]
    options: Vec<(String, Value)>,
}

impl TemplateArgs {
    /// The template with these variables, on today's date.
    ///
    /// # Errors
    ///
    /// A clock that tells no date that a template can have.
    pub fn apply(&self, template: ChatTemplate) -> Result<ChatTemplate> {
        let set = |template: ChatTemplate, (name, value): &(String, Value)| template.with_option(name, value.clone());
        on_today(self.options.iter().fold(template, set))
    }
}

/// The template on today's date, which is that of the place where the program runs.
///
/// # Errors
///
/// A clock that tells no date that a template can have.
pub fn on_today(template: ChatTemplate) -> Result<ChatTemplate> {
    let today = Zoned::now().date();
    template.on(today.year(), today.month(), today.day()).context("today's date")
}

fn option(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
        }
        _ => Err(String::from("expected NAME=VALUE")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{ChatTemplate, TemplateArgs, Value, Zoned, option};
    use saffron_mrm::text::Message;

    #[test]
    fn options_are_json_or_text() {
        assert_eq!(option("enable_thinking=false").unwrap(), (String::from("enable_thinking"), Value::from(false)));
        assert_eq!(option("effort=high=er").unwrap(), (String::from("effort"), Value::from("high=er")));
        assert!(option("enable_thinking").is_err() && option("=1").is_err());
    }

    #[test]
    fn a_program_tells_todays_date() {
        let template = ChatTemplate::new("{{ strftime_now('%Y-%m-%d') }} {{ level }}").unwrap();
        let args = TemplateArgs { options: vec![option("level=3").unwrap()] };
        let before = Zoned::now().date();
        let said = args.apply(template).unwrap().render(&[Message::user("x")]).unwrap();
        assert!([before, Zoned::now().date()].iter().any(|date| said == format!("{date} 3")), "{said}");
    }
}
