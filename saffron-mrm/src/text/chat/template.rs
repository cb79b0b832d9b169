//! A template, and what it makes of a conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use jiff::civil::Date;
use minijinja::Value;
use serde::Deserialize;

use super::bounded::{Bounded, MAX_RENDERED};
use super::bounds::Size;
use super::environment::{environment, panicked, reason, syntax};
use super::generation::without_generation;
use super::lexer::MAX_SOURCE;
use super::shape::bounded_source;
use super::tags::quoted_tags;
use super::{Message, TemplateError, python};
use crate::text::caught::caught;

/// Steps that a template may take, and more of them for every message.
const FUEL: u64 = 100_000;
const FUEL_A_MESSAGE: u64 = 20_000;
/// Characters of Unicode's private use.
const PRIVATE: RangeInclusive<char> = '\u{e000}'..='\u{f8ff}';

/// A chat template in Jinja, as checkpoints have them: `chat_template` in `tokenizer_config.json`, or a file of its own.
///
/// Rendered as transformers does: blocks trimmed, loop controls, Python's methods of strings and
/// lists, `raise_exception`, `strftime_now` (of a date that is given, not of a clock); `tools` and
/// `documents` are none, special tokens are defined where they are named. A template is not
/// trusted: its size, how deep it is nested, its steps, the values that it makes and what it writes
/// are bounded. Recursive loops, namespaces within namespaces, and products of what is neither a
/// text nor a small number are refused.
///
/// Control tokens are the template's alone. Where it marks turns by plain text instead (`[INST]`),
/// a prompt that spells such a mark looks to the model as if a turn began there;
/// [`TextLayout::spells_markers`](crate::text::TextLayout::spells_markers) tells.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    /// The source with checks in it.
    bounded: String,
    tokens: BTreeMap<String, String>,
    options: BTreeMap<String, serde_json::Value>,
    date: Date,
}

/// Where a rendered conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Where a reply to the last message begins.
    Reply,
    /// Behind what the last message says: its speaker goes on.
    Continued,
}

impl ChatTemplate {
    /// A template from its source. `strftime_now` tells 26 July 2024 unless it is [given another date](Self::on).
    ///
    /// # Errors
    ///
    /// Source that is too large, nested too deep, or no Jinja.
    pub fn new(source: impl Into<String>) -> Result<Self, TemplateError> {
        let source = source.into();
        if source.len() > MAX_SOURCE {
            return Err(TemplateError::TooLarge { found: source.len(), limit: MAX_SOURCE });
        }
        // Jinja reads every kind of line end as one.
        let source = without_generation(&source.replace("\r\n", "\n").replace('\r', "\n"));
        let date = jiff::civil::date(2024, 7, 26);
        let bounded = bounded_source(&source)?;
        environment(&bounded, date, Size::default())?;
        Ok(Self { source, bounded, tokens: BTreeMap::new(), options: BTreeMap::new(), date })
    }

    /// The template with the texts of the beginning and the end of a sequence.
    #[must_use]
    pub fn with_special(self, bos: impl Into<String>, eos: impl Into<String>) -> Self {
        self.with_token("bos_token", bos).with_token("eos_token", eos)
    }

    /// The template with the text of a special token that it may name (`bos_token`, `pad_token`,
    /// …). One that is not given is undefined, as in transformers: it is written as nothing, and
    /// joining it to text by `+` is an error.
    #[must_use]
    pub fn with_token(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.tokens.insert(name.into(), text.into());
        self
    }

    /// The template with a variable of its own, such as `enable_thinking`. Goes before special
    /// tokens, `tools` and `documents`. What it writes counts as the template's own words: it must
    /// not come from outside.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// The variables that were given, in the order of their names.
    #[must_use]
    pub fn options(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.options
    }

    /// The template with the date that `strftime_now` tells.
    ///
    /// # Errors
    ///
    /// A date that there is not.
    pub fn on(mut self, year: i16, month: i8, day: i8) -> Result<Self, TemplateError> {
        let date = Date::new(year, month, day);
        self.date = date.map_err(|error| TemplateError::Refused(format!("its date: {error}")))?;
        Ok(self)
    }

    /// The date that `strftime_now` tells, as year, month and day. A template that was given none
    /// always tells the same: 26 July 2024.
    #[must_use]
    pub fn date(&self) -> (i16, i8, i8) {
        (self.date.year(), self.date.month(), self.date.day())
    }

