//! What a policy proposes as next tokens.

use serde::{Deserialize, Serialize};

use crate::token::Token;

/// One next token and the policy's log-probability (natural logarithm) for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The token.
    pub token: Token,
    /// ln π(token | context), after temperature and bans, before any cut.
    pub logprob: f32,
}

/// Whether the policy could look at its whole distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Coverage {
    /// The cut was made on the whole distribution.
    Full,
    /// The policy (a remote engine, say) only knew its most probable tokens, and they did not hold the mass asked for, or what it did not
    /// know had to be estimated.
    Truncated,
}

/// Next tokens, most probable first (ties: lower token id first), with the probability mass they hold together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidates {
    /// The tokens in rank order.
    pub ranked: Vec<Candidate>,
    /// Sum of their probabilities, in [0, 1].
    pub mass: f32,
    /// Whether the cut saw the whole distribution.
    pub coverage: Coverage,
}

impl Candidates {
    /// Number of candidates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranked.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranked.is_empty()
    }

    /// The candidates' tokens in rank order.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.ranked.iter().map(|candidate| candidate.token)
    }
}
