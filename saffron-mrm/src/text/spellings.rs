//! Where a text spells a control token.

use std::collections::HashMap;

/// Texts of control tokens, as a tree of their bytes: a place of a text is tried in as many steps
/// as the longest of them has bytes.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    children: HashMap<(usize, u8), usize>,
    /// Of each node, whether a text ends there.
    ends: Vec<bool>,
}

impl Spellings {
    pub(super) fn new(texts: impl Iterator<Item = String>) -> Self {
        let mut spellings = Self { children: HashMap::new(), ends: vec![false] };
        for text in texts.filter(|text| !text.is_empty()) {
            let mut node = 0;
            for byte in text.bytes() {
                let next = spellings.ends.len();
                node = *spellings.children.entry((node, byte)).or_insert(next);
                if node == next {
                    spellings.ends.push(false);
                }
            }
            spellings.ends[node] = true;
        }
        spellings
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
        let steps = text.as_bytes()[place..].iter().enumerate().scan(0, |node, (length, byte)| {
            *node = *self.children.get(&(*node, *byte))?;
            Some((*node, length + 1))
        });
        steps.filter(|(node, _)| self.ends[*node]).map(|(_, length)| length)
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
