//! Bytes that were damaged on purpose, the same in every run.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::random::below;

/// Damages bytes: flips bits, overwrites, removes, copies and swaps bytes, inserts tokens of JSON.
///
/// ```
/// use saffron_core::testing::Mutator;
/// let mutant = |seed| Mutator::new(seed).mutant(b"{\"a\": 1}");
/// assert_eq!(mutant(1), mutant(1));
/// ```
#[derive(Clone, Debug)]
pub struct Mutator(ChaCha8Rng);

impl Mutator {
    /// Mutants of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The bytes after one to four changes.
    pub fn mutant(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutant = bytes.to_vec();
        for _ in 0..=below(&mut self.0, 4) {
            self.change(&mut mutant);
        }
        mutant
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let place = below(&mut self.0, bytes.len());
        let length = 1 + below(&mut self.0, 8.min(bytes.len() - place));
        let block = place..place + length;
        match below(&mut self.0, 8) {
            0 => bytes[place] ^= 1 << below(&mut self.0, 8),
            1 => bytes[place] = below(&mut self.0, 256) as u8,
            2 => bytes[block].fill([0x00, 0xff, 0x7f, 0x80][below(&mut self.0, 4)]),
            3 => drop(bytes.drain(block)),
            4 => {
                let copy = bytes[block].to_vec();
                let to = below(&mut self.0, bytes.len());
                bytes.splice(to..to, copy);
            }
            5 => bytes.truncate(place),
            6 => {
                let text: &[u8] = [&b"\""[..], b"[", b"{", b"}", b",", b":", b"1e999", b"-1", b"null", b"\n", b"\xff"]
                    [below(&mut self.0, 11)];
                bytes.splice(place..place, text.iter().copied());
            }
            _ => {
                let other = below(&mut self.0, bytes.len());
                bytes.swap(place, other);
            }
        }
    }
}
