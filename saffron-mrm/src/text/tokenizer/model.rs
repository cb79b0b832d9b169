//! What a tokenizer's model must keep to, so that reading it neither panics nor takes more than a
//! small multiple of the file.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tokenizers::models::bpe::BPE;

use super::refusal::Refusal;

/// The longest word of a vocabulary, in bytes. Those in use have up to some hundreds.
const MAX_WORD: usize = 4 << 10;
/// The longest prefix or suffix of parts of words, and the longest word for unknown ones, in bytes:
/// they are written for every letter, or for every word.
const MAX_AFFIX: usize = 64;
/// The longest piece of a Unigram model, in bytes: each is a path in a tree that is walked by
/// recursion, and for every letter of a text.
const MAX_PIECE: usize = 512;
/// The most different beginnings that the pieces of a Unigram model have. The `tokenizers` crate
/// keeps them as a tree with a node for each, up to 1.4 kB. A vocabulary of 250,000 pieces has
/// about a million.
const MAX_BEGINNINGS: usize = 1 << 20;
/// The longest word that WordPiece takes apart, in characters: it takes time by its cube.
const MAX_WORD_PIECE: u64 = 256;

/// A model as far as it is checked; the words themselves are read by the `tokenizers` crate.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelCheck {
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    max_input_chars_per_word: Option<u64>,
    unk_token: Option<String>,
    unk_id: Option<u32>,
    vocab: Words,
    merges: Merges,
}

impl ModelCheck {
    /// What it has for words that it does not know: a text or an id.
    pub(super) fn unknown(&self) -> (Option<&str>, Option<u32>) {
        (self.unk_token.as_deref(), self.unk_id)
    }

    /// The share of merges that is left out by chance, if any.
    pub(super) fn dropout(&self) -> Option<f64> {
        self.dropout.filter(|share| *share != 0.0)
    }

    /// Whether it can be read, for a model with so many embeddings.
    pub(super) fn check(&self, vocab_size: usize) -> Result<(), Refusal> {
        let refuse =
            |field: &str, expected: String, found: String| Err(Refusal::new(format!("model.{field}"), expected, found));
        let Words { count, longest, pieces, beginnings, .. } = self.vocab;
        if count > vocab_size {
            return refuse("vocab", format!("at most the model's vocab_size = {vocab_size} words"), count.to_string());
        }
        let limit = if pieces { MAX_PIECE } else { MAX_WORD };
        if longest > limit {
            return refuse("vocab", format!("words of at most {limit} bytes"), format!("{longest} bytes"));
        }
        if beginnings > MAX_BEGINNINGS {
            let expected = format!("pieces of at most {MAX_BEGINNINGS} different beginnings");
            return refuse("vocab", expected, beginnings.to_string());
        }
        if let Some(found) = self.max_input_chars_per_word.filter(|limit| *limit > MAX_WORD_PIECE) {
            return refuse("max_input_chars_per_word", format!("at most {MAX_WORD_PIECE}"), found.to_string());
        }
        let affixes = [
            ("continuing_subword_prefix", &self.continuing_subword_prefix),
            ("end_of_word_suffix", &self.end_of_word_suffix),
            ("unk_token", &self.unk_token),
        ];
        for (name, affix) in affixes {
            if let Some(found) = affix.as_ref().map(String::len).filter(|length| *length > MAX_AFFIX) {
                return refuse(name, format!("at most {MAX_AFFIX} bytes"), found.to_string());
            }
        }
        let prefix = self.continuing_subword_prefix.as_deref().unwrap_or_default();
        if self.merges.count > 0 && !self.merges.right.starts_with(prefix) {
            return refuse("merges", format!("right parts that begin with {prefix:?}"), String::from("others"));
        }
        // The crate writes a merged word into a buffer as long as the longest word.
        if self.merges.longest > longest + prefix.len() {
            return refuse(
                "merges",
                format!("words of the vocabulary, at most {longest} bytes"),
                String::from("longer ones"),
            );
        }
        Ok(())
    }

    /// The highest id of the vocabulary.
    pub(super) fn highest(&self) -> Option<u64> {
        self.vocab.highest
    }
}

