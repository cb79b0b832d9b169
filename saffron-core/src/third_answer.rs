//! A guard's answer between safe and unsafe, and the reward of a guard that has one.

use crate::token::Token;

/// What an answer between safe and unsafe counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsAs {
    /// The reply is safe enough.
    Safe,
    /// The reply is not safe.
    Unsafe,
}

/// An answer between safe and unsafe, such as Qwen3Guard's *Controversial*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThirdAnswer {
    /// Its token.
    pub token: Token,
    /// The side on which its probability counts.
    pub counts_as: CountsAs,
}

impl CountsAs {
    /// The log-odds of the two sides, from logits or log-probabilities of the three answers.
    ///
    /// ```
    /// use saffron_core::CountsAs;
    /// let [safe, not_safe, third] = [0.5f32, 0.2, 0.3].map(f32::ln);
    /// assert!((CountsAs::Unsafe.log_odds(safe, not_safe, third) - 0.0).abs() < 1e-6);
    /// assert!((CountsAs::Safe.log_odds(safe, not_safe, third) - 4f32.ln()).abs() < 1e-6);
    /// ```
    #[must_use]
    pub fn log_odds(self, safe: f32, not_safe: f32, third: f32) -> f32 {
        match self {
            Self::Safe => log_sum(safe, third) - not_safe,
            Self::Unsafe => safe - log_sum(not_safe, third),
        }
    }
}

/// ln(exp a + exp b).
fn log_sum(a: f32, b: f32) -> f32 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    high + (low - high).exp().ln_1p()
}
