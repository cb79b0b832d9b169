//! The three kinds of reward model. Rewards are unbounded numbers; higher is safer, and 0 is the usual threshold where the
//! reward is logit(safe) − logit(unsafe) (Saffron paper, §2).

use serde::{Deserialize, Serialize};

use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::reply::Reply;
use crate::session::Session;

/// The reward of one possible next token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChildReward {
    /// The model's estimate of the reward of the sequence with that token appended.
    Seen(f32),
    /// The token was not in the model's training corpus; any estimate would be noise (Saffron paper, §4.3).
    Unseen,
}

impl ChildReward {
    /// The estimate, if there is one.
    #[must_use]
    pub fn seen(self) -> Option<f32> {
        match self {
            Self::Seen(reward) => Some(reward),
            Self::Unseen => None,
        }
    }
}

/// Rewards finished responses.
pub trait OutcomeRewardModel {
    /// One reward a session.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from answering.
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError>;
}

/// Rewards partial responses.
pub trait ProcessRewardModel {
    /// One reward a session.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from answering.
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError>;
}

/// Rewards every candidate of a partial response from one forward pass (Saffron paper, §4.1: `M(s)_a ≈ R(s a)`).
///
/// Equal model inputs within a call must get bit-equal rewards.
pub trait MultifurcationRewardModel {
    /// For each session one reward a candidate, in the candidates' order.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from answering.
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError>;

    /// How the model reads sessions, for records: which input form, which options.
    fn describe(&self) -> String {
        String::from("multifurcation reward model")
    }
}

macro_rules! forward_rewards {
    ($($pointer:ty),*) => {$(
        impl<M: OutcomeRewardModel + ?Sized> OutcomeRewardModel for $pointer {
            fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
                (**self).outcome_rewards(sessions)
            }
        }

        impl<M: ProcessRewardModel + ?Sized> ProcessRewardModel for $pointer {
            fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
                (**self).process_rewards(sessions)
            }
        }

        impl<M: MultifurcationRewardModel + ?Sized> MultifurcationRewardModel for $pointer {
            fn child_rewards(
                &mut self,
                sessions: &[Session],
                candidates: &[Candidates],
            ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
                (**self).child_rewards(sessions, candidates)
            }

            fn describe(&self) -> String {
                (**self).describe()
            }
        }
    )*};
}

forward_rewards!(&mut M, Box<M>);

/// A reward model made of a closure; see [`process_reward_fn`] and [`outcome_reward_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FnReward<F>(F);

/// A process reward model from a closure. It costs nothing on the meter.
///
/// ```
/// use saffron_core::{PlainVocabulary, ProcessRewardModel, Session, process_reward_fn};
/// let mut short = process_reward_fn(|session| -(session.response().len() as f32));
/// let session = Session::new(PlainVocabulary::shared(4), vec![1])?.with_response(vec![2, 3])?;
/// assert_eq!(short.process_rewards(&[session])?.value, [-2.0]);
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
pub fn process_reward_fn<F: FnMut(&Session) -> f32>(reward: F) -> FnReward<F> {
    FnReward(reward)
}

/// An outcome reward model from a closure. It costs nothing on the meter.
pub fn outcome_reward_fn<F: FnMut(&Session) -> f32>(reward: F) -> FnReward<F> {
    FnReward(reward)
}

impl<F: FnMut(&Session) -> f32> ProcessRewardModel for FnReward<F> {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        Ok(Reply::free(sessions.iter().map(&mut self.0).collect(), sessions.len()))
    }
}

impl<F: FnMut(&Session) -> f32> OutcomeRewardModel for FnReward<F> {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.process_rewards(sessions)
    }
}
