//! Stop strings in a text that comes piece by piece.

use super::answer::Piece;

/// Cuts a text before the first stop string. What may be the beginning of one is held back.
#[derive(Debug, Default)]
pub(super) struct StopFilter {
    stops: Vec<String>,
    held: Vec<Piece>,
    matched: bool,
}

impl StopFilter {
    pub(super) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: Vec::new(), matched: false }
    }

    /// Whether a stop string has come. Nothing comes out behind it.
    pub(super) fn matched(&self) -> bool {
        self.matched
    }

    /// The pieces that the next one lets go.
    pub(super) fn push(&mut self, piece: Piece) -> Vec<Piece> {
        if self.matched {
            return Vec::new();
        }
        self.held.push(piece);
        let text: String = self.held.iter().map(|piece| piece.text.as_str()).collect();
        if let Some(cut) = self.stops.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            self.matched = true;
            return cut_at(std::mem::take(&mut self.held), cut);
        }
        let certain = text.len() - self.stops.iter().map(|stop| overlap(&text, stop)).max().unwrap_or_default();
        let mut end = 0;
        let ready = self.held.iter().take_while(|piece| {
            end += piece.text.len();
            end <= certain
        });
        let ready = ready.count();
        self.held.drain(..ready).collect()
    }

    /// The pieces that were held back, when the text is over.
    pub(super) fn finish(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.held)
    }
}

/// The pieces before a place in their text; the one that it falls into is cut.
fn cut_at(pieces: Vec<Piece>, cut: usize) -> Vec<Piece> {
    let mut left = cut;
    let mut kept = Vec::new();
    for mut piece in pieces {
        if left == 0 {
            break;
        }
        if piece.text.len() > left {
            piece.text.truncate(left);
        }
        left -= piece.text.len();
        kept.push(piece);
    }
    kept
}

/// The bytes at the end of a text that a stop string begins with; not all of the string.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = stop.len().saturating_sub(1).min(text.len());
    (1..=longest).rev().find(|length| text.as_bytes().ends_with(&stop.as_bytes()[..*length])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Piece, StopFilter};

    fn piece(text: &str) -> Piece {
        Piece { token: 0, text: text.to_owned(), logprob: None }
    }

    /// What comes out after every piece, and at the end.
    fn released(stops: &[&str], pieces: &[&str]) -> Vec<String> {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut filter = StopFilter::new(&stops);
        let text = |pieces: Vec<Piece>| pieces.into_iter().map(|piece| piece.text).collect::<String>();
        let mut released: Vec<String> = pieces.iter().map(|it| text(filter.push(piece(it)))).collect();
        released.push(text(filter.finish()));
        released
    }

    #[test]
    fn a_beginning_of_a_stop_string_is_held_until_it_is_none() {
        assert_eq!(released(&["END"], &["a", "bE", "N", "x", "E"]), ["a", "", "", "bENx", "", "E"]);
        assert_eq!(released(&[], &["a", "b"]), ["a", "b", ""]);
    }

    #[test]
    fn the_text_ends_before_the_first_stop_string() {
        assert_eq!(released(&["END"], &["one E", "ND two", "three"]), ["", "one ", "", ""]);
        assert_eq!(released(&["b", "ab"], &["x", "ab"]), ["x", "", ""]);
        assert_eq!(released(&["\n\n", "stop"], &["say sto", "p\n", "\n"]), ["", "say ", "", ""]);
        assert_eq!(released(&["a"], &["abc"]), ["", ""]);
        assert_eq!(released(&["€"], &["1 ", "€ 2"]), ["1 ", "", ""]);
    }

    #[test]
    fn any_cut_into_pieces_gives_the_same_text() {
        let text = "aabaabaaab";
        let whole = |pieces: &[&str]| released(&["aaab", "bab"], pieces).concat();
        for first in 1..text.len() {
            for second in first..text.len() {
                assert_eq!(whole(&[&text[..first], &text[first..second], &text[second..]]), "aabaab");
            }
        }
    }
}
