//! A rendered conversation in pieces: the template's own words, and what was said.
//!
//! Most templates put what is said, or it without the white space around it, between their own
//! words. Then one rendering with marks in place of all messages shows where each stands. Others do
//! more: those of reasoning models drop the reasoning of earlier turns. For them each message is
//! looked for by itself, by a rendering in which a mark stands in its place alone. What differs
//! from the conversation's text is what was made of that message, whatever it is; it counts as
//! said. A message in which the template reads tags (`</think>`) and writes them anew is looked for
//! part by part.

use std::ops::Range;

use super::tags::tags_in;
use super::{ChatTemplate, End, Message, TemplateError, python};

/// The most tags of one message at which it is taken apart.
const MAX_TAGS: usize = 16;

/// A piece of a rendered conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The template's own words: special tokens in them are special.
    Markup(&'a str),
    /// What was said in a message, as it stands in the rendered conversation.
    Said {
        /// The message's number, from 0.
        message: usize,
        /// What the template makes of its text: the text itself, it without white space around it,
        /// or less.
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

/// Where a message stands in the rendered conversation.
#[derive(Clone, Debug)]
struct Place {
    message: usize,
    range: Range<usize>,
}

/// A conversation with the characters that mark places in it.
struct Marked<'a> {
    template: &'a ChatTemplate,
    messages: &'a [Message],
    end: End,
    mark: char,
    edge: char,
}

impl ChatTemplate {
    /// A conversation in pieces, so that nothing that is said in it can become a special token.
    /// `text` is room for them. A message of white space alone, or one that the template leaves
    /// out, has no piece.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render) or [`render_continued`](Self::render_continued); a template
    /// whose own words depend on what is said.
    pub(crate) fn pieces_until<'a>(
        &self,
        messages: &[Message],
        end: End,
        text: &'a mut String,
    ) -> Result<Vec<Piece<'a>>, TemplateError> {
        *text = self.conversation(messages, end)?;
        let [mark, edge] = self.unused(messages)?;
        let marked = Marked { template: self, messages, end, mark, edge };
        let places = match marked.all(text)? {
            Some(places) => places,
            None => marked.each(text)?,
        };
        cut(text, &places)
    }

    /// A conversation in pieces, up to where the next reply begins.
    ///
    /// # Errors
    ///
    /// As [`pieces_until`](Self::pieces_until).
    pub(crate) fn pieces<'a>(
        &self,
        messages: &[Message],
        text: &'a mut String,
    ) -> Result<Vec<Piece<'a>>, TemplateError> {
        self.pieces_until(messages, End::Reply, text)
    }
}

