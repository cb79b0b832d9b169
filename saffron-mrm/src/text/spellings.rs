//! Where a text spells a special token.

use std::collections::BTreeSet;

/// Texts of special tokens.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    texts: BTreeSet<String>,
    first: BTreeSet<char>,
    lengths: BTreeSet<usize>,
}

impl Spellings {
    pub(super) fn new(texts: Vec<String>) -> Self {
        Self {
            first: texts.iter().filter_map(|text| text.chars().next()).collect(),
            lengths: texts.iter().map(String::len).filter(|length| *length > 0).collect(),
            texts: texts.into_iter().collect(),
        }
    }

    /// A text in parts that spell none: each spelling is cut behind its first letter.
    pub(super) fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let (mut parts, mut begin) = (Vec::new(), 0);
        for (place, letter) in self.places(text) {
            let end = place + letter.len_utf8();
            parts.push(&text[begin..end]);
            begin = end;
        }
        parts.push(&text[begin..]);
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// The places where one begins, with its first letter.
    fn places<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (usize, char)> + 'a {
        let letters = text.char_indices().filter(|(_, letter)| self.first.contains(letter));
        letters.filter(|(place, _)| {
            let rest = &text[*place..];
            self.lengths.iter().any(|length| rest.get(..*length).is_some_and(|word| self.texts.contains(word)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_cut_behind_its_first_letter() {
        let spellings = Spellings::new(["<s>", "s>x", "<<"].map(String::from).to_vec());
        assert_eq!(spellings.cut("a<s>x<s<<s>"), ["a<", "s", ">x<s<", "<", "s>"]);
        assert_eq!(spellings.cut("nothing"), ["nothing"]);
        assert!(spellings.cut("").is_empty());
    }
}
