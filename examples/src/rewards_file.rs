//! The rewards of a multifurcation reward model in a file, for comparing it with another
//! implementation.

use std::path::Path;

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use saffron_core::Token;
use saffron_core::random::below;
use saffron_mrm::Mrm;
use serde::{Deserialize, Serialize};

use crate::output::line;
use crate::prompt::{read_json, save};

/// Sequences with the rewards after their last tokens, bias added, unseen tokens' too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardsFile {
    /// Raw ids, no template.
    pub sequences: Vec<Vec<Token>>,
    /// For each sequence one reward a vocabulary entry.
    #[serde(default)]
    pub rewards: Vec<Vec<f32>>,
    /// The unseen tokens, ascending, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Vec<Token>>,
}

impl RewardsFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        read_json(path)
    }

    /// Writes a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        save(path, &serde_json::to_vec(self)?)
    }

    /// A model's rewards of sequences.
    ///
    /// # Errors
    ///
    /// Sequences that the model cannot read.
    pub fn of(mrm: &mut Mrm, sequences: Vec<Vec<Token>>) -> Result<Self> {
        let unseen = mrm.head().unseen.iter().collect();
        Ok(Self { rewards: mrm.raw_rewards(&sequences)?, unseen: Some(unseen), sequences })
    }

    /// Compares rewards found with those expected, and prints the greatest difference of each
    /// sequence.
    ///
    /// # Errors
    ///
    /// A difference above `tolerance`, other unseen tokens, rewards that cannot be compared.
    pub fn compare(&self, found: &Self, tolerance: f32) -> Result<()> {
        ensure!(!self.rewards.is_empty(), "there are no rewards to compare with");
        ensure!(self.rewards.len() == found.rewards.len(), "another number of rewards than of sequences");
        for (place, (expected, found)) in self.rewards.iter().zip(&found.rewards).enumerate() {
            ensure!(
                expected.len() == found.len(),
                "sequence {place}: {} rewards for {} tokens",
                expected.len(),
                found.len()
            );
            let finite = found.iter().chain(expected).all(|value| value.is_finite());
            ensure!(finite, "sequence {place}: a reward is no number");
            let greatest = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            line(format_args!("sequence {place}: greatest difference {greatest:.2e}"))?;
            ensure!(greatest <= tolerance, "sequence {place}: {greatest:.2e} is more than {tolerance:.0e}");
        }
        if self.unseen.is_some() {
            ensure!(self.unseen == found.unseen, "the unseen tokens differ");
            line("the same unseen tokens")?;
        }
        Ok(())
    }
}

/// Three sequences of 5, 9 and 13 tokens, drawn by a seed.
#[must_use]
pub fn sequences(seed: u64, vocab_size: usize) -> Vec<Vec<Token>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    [5, 9, 13].map(|length| (0..length).map(|_| below(&mut rng, vocab_size) as Token).collect()).to_vec()
}
