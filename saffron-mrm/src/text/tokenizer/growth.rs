//! How much longer a tokenizer's steps can make a text.

use super::refusal::Refusal;

/// The most bytes that one byte of text may become.
const MAX_GROWTH: f64 = 100.0;
/// The most that Unicode's normal forms, lower case and the like make of a byte (U+FDFA, which has
/// three, becomes 33), however often they follow each other.
pub(super) const UNICODE: f64 = 12.0;

/// Bounds of a text's length behind some steps: at most `times` the bytes that it had, `and` some
/// more for every stretch between special tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    times: f64,
    and: f64,
    /// Whether nothing but steps of Unicode came last: further ones make the text no longer.
    unicode: bool,
}

impl Default for Growth {
    fn default() -> Self {
        Self { times: 1.0, and: 0.0, unicode: false }
    }
}

impl Growth {
    /// A step that makes of every byte at most so many.
    pub(super) fn times(&mut self, factor: f64) {
        let factor = factor.max(1.0);
        self.times *= factor;
        self.and *= factor;
        self.unicode = false;
    }

    /// A step of Unicode.
    pub(super) fn unicode(&mut self) {
        if !self.unicode {
            self.times(UNICODE);
            self.unicode = true;
        }
    }

    /// A step that puts some bytes before every stretch.
    pub(super) fn and(&mut self, bytes: usize) {
        self.and += bytes as f64;
        self.unicode = false;
    }

    /// Whether that is not too much.
    pub(super) fn check(&self, field: &str) -> Result<(), Refusal> {
        let found = self.times + self.and;
        if found <= MAX_GROWTH {
            return Ok(());
        }
        let expected = format!("steps that make at most {MAX_GROWTH} bytes of one");
        Err(Refusal::new(field, expected, format!("up to {found:.0}")))
    }
}