/// Takes chance out of a model.
pub(super) fn without_dropout(model: &mut BPE) {
    model.dropout = None;
}

/// How many words, and the longest.
#[derive(Clone, Copy, Default)]
struct Words {
    count: usize,
    longest: usize,
    highest: Option<u64>,
    /// Whether they are pieces with scores, in the order of their ids.
    pieces: bool,
    /// How many different beginnings pieces have, in bytes.
    beginnings: usize,
}

/// How many different beginnings texts have: the nodes of the tree of their bytes.
fn beginnings(mut texts: Vec<Box<str>>) -> usize {
    texts.sort_unstable();
    let mut before: &str = "";
    let mut count = 0;
    for text in &texts {
        let shared = before.bytes().zip(text.bytes()).take_while(|(one, other)| one == other).count();
        count += text.len() - shared;
        before = text;
    }
    count
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("words with ids, or pieces with scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Words, A::Error> {
                let mut words = Words::default();
                while let Some((Text(word), id)) = map.next_entry::<Text<'de>, u64>()? {
                    words.count += 1;
                    words.longest = words.longest.max(word.len());
                    words.highest = words.highest.max(Some(id));
                }
                Ok(words)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Words, A::Error> {
                let mut words = Words { pieces: true, ..Words::default() };
                let mut texts: Vec<Box<str>> = Vec::new();
                while let Some((Text(piece), _)) = pieces.next_element::<(Text<'de>, f64)>()? {
                    words.count += 1;
                    words.longest = words.longest.max(piece.len());
                    texts.push(Box::from(&*piece));
                }
                words.beginnings = beginnings(texts);
                words.highest = (words.count as u64).checked_sub(1);
                Ok(words)
            }
        }
        deserializer.deserialize_any(Count)
    }
}

/// How many merges, the most bytes that one has, and what all right parts begin with.
#[derive(Default)]
struct Merges {
    count: usize,
    longest: usize,
    right: String,
}

impl Merges {
    fn add(&mut self, left: &str, right: &str) {
        if self.count == 0 {
            right.clone_into(&mut self.right);
        }
        let same = self.right.bytes().zip(right.bytes()).take_while(|(one, other)| one == other).count();
        let same = (0..=same).rev().find(|length| self.right.is_char_boundary(*length)).unwrap_or(0);
        self.right.truncate(same);
        self.count += 1;
        self.longest = self.longest.max(left.len() + right.len());
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_unit<E: Error>(self) -> Result<Merges, E> {
                Ok(Merges::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
                let mut merges = Merges::default();
                while let Some(merge) = list.next_element::<Merge<'de>>()? {
                    match &merge {
                        Merge::Parts([Text(left), Text(right)]) => merges.add(left, right),
                        Merge::Line(Text(line)) => {
                            let parts = line.split_once(' ');
                            let (left, right) = parts.ok_or_else(|| A::Error::custom("a merge without two parts"))?;
                            merges.add(left, right);
                        }
                    }
                }
                Ok(merges)
            }
        }
        deserializer.deserialize_any(Count)
    }
}

/// A merge: its parts, or both on a line with a space between them.
enum Merge<'a> {
    Parts([Text<'a>; 2]),
    Line(Text<'a>),
}

impl<'de> Deserialize<'de> for Merge<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Merge<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a merge of two parts")
            }

            fn visit_borrowed_str<E: Error>(self, line: &'de str) -> Result<Merge<'de>, E> {
                Ok(Merge::Line(Text(Cow::Borrowed(line))))
            }

            fn visit_str<E: Error>(self, line: &str) -> Result<Merge<'de>, E> {
                Ok(Merge::Line(Text(Cow::Owned(line.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Merge<'de>, A::Error> {
                let mut part =
                    |count| parts.next_element()?.ok_or_else(|| A::Error::invalid_length(count, &"two parts"));
                let merge = Merge::Parts([part(0)?, part(1)?]);
                match parts.next_element::<Text<'de>>()? {
                    None => Ok(merge),
                    Some(_) => Err(A::Error::invalid_length(3, &"two parts")),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
