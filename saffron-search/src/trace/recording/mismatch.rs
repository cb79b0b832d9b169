//! How a request can differ from the recorded one.

use saffron_core::{CandidateFilter, ModelError, Role, Token};

/// A recording does not hold the answer to what is asked. Calls and sessions count from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// More is asked than was recorded.
    #[error("call {call}: the recording ends after {call} calls")]
    Exhausted {
        /// Place of the call.
        call: usize,
    },
    /// Another model is asked.
    #[error("call {call}: expected one of the {expected} model, found one of the {found} model")]
    Role {
        /// Place of the call.
        call: usize,
        /// The model that was asked.
        expected: Role,
        /// The model that is asked.
        found: Role,
    },
    /// The batch has another size.
    #[error("call {call}: expected {expected} sessions, found {found}")]
    Sessions {
        /// Place of the call.
        call: usize,
        /// Sessions recorded.
        expected: usize,
        /// Sessions asked about.
        found: usize,
    },
    /// A session has other tokens.
    #[error("call {call}, session {session}: expected the {what} {expected:?}, found {found:?}")]
    Tokens {
        /// Place of the call.
        call: usize,
        /// Place of the session in the batch.
        session: usize,
        /// `prompt`, `prefill`, `response` or `candidates`.
        what: &'static str,
        /// The tokens recorded.
        expected: Vec<Token>,
        /// The tokens asked about.
        found: Vec<Token>,
    },
    /// Other candidates are asked for.
    #[error("call {call}: expected the filter {expected:?}, found {found:?}")]
    Filter {
        /// Place of the call.
        call: usize,
        /// The filter recorded.
        expected: Box<CandidateFilter>,
        /// The filter asked for.
        found: Box<CandidateFilter>,
    },
    /// The model had failed when this was recorded.
    #[error("call {call}: the model failed when this was recorded: {message}")]
    Failed {
        /// Place of the call.
        call: usize,
        /// What it said.
        message: String,
    },
    /// The recording answers with something else than was asked for.
    #[error("call {call}: the recorded answer is not of the kind that was asked for")]
    Answer {
        /// Place of the call.
        call: usize,
    },
}

impl From<ReplayError> for ModelError {
    fn from(error: ReplayError) -> Self {
        Self::other("answering from a recording", error)
    }
}