impl Marked<'_> {
    /// Whether there is something to mark: white space cannot become a special token.
    fn speaks(&self, message: usize) -> bool {
        !python::trim(&self.messages[message].content).is_empty()
    }

    fn stand_in(&self, message: usize) -> String {
        let mark = self.mark;
        format!("{mark}{message}{mark}")
    }

    /// The conversation with other texts for some messages. None where the template looks into what
    /// is said and refuses them.
    fn with(&self, text: impl Fn(usize, &str) -> Option<String>) -> Result<Option<String>, TemplateError> {
        let changed = |(number, message): (usize, &Message)| {
            let content = text(number, &message.content);
            Message::new(&message.role[..], content.unwrap_or_else(|| message.content.clone()))
        };
        match self.template.write(&self.messages.iter().enumerate().map(changed).collect::<Vec<_>>(), self.end) {
            Ok(written) => Ok(Some(written)),
            Err(TemplateError::Refused(_) | TemplateError::Rewritten { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The places of all messages, where the template puts them between its own words and does no
    /// more.
    fn all(&self, rendered: &str) -> Result<Option<Vec<Place>>, TemplateError> {
        let Some(marked) = self.with(|message, _| self.speaks(message).then(|| self.stand_in(message)))? else {
            return Ok(None);
        };
        let parts: Vec<&str> = marked.split(self.mark).collect();
        let (mut at, mut places) = (0, Vec::new());
        for (number, part) in parts.iter().copied().enumerate() {
            if number % 2 == 0 {
                if !rendered[at..].starts_with(part) {
                    return Ok(None);
                }
                at += part.len();
                continue;
            }
            let message: Option<usize> = part.parse().ok();
            let Some(message) = message.filter(|message| *message < self.messages.len()) else {
                return Ok(None);
            };
            let (next, last) = (parts.get(number + 1).copied().unwrap_or_default(), number + 2 >= parts.len());
            let Some(length) = said_at(&rendered[at..], &self.messages[message].content, next, last) else {
                return Ok(None);
            };
            places.push(Place { message, range: at..at + length });
            at += length;
        }
        Ok((at == rendered.len()).then_some(places))
    }

    /// The places of the messages, each looked for by itself.
    fn each(&self, rendered: &str) -> Result<Vec<Place>, TemplateError> {
        let mut places = Vec::new();
        for message in (0..self.messages.len()).filter(|message| self.speaks(*message)) {
            places.extend(self.one(rendered, message)?);
        }
        places.sort_by_key(|place| place.range.start);
        match places.windows(2).find(|pair| pair[0].range.end > pair[1].range.start) {
            Some(pair) => Err(TemplateError::Rewritten { message: pair[1].message }),
            None => Ok(places),
        }
    }

    /// The places of one message, as a whole or part by part.
    fn one(&self, rendered: &str, message: usize) -> Result<Vec<Place>, TemplateError> {
        let content = &self.messages[message].content;
        match self.found(rendered, message, 0..content.len())? {
            Some(places) => Ok(places),
            None => self.in_parts(rendered, message),
        }
    }

    /// The conversation with a part of one message replaced.
    fn replaced(&self, message: usize, part: &Range<usize>, by: &str) -> Result<Option<String>, TemplateError> {
        let changed = |text: &str| format!("{}{by}{}", &text[..part.start], &text[part.end..]);
        self.with(|number, text| (number == message).then(|| changed(text)))
    }

    /// The places of a part of a message: what stands around its mark stands around it, too.
    fn found(&self, rendered: &str, message: usize, part: Range<usize>) -> Result<Option<Vec<Place>>, TemplateError> {
        let stand_in = self.stand_in(message);
        let Some(marked) = self.replaced(message, &part, &stand_in)? else { return Ok(None) };
        let around: Vec<&str> = marked.split(&stand_in[..]).collect();
        if around.iter().any(|text| text.contains(self.mark)) {
            return Ok(None);
        }
        let Some(texts) = between(rendered, &around) else { return Ok(None) };
        let content = &self.messages[message].content;
        let said = python::trim(&content[part.clone()]);
        let as_said = |place: &Range<usize>| python::trim(&rendered[place.clone()]) == said;
        let whole = part.len() == content.len();
        if texts.iter().all(as_said) || (whole && self.stands_apart(message, &around)?) {
            return Ok(Some(texts.into_iter().map(|range| Place { message, range }).collect()));
        }
        Ok(None)
    }

    /// The places of the parts of a message that the template takes apart at tags that it knows.
    fn in_parts(&self, rendered: &str, message: usize) -> Result<Vec<Place>, TemplateError> {
        let content = &self.messages[message].content[..];
        let rewritten = || TemplateError::Rewritten { message };
        let tags = tags_in(content, &self.template.tags());
        if tags.is_empty() || tags.len() > MAX_TAGS {
            return Err(rewritten());
        }
        let ends = tags.iter().map(|tag| tag.start).chain([content.len()]);
        let texts = [0].into_iter().chain(tags.iter().map(|tag| tag.end)).zip(ends);
        let mut places = Vec::new();
        for text in texts.map(|(start, end)| start..end).filter(|text| !python::trim(&content[text.clone()]).is_empty())
        {
            places.extend(self.found(rendered, message, text)?.ok_or_else(rewritten)?);
        }
        for tag in tags {
            places.extend(self.tag(rendered, message, &tag)?.ok_or_else(rewritten)?);
        }
        Ok(places)
    }

    /// The places of a tag that was said. There is none where the template reads it and writes its
    /// own.
    fn tag(&self, rendered: &str, message: usize, tag: &Range<usize>) -> Result<Option<Vec<Place>>, TemplateError> {
        let edge = self.edge;
        let edged = format!("{edge}{}{edge}", &self.messages[message].content[tag.clone()]);
        let Some(written) = self.replaced(message, tag, &edged)? else { return Ok(None) };
        let words = |text: &str| text.chars().filter(|character| !python::is_space(*character)).collect::<String>();
        // Edges are in the way of stripping; but for white space they change nothing.
        if words(&written.replace(edge, "")) != words(rendered) {
            return Ok(None);
        }
        let around: Vec<String> = written.split(&edged).map(|text| text.replace(edge, "")).collect();
        if around.len() == 1 {
            return Ok(Some(Vec::new()));
        }
        let around: Vec<&str> = around.iter().map(String::as_str).collect();
        Ok(between(rendered, &around).map(|texts| texts.into_iter().map(|range| Place { message, range }).collect()))
    }

    /// Whether what stands around a message's mark is the template's own: it stays as it is when
    /// characters that no template knows are put before and behind what is said.
    fn stands_apart(&self, message: usize, around: &[&str]) -> Result<bool, TemplateError> {
        let edge = self.edge;
        let edged = self.with(|number, text| (number == message).then(|| format!("{edge}{text}{edge}")))?;
        let Some(edged) = edged else { return Ok(false) };
        let own = |part: Option<&&str>, holds: fn(&str, &str) -> bool| part.is_none_or(|part| holds(&edged, part));
        Ok(own(around.first(), |text, part| text.starts_with(part))
            && own(around.last(), |text, part| text.ends_with(part))
            && around.iter().map(|part| part.len()).sum::<usize>() <= edged.len())
    }
}

/// How many bytes of the text are what was said, perhaps without white space around it, with the
/// template's `next` words behind them.
fn said_at(rendered: &str, content: &str, next: &str, last: bool) -> Option<usize> {
    let follows = |rest: &str| if last { rest == next } else { rest.starts_with(next) };
    let fits = |text: &&str| rendered.strip_prefix(*text).is_some_and(follows);
    let texts =
        [content, python::trim_end(content), content.trim_start_matches(python::is_space), python::trim(content)];
    texts.into_iter().find(fits).map(str::len)
}

/// What stands between the parts: if at several places, the same at each.
fn between(rendered: &str, around: &[&str]) -> Option<Vec<Range<usize>>> {
    let gaps = around.len() - 1;
    let left = rendered.len().checked_sub(around.iter().map(|part| part.len()).sum())?;
    let length = match gaps {
        0 if left == 0 => 0,
        0 => return None,
        _ if left % gaps == 0 => left / gaps,
        _ => return None,
    };
    let (mut at, mut places) = (0, Vec::new());
    for (number, part) in around.iter().enumerate() {
        if !rendered.get(at..)?.starts_with(part) {
            return None;
        }
        at += part.len();
        if number < gaps {
            rendered.get(at..at + length)?;
            places.push(at..at + length);
            at += length;
        }
    }
    let same = |place: &Range<usize>| rendered[place.clone()] == rendered[places[0].clone()];
    places.iter().all(same).then_some(places)
}

/// The text in pieces, at these places.
fn cut<'a>(text: &'a str, places: &[Place]) -> Result<Vec<Piece<'a>>, TemplateError> {
    let (mut at, mut pieces) = (0, Vec::new());
    let mut push = |piece: Piece<'a>| {
        if !piece.text().is_empty() {
            pieces.push(piece);
        }
    };
    for Place { message, range } in places {
        let rewritten = || TemplateError::Rewritten { message: *message };
        push(Piece::Markup(text.get(at..range.start).ok_or_else(rewritten)?));
        push(Piece::Said { message: *message, text: text.get(range.clone()).ok_or_else(rewritten)? });
        at = range.end;
    }
    push(Piece::Markup(&text[at..]));
    Ok(pieces)
}
