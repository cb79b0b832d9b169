//! What can go wrong in training.

use saffron_core::Token;
use saffron_mrm::LoadError;

/// Training cannot begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A model or adapter that does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A sample with another number of rewards than of tokens after the first.
    #[error("a sample of {tokens} tokens has {rewards} rewards; each token but the first has one")]
    SampleLength {
        /// Tokens.
        tokens: usize,
        /// Rewards.
        rewards: usize,
    },
    /// A reward that is no number.
    #[error("reward {position} of a sample is {value}")]
    Reward {
        /// Its place.
        position: usize,
        /// The value.
        value: f32,
    },
    /// A token that the model has no embedding for.
    #[error("token id {token} of sample {sample} lies outside a vocabulary of {size}")]
    Token {
        /// The sample's place in the batch.
        sample: usize,
        /// The id.
        token: Token,
        /// Number of ids.
        size: usize,
    },
    /// A sample longer than the model's context.
    #[error("sample {sample} has {length} tokens, the model has room for {limit}")]
    TooLong {
        /// The sample's place in the batch.
        sample: usize,
        /// Its length.
        length: usize,
        /// The model's limit.
        limit: usize,
    },
    /// A batch without samples.
    #[error("a batch needs at least one sample")]
    EmptyBatch,
    /// The loss is no number any more: the learning rate is too high, or a weight is damaged.
    #[error("the loss of step {step} is {value}")]
    Diverged {
        /// The step.
        step: u64,
        /// The value.
        value: f32,
    },
}
