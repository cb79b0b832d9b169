//! Marks of turns that are plain text.

use std::collections::BTreeSet;

use super::chat::{End, Piece};
use super::{ChatTemplate, Message, TextTokenizer};

/// Signs that marks are written with.
const SIGNS: [char; 11] = ['[', ']', '<', '>', '{', '}', '#', '|', '\u{ff5c}', '«', '»'];
/// The most marks: a layout has a few.
const MOST: usize = 64;
/// The shortest mark, in characters.
const SHORTEST: usize = 3;

/// The marks that a template puts around turns.
pub(super) fn of_template(template: &ChatTemplate, tokenizer: &TextTokenizer) -> Vec<String> {
    let turns = [Message::user("q"), Message::assistant("a"), Message::user("q")];
    let mut found = Vec::new();
    for turns in [&turns[..], &turns[..1]] {
        let mut text = String::new();
        // A template that refuses them marks what it does not refuse.
        if let Ok(pieces) = template.pieces_until(turns, End::Reply, &mut text) {
            found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Markup(text) => Some((*text).to_owned()),
                Piece::Said { .. } => None,
            }));
        }
    }
    of_words(found.iter().map(String::as_str), tokenizer)
}

/// The marks in a layout's own words, apart from control tokens.
pub(super) fn of_words<'a>(words: impl Iterator<Item = &'a str>, tokenizer: &TextTokenizer) -> Vec<String> {
    let mut marks = BTreeSet::new();
    for words in words {
        let text = tokenizer.without_controls(words);
        marks.extend(text.split_whitespace().filter(|word| is_mark(word)).map(str::to_owned));
    }
    marks.into_iter().take(MOST).collect()
}

fn is_mark(word: &str) -> bool {
    word.chars().nth(SHORTEST - 1).is_some() && (word.ends_with(':') || word.contains(SIGNS))
}
