//! A template, and what it makes of a conversation.

use std::io::{self, Write};

use jiff::civil::Date;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use super::generation::without_generation;
use super::{Message, TemplateError};

/// The largest template that is read, in bytes.
const MAX_SOURCE: usize = 256 << 10;
/// The longest rendered conversation, in bytes.
const MAX_RENDERED: usize = 8 << 20;
/// Steps that a template may take, and more of them for every message.
const FUEL: u64 = 100_000;
const FUEL_A_MESSAGE: u64 = 20_000;
/// Stands around a message's number where its text will stand. Of Unicode's private use: no template spells it.
const MARK: char = '\u{f8ff}';

/// A piece of a rendered conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The template's own words: special tokens in them are special.
    Markup(&'a str),
    /// What was said in a message, as it stands in the rendered conversation.
    Said {
        /// The message's number, from 0.
        message: usize,
        /// Its text, perhaps without white space around it.
        text: &'a str,
    },
}

impl<'a> Piece<'a> {
    /// Its text.
    pub(crate) fn text(&self) -> &'a str {
        match self {
            Self::Markup(text) | Self::Said { text, .. } => text,
        }
    }
}

/// Where a rendered conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Where a reply to the last message begins.
    Reply,
    /// Behind what the last message says: its speaker goes on.
    Continued,
}

/// A chat template in Jinja, as checkpoints have them: `chat_template` in `tokenizer_config.json`, or a file of its own.
///
/// Rendered as transformers does: blocks trimmed, loop controls, Python's methods of strings and lists, `raise_exception`, `strftime_now` (of a
/// date that is given, not of a clock). A template's size, its steps and what it writes are bounded. It is part of a checkpoint all the same:
/// one that was made to harm, by values that hold themselves, can still exhaust the stack.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    bos: String,
    eos: String,
    date: Date,
}

impl ChatTemplate {
    /// A template from its source. `strftime_now` tells 26 July 2024 unless it is [given another date](Self::on).
    ///
    /// # Errors
    ///
    /// Source that is too large, or no Jinja.
    pub fn new(source: impl Into<String>) -> Result<Self, TemplateError> {
        let source = source.into();
        if source.len() > MAX_SOURCE {
            return Err(TemplateError::TooLarge { found: source.len(), limit: MAX_SOURCE });
        }
        let source = without_generation(&source);
        let template = Self { source, bos: String::new(), eos: String::new(), date: jiff::civil::date(2024, 7, 26) };
        template.environment()?;
        Ok(template)
    }

