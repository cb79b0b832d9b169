//! Where a text spells a control token.

use std::collections::BTreeSet;

/// Texts of control tokens. A place of a text is tried in as many steps as the longest of them has
/// bytes.
#[derive(Debug)]
pub(super) struct Spellings {
    /// In order, so that those that begin alike stand together, the shortest first.
    texts: Vec<String>,
    /// The bytes that they begin with.
    first: BTreeSet<u8>,
}

impl Spellings {
    pub(super) fn new(texts: impl Iterator<Item = String>) -> Self {
        let texts: BTreeSet<String> = texts.filter(|text| !text.is_empty()).collect();
        Self { first: texts.iter().map(|text| text.as_bytes()[0]).collect(), texts: texts.into_iter().collect() }
    }

    /// Whether a text spells one.
    pub(super) fn are_in(&self, text: &str) -> bool {
        text.char_indices().any(|(place, _)| self.lengths_at(text, place).next().is_some())
    }

    /// A text in parts that spell none: each spelling is cut behind its first letter.
    pub(super) fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let (mut parts, mut begin) = (Vec::new(), 0);
        for (place, letter) in text.char_indices().filter(|(place, _)| self.lengths_at(text, *place).next().is_some()) {
            let end = place + letter.len_utf8();
            parts.push(&text[begin..end]);
            begin = end;
        }
        parts.push(&text[begin..]);
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// A text with a space in place of each spelling.
    pub(super) fn blanked(&self, text: &str) -> String {
        let (mut blanked, mut end) = (String::with_capacity(text.len()), 0);
        for (place, letter) in text.char_indices() {
            if place < end {
                continue;
            }
            match self.lengths_at(text, place).last() {
                Some(length) => {
                    end = place + length;
                    blanked.push(' ');
                }
                None => blanked.push(letter),
            }
        }
        blanked
    }

    /// The lengths of those that begin at a place, in bytes, in order.
    fn lengths_at<'a>(&'a self, text: &'a str, place: usize) -> impl Iterator<Item = usize> + 'a {
        let rest = &text.as_bytes()[place..];
        let begins = rest.first().is_some_and(|byte| self.first.contains(byte));
        let steps =
            rest.iter().enumerate().take_while(move |_| begins).scan(&self.texts[..], |alike, (length, byte)| {
                let from = alike.partition_point(|text| text.as_bytes().get(length) < Some(byte));
                let to = alike.partition_point(|text| text.as_bytes().get(length) <= Some(byte));
                *alike = &alike[from..to];
                Some((alike.first()?.len(), length + 1))
            });
        steps.filter(|(shortest, length)| shortest == length).map(|(_, length)| length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_cut_behind_its_first_letter() {
        let spellings = Spellings::new(["<s>", "s>x", "<<"].into_iter().map(String::from));
        assert_eq!(spellings.cut("a<s>x<s<<s>"), ["a<", "s", ">x<s<", "<", "s>"]);
        assert_eq!(spellings.cut("nothing"), ["nothing"]);
        assert!(spellings.cut("").is_empty());
        assert!(spellings.are_in("a<<") && !spellings.are_in("a<s") && !spellings.are_in(""));
        assert_eq!(spellings.blanked("é<s>x<<s>é<s"), "é x s>é<s");
    }
}
