//! What can be wrong with a server.

use std::time::Duration;

use saffron_core::{ModelError, Token, shortened};

use super::ApiKey;

/// The most characters of a text in an error.
const SHOWN: usize = 1500;

/// A server could not be used. No variant holds the key, whatever the server has sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Settings that no server can be asked with.
    #[error("settings of a server: {reason}")]
    Settings {
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or one that broke off.
    #[error("{endpoint} cannot be reached ({tries} tries): {reason}")]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// How often it was tried.
        tries: u32,
        /// What the last try said.
        reason: String,
    },
    /// A server that was still loading its model at the deadline.
    #[error("{endpoint} is not ready after {waited:.0?}: {reason}")]
    NotReady {
        /// The endpoint.
        endpoint: String,
        /// The time waited.
        waited: Duration,
        /// Its last message, or why there was none.
        reason: String,
    },
    /// No answer in time.
    #[error("{endpoint} gave no answer within {after:?}")]
    TimedOut {
        /// The endpoint.
        endpoint: String,
        /// The time that it had.
        after: Duration,
    },
    /// An answer that says no.
    #[error("{endpoint} answered {status} ({tries} tries): {message}")]
    Refused {
        /// The endpoint.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// How often it was tried.
        tries: u32,
        /// The beginning of what it said.
        message: String,
    },
    /// An answer larger than is read.
    #[error("{endpoint} sent more than {limit} bytes")]
    TooLarge {
        /// The endpoint.
        endpoint: String,
        /// The most that is read.
        limit: u64,
    },
    /// An answer that is no answer to what was asked.
    #[error("{endpoint} sent an answer that cannot be used: {problem}")]
    Answer {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        problem: AnswerProblem,
    },
    /// A server that has to be started otherwise, or of which something has to be said.
    #[error("{endpoint}: {found}; {remedy}")]
    Setup {
        /// The endpoint.
        endpoint: String,
        /// What was found.
        found: String,
        /// What to do.
        remedy: String,
    },
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerProblem {
    /// Not JSON, or JSON of another shape.
    #[error("{0}")]
    Malformed(String),
    /// Another number of answers than of questions.
    #[error("{expected} sequences were asked for, {found} were answered")]
    Count {
        /// Sequences in the request.
        expected: usize,
        /// Answers to them.
        found: usize,
    },
    /// No ids of tokens.
    #[error("sequence {sequence} has tokens without their ids")]
    NoIds {
        /// Place in the request.
        sequence: usize,
    },
    /// Fewer log-probabilities than were asked for.
    #[error("sequence {sequence} has {found} log-probabilities, {expected} were asked for")]
    TooFew {
        /// Place in the request.
        sequence: usize,
        /// How many were asked for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A log-probability that cannot be one.
    #[error("sequence {sequence} has {value} as the log-probability of token {token}")]
    NotALogprob {
        /// Place in the request.
        sequence: usize,
        /// The token.
        token: u64,
        /// What stands there.
        value: String,
    },
    /// A log-probability that stands for a token which a sampler has ruled out.
    #[error("sequence {sequence} has {value} as the log-probability of token {token}: a sampler has ruled it out")]
    RuledOut {
        /// Place in the request.
        sequence: usize,
        /// The token.
        token: u64,
        /// What stands there.
        value: String,
    },
    /// Probabilities that are none together.
    #[error("the probabilities of sequence {sequence} add up to {sum}")]
    Sum {
        /// Place in the request.
        sequence: usize,
        /// What they add up to, above 1.
        sum: f64,
    },
    /// An id that the vocabulary lacks.
    #[error("sequence {sequence} has token {token}, outside a vocabulary of {size}")]
    OutOfVocabulary {
        /// Place in the request.
        sequence: usize,
        /// The token.
        token: u64,
        /// Number of ids.
        size: usize,
    },
    /// A token twice.
    #[error("sequence {sequence} has token {token} twice")]
    Twice {
        /// Place in the request.
        sequence: usize,
        /// The token.
        token: u64,
    },
    /// One of two tokens that were asked for by their ids is not there.
    #[error("sequence {sequence} lacks a log-probability of token {} or {}, which were asked for", tokens[0], tokens[1])]
    Missing {
        /// Place in the request.
        sequence: usize,
        /// The tokens.
        tokens: [Token; 2],
    },
    /// No value of a token that was asked for by its id.
    #[error("sequence {sequence} lacks token {token}, which was asked for by its id")]
    Lacks {
        /// Place in the request.
        sequence: usize,
        /// The token.
        token: Token,
    },
    /// A value that cannot be a logit.
    #[error("sequence {sequence} has {value} as the logit of token {token}")]
    NotALogit {
        /// Place in the request.
        sequence: usize,
        /// The token.
        token: Token,
        /// What stands there.
        value: String,
    },
    /// A hidden state of another width than the unembedding, or with a value that is not finite.
    #[error("sequence {sequence} has {found} as its hidden state, expected {width} finite numbers")]
    NotHidden {
        /// Place in the request.
        sequence: usize,
        /// The width of the unembedding.
        width: usize,
        /// What stands there.
        found: String,
    },
    /// Another model than the one that was there at the start.
    #[error("the model is {found:?} now, it was {expected:?}")]
    OtherModel {
        /// At the start.
        expected: String,
        /// Now.
        found: String,
    },
}

impl RemoteError {
    /// The error without the key, should the server have repeated it, and without what would make
    /// it endless. Every error goes through this where it is made.
    pub(super) fn without(self, key: Option<&ApiKey>) -> Self {
        let blotted = |text: String| shown(&text, key);
        match self {
            Self::Settings { reason } => Self::Settings { reason: blotted(reason) },
            Self::Unreachable { endpoint, tries, reason } => {
                Self::Unreachable { endpoint, tries, reason: blotted(reason) }
            }
            Self::NotReady { endpoint, waited, reason } => Self::NotReady { endpoint, waited, reason: blotted(reason) },
            Self::Refused { endpoint, status, tries, message } => {
                Self::Refused { endpoint, status, tries, message: blotted(message) }
            }
            Self::Answer { endpoint, problem } => Self::Answer { endpoint, problem: problem.without(key) },
            Self::Setup { endpoint, found, remedy } => Self::Setup { endpoint, found: blotted(found), remedy },
            error @ (Self::TimedOut { .. } | Self::TooLarge { .. }) => error,
        }
    }
}

/// What is shown of a text that a server may have written.
fn shown(text: &str, key: Option<&ApiKey>) -> String {
    let text = key.map_or_else(|| text.to_owned(), |key| key.blotted(text));
    shortened(&text, SHOWN)
}

impl AnswerProblem {
    /// Whether the same question may get a whole row: engines leave values out, or put a floor in
    /// their place, where requests of different kinds share a step.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::TooFew { .. }
                | Self::NotALogprob { .. }
                | Self::RuledOut { .. }
                | Self::Lacks { .. }
                | Self::NotALogit { .. }
                | Self::NotHidden { .. }
        )
    }

    fn without(self, key: Option<&ApiKey>) -> Self {
        match self {
            Self::Malformed(reason) => Self::Malformed(shown(&reason, key)),
            Self::NotALogprob { sequence, token, value } => {
                Self::NotALogprob { sequence, token, value: shown(&value, key) }
            }
            Self::NotALogit { sequence, token, value } => {
                Self::NotALogit { sequence, token, value: shown(&value, key) }
            }
            Self::OtherModel { expected, found } => {
                Self::OtherModel { expected: shown(&expected, key), found: shown(&found, key) }
            }
            other => other,
        }
    }
}

impl From<RemoteError> for ModelError {
    fn from(error: RemoteError) -> Self {
        Self::other("asking a server", error)
    }
}
