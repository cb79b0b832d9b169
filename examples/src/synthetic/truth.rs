//! What prefixes are worth, by dynamic programming over states, from the last token back.

use saffron_core::{CandidateFilter, Candidates, ModelError, Token};

use super::world::{END, State, World};

/// What is asked of the answers that a prefix can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// Their mean quality, if the policy goes on by itself.
    Expected,
    /// The quality of the best of them.
    Best,
}

/// The worth of every prefix in one world.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// What is still to come, by tokens so far and state.
    rest: Vec<Vec<f64>>,
}

impl Values {
    /// Solves a world over the next tokens that `filter` leaves the policy.
    ///
    /// # Errors
    ///
    /// A filter that cannot be run with.
    pub fn of(world: &World, filter: &CandidateFilter, fold: Fold) -> Result<Self, ModelError> {
        let length = world.length();
        let candidates = |generated| -> Result<Vec<Candidates>, ModelError> {
            // Of a response only its length matters: answers of these worlds may say things twice.
            let response = vec![0; generated];
            State::all().map(|state| filter.apply(&world.logits(state), &response, 0)).collect()
        };
        let (early, late) = (candidates(0)?, candidates(length.min)?);
        let mut rest = vec![State::all().map(|state| world.ending(state)).collect::<Vec<f64>>()];
        for generated in (0..length.max).rev() {
            let candidates = if generated < length.min { &early } else { &late };
            let after = &rest[rest.len() - 1];
            let value = |state: State| fold_over(world, state, &candidates[state.index()], after, fold);
            rest.push(State::all().map(value).collect());
        }
        rest.reverse();
        Ok(Self { rest })
    }

    /// The worth of a prefix: for a finished answer its quality.
    #[must_use]
    pub fn value(&self, world: &World, response: &[Token]) -> f64 {
        if world.is_finished(response) {
            return world.quality(response);
        }
        world.gains(response) + self.rest[response.len()][world.state(response).index()]
    }
}

/// What is to come after a state, from what is to come after its successors.
fn fold_over(world: &World, state: State, candidates: &Candidates, after: &[f64], fold: Fold) -> f64 {
    let value = |token: Token| match token {
        END => world.ending(state),
        _ => world.gain(token) + after[state.then(token).index()],
    };
    match fold {
        Fold::Best => candidates.tokens().map(value).fold(f64::NEG_INFINITY, f64::max),
        Fold::Expected => {
            let weighed = candidates.ranked.iter().map(|next| (f64::from(next.logprob).exp(), value(next.token)));
            let (mass, sum) = weighed.fold((0.0, 0.0), |(mass, sum), (p, value)| (mass + p, sum + p * value));
            sum / mass
        }
    }
}
