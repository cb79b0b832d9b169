//! Texts with places to be filled.
//!
//! A place is a name in braces, `{prompt}` or `{{ prompt }}`, or the mark `[INSERT PROMPT HERE]` of
//! public collections of templates. Braces around anything but one name are text. A backslash
//! before the brace makes a name in braces text.

use super::AttackError;

/// The mark that public collections of templates use for the prompt.
const MARK: &str = "[INSERT PROMPT HERE]";

/// What may stand in a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    /// The item's own question.
    pub(super) question: &'a str,
    /// The question's words as they stand within a sentence.
    pub(super) request: &'a str,
    /// The prompt as earlier attacks have left it.
    pub(super) attacked: &'a str,
}

/// A text whose places are filled.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) text: String,
    /// How many places hold the item's own question, in whatever form.
    pub(super) own: usize,
    /// How many places hold the prompt as earlier attacks have left it.
    pub(super) attacked: usize,
}

/// Fills every place once, from left to right; what is put in is not searched for places again.
pub(super) fn fill(pattern: &str, words: Words<'_>) -> Result<Filled, AttackError> {
    let mut filled = Filled { text: String::with_capacity(pattern.len()), own: 0, attacked: 0 };
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '[', '\\']) {
        let (before, from) = rest.split_at(at);
        filled.text.push_str(before);
        rest = filled.one(from, words)?;
    }
    filled.text.push_str(rest);
    Ok(filled)
}

impl Filled {
    /// Puts in what the text begins with: a place, a name that is made text by a backslash, or one
    /// character. Gives what follows.
    fn one<'a>(&mut self, text: &'a str, words: Words<'_>) -> Result<&'a str, AttackError> {
        if let Some(rest) = text.strip_prefix(MARK) {
            self.own(words.question);
            return Ok(rest);
        }
        if let Some(literal) = text.strip_prefix('\\').and_then(place) {
            self.text.push_str(literal.whole);
            return Ok(&text[1 + literal.whole.len()..]);
        }
        let Some(Place { whole, name }) = place(text) else {
            let length = text.chars().next().map_or(0, char::len_utf8);
            self.text.push_str(&text[..length]);
            return Ok(&text[length..]);
        };
        match name {
            "prompt" | "question" => self.own(words.question),
            "request" => self.own(words.request),
            "attacked" => {
                self.text.push_str(words.attacked);
                self.attacked += 1;
            }
            unknown => return Err(AttackError::UnknownPlace { name: unknown.to_owned() }),
        }
        Ok(&text[whole.len()..])
    }

    fn own(&mut self, words: &str) {
        self.text.push_str(words);
        self.own += 1;
    }
}

/// A name in braces at the beginning of a text.
struct Place<'a> {
    whole: &'a str,
    name: &'a str,
}

fn place(text: &str) -> Option<Place<'_>> {
    named(text, ["{{", "}}"], true).or_else(|| named(text, ["{", "}"], false))
}

/// The name between two marks, perhaps with spaces around it.
fn named<'a>(text: &'a str, [open, close]: [&str; 2], spaced: bool) -> Option<Place<'a>> {
    let unspaced = |text: &'a str| if spaced { text.trim_start_matches(' ') } else { text };
    let inner = unspaced(text.strip_prefix(open)?);
    let length = inner.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(inner.len());
    let (name, after) = inner.split_at(length);
    let rest = unspaced(after).strip_prefix(close)?;
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    begins.then(|| Place { whole: &text[..text.len() - rest.len()], name })
}
