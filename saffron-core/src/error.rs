//! Errors of settings and of models. Each says what was expected, what was found and where.

use std::error::Error;

use crate::stop::StopReason;
use crate::token::Token;
use crate::vocabulary::VocabularyId;

/// A setting that no search or filter can run with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// top-p must lie in (0, 1].
    #[error("top_p must lie in (0, 1], found {found}")]
    TopP {
        /// The value given.
        found: f32,
    },
    /// min-p must lie in [0, 1].
    #[error("min_p must lie in [0, 1], found {found}")]
    MinP {
        /// The value given.
        found: f32,
    },
    /// The temperature must be finite and above zero.
    #[error("temperature must be finite and above 0, found {found}")]
    Temperature {
        /// The value given.
        found: f32,
    },
    /// A count that must be at least one is zero.
    #[error("{what} must be at least 1, found 0")]
    Zero {
        /// Which setting.
        what: &'static str,
    },
    /// A strategy needs a size (its width, samples, beams, …), and none is given.
    #[error("the strategy needs a size, its {what}, found none")]
    NoSize {
        /// What the size counts.
        what: &'static str,
    },
    /// A size is given to a strategy that has none.
    #[error("the strategy has no size, found {found}")]
    SizeWithoutUse {
        /// The size.
        found: usize,
    },
    /// A strategy decides by rewards, and there is no reward model.
    #[error("{strategy} needs a reward model, found none")]
    NoRewardModel {
        /// The strategy.
        strategy: String,
    },
    /// Thresholds must be numbers in order.
    #[error("unsafe_below must not lie above safe_from, found {unsafe_below} and {safe_from}")]
    Thresholds {
        /// Rewards below it are unsafe.
        unsafe_below: f32,
        /// Rewards from it on are safe.
        safe_from: f32,
    },
    /// Settings that exclude each other.
    #[error("{what} cannot be used with {with}")]
    NotTogether {
        /// The one.
        what: &'static str,
        /// The other.
        with: &'static str,
    },
    /// A number must be finite and above zero.
    #[error("{what} must be finite and above 0, found {found}")]
    NotPositive {
        /// Which setting.
        what: &'static str,
        /// The value given.
        found: f32,
    },
    /// A number must lie in a range.
    #[error("{what} must lie in {expected}, found {found}")]
    OutOfRange {
        /// Which setting.
        what: &'static str,
        /// The range.
        expected: &'static str,
        /// The value given.
        found: f32,
    },
    /// A text must not be blank.
    #[error("{what} must not be blank")]
    Blank {
        /// Which setting.
        what: &'static str,
    },
    /// A strategy has a text for the policy to read, and the policy's vocabulary encodes none.
    #[error("{what} is text, but the policy's vocabulary turns ids into text only")]
    NoEncoding {
        /// Which setting.
        what: &'static str,
    },
    /// A strategy needs the reply header of the policy's layout, and there is none.
    #[error("the strategy needs the policy's reply header, but its layout has none: set `header`")]
    NoReplyHeader,
    /// A penalty must be a finite number.
    #[error("{what} must be finite, found {found}")]
    NotFinite {
        /// Which setting.
        what: &'static str,
        /// The value given.
        found: f32,
    },
}

/// A model could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The prompt has no tokens.
    #[error("the prompt is empty: a session needs at least one prompt token")]
    EmptyPrompt,
    /// The rendered context does not fit the model.
    #[error("the context has {length} tokens, the model has room for {limit}")]
    ContextTooLong {
        /// Tokens of prompt, layout and response together.
        length: usize,
        /// The model's limit.
        limit: usize,
    },
    /// A token id that the vocabulary does not have.
    #[error("token id {token} lies outside a vocabulary of {size}")]
    TokenOutOfRange {
        /// The id.
        token: Token,
        /// Number of ids.
        size: usize,
    },
    /// A model put out a number that is none.
    #[error("the model gave {value} for token id {token} of session {session}: {what} must not be NaN")]
    NotANumber {
        /// `logits`, `log-probabilities` or `rewards`.
        what: &'static str,
        /// Place of the session in the batch.
        session: usize,
        /// The token.
        token: Token,
        /// The value.
        value: f32,
    },
    /// Every next token is impossible.
    #[error("no next token is possible for session {session}: all {size} logits are banned or −∞")]
    NoToken {
        /// Place of the session in the batch.
        session: usize,
        /// Number of logits.
        size: usize,
    },
    /// Ids of one vocabulary were given to a model of another that cannot convert them.
    #[error("token ids of vocabulary {found} mean nothing to a model of vocabulary {expected}")]
    VocabularyMismatch {
        /// The model's.
        expected: VocabularyId,
        /// The session's.
        found: VocabularyId,
    },
    /// The parts of a batch, or of a model's answer, do not belong together.
    #[error("{what}: expected {expected}, found {found}")]
    BatchMismatch {
        /// Which count.
        what: &'static str,
        /// The count it must have.
        expected: usize,
        /// The count it has.
        found: usize,
    },
    /// A setting that cannot be run with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model panicked; it is not asked again.
    #[error("the model panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// No model was asked: the port ends the search. The search ends as with a spent budget.
    #[error("the search was halted: {0}")]
    Halted(StopReason),
    /// Anything that only the implementation knows: a cache without room, a backend's failure, a server's answer.
    #[error("{context}")]
    Other {
        /// What the model was doing.
        context: &'static str,
        /// Why it could not.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ModelError {
    /// Wraps an implementation's own error.
    pub fn other(context: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other { context, source: source.into() }
    }
}
