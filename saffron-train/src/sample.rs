//! Training samples and their batches: host data only.

use saffron_core::Token;

use crate::TrainError;

/// One sequence and its rewards: `rewards[j]` is R of the sequence up to and including token `j + 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    tokens: Vec<Token>,
    rewards: Vec<f32>,
}

impl Sample {
    /// # Errors
    ///
    /// Fewer than two tokens, another number of rewards than of tokens after the first, rewards that are not finite.
    pub fn new(tokens: Vec<Token>, rewards: Vec<f32>) -> Result<Self, TrainError> {
        if tokens.len() < 2 || rewards.len() + 1 != tokens.len() {
            return Err(TrainError::SampleLength { tokens: tokens.len(), rewards: rewards.len() });
        }
        match rewards.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((position, value)) => Err(TrainError::Reward { position, value: *value }),
            None => Ok(Self { tokens, rewards }),
        }
    }

    /// The sequence.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Its rewards, from the second token on.
    #[must_use]
    pub fn rewards(&self) -> &[f32] {
        &self.rewards
    }
}

/// Samples laid out for one forward pass: inputs padded at their ends to one length, and the supervised rows among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Number of samples.
    pub sequences: usize,
    /// Input tokens per sample, padding included: all of the longest sample's but its last.
    pub length: usize,
    /// Input tokens, sample by sample.
    pub tokens: Vec<Token>,
    /// Their positions.
    pub positions: Vec<u32>,
    /// Rows that predict a supervised token.
    pub rows: Vec<u32>,
    /// That token.
    pub targets: Vec<Token>,
    /// Its reward.
    pub rewards: Vec<f32>,
}

impl Batch {
    /// Lays samples out for a model with `vocab_size` embeddings and contexts of `limit` tokens.
    ///
    /// # Errors
    ///
    /// No samples, tokens that the model does not have, samples that are too long.
    pub fn new(samples: &[Sample], vocab_size: usize, limit: usize) -> Result<Self, TrainError> {
        let length = samples.iter().map(|sample| sample.tokens.len() - 1).max().ok_or(TrainError::EmptyBatch)?;
        let mut batch = Self {
            sequences: samples.len(),
            length,
            tokens: Vec::with_capacity(samples.len() * length),
            positions: (0..samples.len()).flat_map(|_| 0..length as u32).collect(),
            rows: Vec::new(),
            targets: Vec::new(),
            rewards: Vec::new(),
        };
        for (place, sample) in samples.iter().enumerate() {
            check(place, sample, vocab_size, limit)?;
            batch.add(place, sample);
        }
        Ok(batch)
    }

    fn add(&mut self, place: usize, sample: &Sample) {
        let inputs = sample.tokens.len() - 1;
        let first = (place * self.length) as u32;
        self.tokens.extend(&sample.tokens[..inputs]);
        self.tokens.extend(std::iter::repeat_n(0, self.length - inputs));
        self.rows.extend(first..first + inputs as u32);
        self.targets.extend(&sample.tokens[1..]);
        self.rewards.extend(&sample.rewards);
    }
}

fn check(place: usize, sample: &Sample, size: usize, limit: usize) -> Result<(), TrainError> {
    if sample.tokens.len() > limit {
        return Err(TrainError::TooLong { sample: place, length: sample.tokens.len(), limit });
    }
    match sample.tokens.iter().find(|token| **token as usize >= size) {
        Some(token) => Err(TrainError::Token { sample: place, token: *token, size }),
        None => Ok(()),
    }
}
