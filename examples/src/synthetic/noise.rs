//! Errors of a reward model that are the same whenever it is asked.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::Token;
use saffron_core::random::normal;

/// Normally distributed errors, independent from prefix to prefix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Their standard deviation, in units of quality.
    pub std: f64,
    /// Equal seeds give equal errors.
    pub seed: u64,
}

impl Noise {
    /// The error about one prefix of an answer in one world.
    #[must_use]
    pub fn at(&self, place: usize, response: &[Token]) -> f64 {
        if self.std == 0.0 {
            return 0.0;
        }
        let parts = [place as u64].into_iter().chain(response.iter().map(|token| u64::from(*token) + 1));
        // FNV-1a over words; ChaCha makes good what it mixes badly.
        let hash =
            parts.fold(0xcbf2_9ce4_8422_2325 ^ self.seed, |hash, part| (hash ^ part).wrapping_mul(0x100_0000_01b3));
        self.std * normal(&mut ChaCha8Rng::seed_from_u64(hash))
    }
}