    /// Whether the template asks for the date, so that what it writes depends on [it](Self::date).
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.source.contains("strftime_now")
    }

    /// A conversation as text, up to where the next reply begins. For reading: what is said in it may spell special tokens.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses.
    pub fn render(&self, messages: &[Message]) -> Result<String, TemplateError> {
        self.write(messages, End::Reply)
    }

    /// A conversation as text that ends behind what the last message says, so that its speaker goes
    /// on: transformers' `continue_final_message`. For reading, as [`render`](Self::render).
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses, or of whose last message it leaves something out.
    pub fn render_continued(&self, messages: &[Message]) -> Result<String, TemplateError> {
        self.conversation(messages, End::Continued)
    }

    /// A conversation as text. What is continued has to stand in it.
    pub(super) fn conversation(&self, messages: &[Message], end: End) -> Result<String, TemplateError> {
        let text = self.write(messages, end)?;
        match messages.split_last() {
            Some((last, before)) if end == End::Continued && !text.contains(python::trim(&last.content)) => {
                Err(TemplateError::Rewritten { message: before.len() })
            }
            _ => Ok(text),
        }
    }

    pub(super) fn write(&self, messages: &[Message], end: End) -> Result<String, TemplateError> {
        match end {
            End::Reply => self.fill(messages, true),
            End::Continued => self.continued(messages),
        }
    }

    /// Finds the end of the last message by a tag behind it. The space behind the tag shows whether
    /// the template trims.
    fn continued(&self, messages: &[Message]) -> Result<String, TemplateError> {
        let Some((last, before)) = messages.split_last() else {
            return Err(TemplateError::Refused(String::from("there is no message to go on with")));
        };
        let [tag, _] = self.unused(messages)?;
        let tagged = Message::new(&last.role[..], format!("{}{tag} ", last.content));
        let written = self.fill(&[before, &[tagged]].concat(), false)?;
        let place = written.rfind(tag).ok_or(TemplateError::Rewritten { message: before.len() })?;
        let (text, behind) = written.split_at(place);
        Ok(match behind[tag.len_utf8()..].starts_with(' ') {
            true => text.to_owned(),
            false => python::trim_end(text).to_owned(),
        })
    }

    fn fill(&self, messages: &[Message], reply: bool) -> Result<String, TemplateError> {
        check_roles(messages)?;
        let mut environment = environment(&self.bounded, self.date, self.limit(messages))?;
        environment.set_fuel(Some(FUEL + FUEL_A_MESSAGE * messages.len() as u64));
        let template = environment.get_template("chat").map_err(|error| syntax(&error))?;
        let mut bounded = Bounded::default();
        let variables = self.variables(messages, reply)?;
        let rendered = caught(|| template.render_captured_to(variables, &mut bounded).map(drop));
        match rendered.unwrap_or_else(|| Err(panicked())) {
            Ok(()) => String::from_utf8(bounded.written).map_err(|error| TemplateError::Refused(error.to_string())),
            Err(_) if bounded.full => Err(TemplateError::TooLong { limit: MAX_RENDERED }),
            Err(error) => Err(TemplateError::Refused(reason(&error))),
        }
    }

    /// The most that a value of the template may hold.
    fn limit(&self, messages: &[Message]) -> Size {
        let said = messages.iter().flat_map(|message| [&message.role[..], &message.content]);
        let options = self.options.values().map(Size::of_given).fold(Size::default(), Size::and);
        let given = Size::of_texts(said.chain(self.tokens.values().map(String::as_str))).and(options);
        Size::limit(self.source.len(), given)
    }

    /// The source, with one kind of line ends.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    fn variables(&self, messages: &[Message], reply: bool) -> Result<Value, TemplateError> {
        let turns =
            messages.iter().map(|message| Value::from_pairs([("role", &message.role), ("content", &message.content)]));
        let mut variables: BTreeMap<&str, Value> = BTreeMap::new();
        variables.extend(self.tokens.iter().map(|(name, text)| (&name[..], Value::from(&text[..]))));
        variables.extend(["tools", "documents"].map(|name| (name, Value::from(()))));
        for (name, value) in &self.options {
            let value = Value::deserialize(value);
            variables
                .insert(name, value.map_err(|error| TemplateError::Refused(format!("its option {name}: {error}")))?);
        }
        variables.insert("messages", turns.collect());
        variables.insert("add_generation_prompt", Value::from(reply));
        Ok(Value::from_pairs(variables))
    }

    /// The tags that it looks for in what is said.
    pub(super) fn tags(&self) -> BTreeSet<&str> {
        quoted_tags(&self.source)
    }

    /// Two characters that neither the template nor the messages hold, of Unicode's private use.
    pub(super) fn unused(&self, messages: &[Message]) -> Result<[char; 2], TemplateError> {
        let texts = messages.iter().map(|message| &message.content[..]).chain([&self.source[..]]);
        let texts = texts.chain(self.tokens.values().map(String::as_str));
        let held: BTreeSet<char> = texts.flat_map(str::chars).filter(|character| PRIVATE.contains(character)).collect();
        let mut free = PRIVATE.rev().filter(|character| !held.contains(character));
        let two = free.next().zip(free.next());
        let none = || TemplateError::Refused(String::from("the conversation holds all characters of private use"));
        two.map(|(first, second)| [first, second]).ok_or_else(none)
    }
}

/// A role stands among the template's own words: it must not spell any of its tokens.
fn check_roles(messages: &[Message]) -> Result<(), TemplateError> {
    let plain = |role: &str| {
        !role.is_empty() && role.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    match messages.iter().position(|message| !plain(&message.role)) {
        Some(message) => Err(TemplateError::Role { message, role: messages[message].role.clone() }),
        None => Ok(()),
    }
}