    /// The template with the texts of the special tokens that it may name.
    #[must_use]
    pub fn with_special(mut self, bos: impl Into<String>, eos: impl Into<String>) -> Self {
        (self.bos, self.eos) = (bos.into(), eos.into());
        self
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

    /// A conversation as text, up to where the next reply begins. For reading: what is said in it may spell special tokens.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses.
    pub fn render(&self, messages: &[Message]) -> Result<String, TemplateError> {
        self.write(messages, true)
    }

    fn write(&self, messages: &[Message], reply: bool) -> Result<String, TemplateError> {
        check_roles(messages)?;
        let mut environment = self.environment()?;
        environment.set_fuel(Some(FUEL + FUEL_A_MESSAGE * messages.len() as u64));
        let template = environment.get_template("chat").map_err(syntax)?;
        let turns =
            messages.iter().map(|message| Value::from_pairs([("role", &message.role), ("content", &message.content)]));
        let context = context! {
            messages => turns.collect::<Vec<Value>>(),
            bos_token => &self.bos,
            eos_token => &self.eos,
            add_generation_prompt => reply,
        };
        let mut bounded = Bounded::default();
        match template.render_captured_to(context, &mut bounded) {
            Ok(_) => String::from_utf8(bounded.written).map_err(|error| TemplateError::Refused(error.to_string())),
            Err(_) if bounded.full => Err(TemplateError::TooLong { limit: MAX_RENDERED }),
            Err(error) => Err(TemplateError::Refused(reason(&error))),
        }
    }

    /// A conversation in pieces (`marked` is room for them), so that nothing that is said in it can become a special token.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render); a template that does more with a message than put it, or it without the white space around it,
    /// between its own words.
    pub(crate) fn pieces_until<'a>(
        &self,
        messages: &'a [Message],
        end: End,
        marked: &'a mut String,
    ) -> Result<Vec<Piece<'a>>, TemplateError> {
        let mut pieces = self.all_pieces(messages, end == End::Reply, marked)?;
        if end == End::Continued {
            let last = messages.len().saturating_sub(1);
            let is_last = |piece: &Piece<'_>| matches!(piece, Piece::Said { message, .. } if *message == last);
            let place = pieces.iter().rposition(is_last).ok_or(TemplateError::Rewritten { message: last })?;
            pieces.truncate(place + 1);
        }
        Ok(pieces)
    }

    /// A conversation in pieces, up to where the next reply begins.
    ///
    /// # Errors
    ///
    /// As [`pieces_until`](Self::pieces_until).
    pub(super) fn pieces<'a>(
        &self,
        messages: &'a [Message],
        marked: &'a mut String,
    ) -> Result<Vec<Piece<'a>>, TemplateError> {
        self.pieces_until(messages, End::Reply, marked)
    }

    fn all_pieces<'a>(
        &self,
        messages: &'a [Message],
        reply: bool,
        marked: &'a mut String,
    ) -> Result<Vec<Piece<'a>>, TemplateError> {
        let rendered = self.write(messages, reply)?;
        let stand_in =
            |(number, message): (usize, &Message)| Message::new(&message.role, format!("{MARK}{number}{MARK}"));
        *marked = self.write(&messages.iter().enumerate().map(stand_in).collect::<Vec<_>>(), reply)?;
        let mut rest = &rendered[..];
        let mut pieces = Vec::new();
        let parts: Vec<&str> = marked.split(MARK).collect();
        for (place, part) in parts.iter().copied().enumerate() {
            if place % 2 == 0 {
                let Some(after) = rest.strip_prefix(part) else {
                    return Err(TemplateError::Rewritten { message: said_before(&pieces) });
                };
                rest = after;
                if !part.is_empty() {
                    pieces.push(Piece::Markup(part));
                }
                continue;
            }
            let message = part.parse().ok().filter(|number| *number < messages.len());
            let message: usize = message.ok_or(TemplateError::Rewritten { message: said_before(&pieces) })?;
            let (next, last) = (parts.get(place + 1).copied().unwrap_or_default(), place + 2 >= parts.len());
            let follows = |rest: &str| if last { rest == next } else { rest.starts_with(next) };
            let content = &messages[message].content[..];
            let fits = |text: &&str| rest.strip_prefix(*text).is_some_and(follows);
            let text = [content, content.trim()].into_iter().find(fits);
            let text = text.ok_or(TemplateError::Rewritten { message })?;
            rest = &rest[text.len()..];
            pieces.push(Piece::Said { message, text });
        }
        match rest.is_empty() {
            true => Ok(pieces),
            false => Err(TemplateError::Rewritten { message: said_before(&pieces) }),
        }
    }

    fn environment(&self) -> Result<Environment<'_>, TemplateError> {
        let mut environment = Environment::new();
        environment.set_syntax(
            minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(syntax)?,
        );
        environment.set_recursion_limit(64);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(|out, state, value| match value.kind() {
            ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain => Err(Error::new(
                ErrorKind::BadEscape,
                format!("a {} is no text: it has to go through tojson", value.kind()),
            )),
            _ => minijinja::escape_formatter(out, state, value),
        });
        environment.add_filter("tojson", super::json::to_json);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        let date = self.date;
        environment.add_function("strftime_now", move |format: String| {
            jiff::fmt::strtime::format(&format, date)
                .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
        });
        environment.add_template("chat", &self.source).map_err(syntax)?;
        Ok(environment)
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

fn syntax(error: Error) -> TemplateError {
    TemplateError::Syntax(reason(&error))
}

/// An error with those behind it, on one line.
fn reason(error: &Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    reason
}

/// The message that was said last.
fn said_before(pieces: &[Piece<'_>]) -> usize {
    let said = |piece: &Piece<'_>| if let Piece::Said { message, .. } = piece { Some(*message) } else { None };
    pieces.iter().rev().find_map(said).unwrap_or(0)
}

/// What a template writes, up to a limit.
#[derive(Default)]
struct Bounded {
    written: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written.len() + bytes.len() > MAX_RENDERED {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
