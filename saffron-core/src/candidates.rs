//! What a policy proposes as next tokens.

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::random::LogWeights;
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

    /// Draws a candidate with its probability among all candidates; `None` if there is none. Takes
    /// one random number.
    ///
    /// ```
    /// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    /// use saffron_core::{Candidate, Candidates, Coverage};
    /// let ranked = [(7, 0.75f32), (3, 0.25)].map(|(token, p)| Candidate { token, logprob: p.ln() });
    /// let candidates = Candidates { ranked: ranked.to_vec(), mass: 1.0, coverage: Coverage::Full };
    /// let mut rng = ChaCha8Rng::seed_from_u64(1);
    /// let drawn = (0..1000).filter(|_| candidates.draw(&mut rng).is_some_and(|drawn| drawn.token == 7));
    /// assert!((700..800).contains(&drawn.count()));
    /// ```
    pub fn draw(&self, rng: &mut impl Rng) -> Option<Candidate> {
        let weights = LogWeights::new(self.ranked.iter().map(|candidate| f64::from(candidate.logprob)));
        weights.draw(rng).map(|place| self.ranked[place])
    }
}
