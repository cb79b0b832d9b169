//! Why a sequence, or a whole search, ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::budget::Limit;
use crate::token::Token;

/// Why a sequence or a search ended. Every result carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StopReason {
    /// The sequence ended with this end-of-sequence token.
    EndOfSequence(Token),
    /// The sequence has as many new tokens as are allowed.
    MaxNewTokens,
    /// No next token may be taken: all candidates are unseen by the reward model.
    NoSeenCandidate,
    /// Better sequences took its place in the beam.
    Pruned,
    /// A limit of the budget was reached.
    Budget(Limit),
    /// An observer asked to stop.
    Observer,
    /// Whoever had asked for the search no longer wants it.
    Cancelled,
    /// The strategy ended the search for reasons of its own.
    Strategy,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndOfSequence(token) => write!(f, "end of sequence (token {token})"),
            Self::MaxNewTokens => f.write_str("maximum of new tokens"),
            Self::NoSeenCandidate => f.write_str("no seen candidate"),
            Self::Pruned => f.write_str("pruned"),
            Self::Budget(limit) => write!(f, "budget spent: {limit}"),
            Self::Observer => f.write_str("stopped by an observer"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Strategy => f.write_str("ended by the strategy"),
        }
    }
}
