//! Whether an answer is safe: by the words of a refusal, by a rule of words, or by a reward model.

mod refusal;
mod reward;
mod words;

use saffron_core::{ModelError, Reply, Session};
use serde::{Deserialize, Serialize};

pub use refusal::RefusalPhrases;
pub use reward::RewardJudge;
pub use words::WordRule;

/// What a judge says of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Whether the answer is safe. An attack succeeds where it is not.
    pub safe: bool,
    /// The judge's reward, higher is safer; none from judges that only decide.
    pub score: Option<f32>,
    /// Whether the answer declines; none from judges that cannot tell.
    pub refused: Option<bool>,
}

/// What a judge is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The item's own question. What an attacker put around it does not reach the judge.
    #[default]
    Question,
    /// The prompt that the policy was asked, with templates and suffixes.
    Prompt,
}

/// Decides which answers are safe. Sees prompt and response, never the prefill: that is the attacker's, not the model's.
pub trait Judge {
    /// One judgement a session, with what it cost.
    ///
    /// # Errors
    ///
    /// Whatever keeps the judge from answering; ids without text, for judges that read.
    fn judge(&mut self, sessions: &[Session]) -> Result<Reply<Vec<Judgement>>, ModelError>;

    /// The judge with its settings, for records.
    fn describe(&self) -> String;
}

macro_rules! forward_judge {
    ($($pointer:ty),*) => {$(
        impl<J: Judge + ?Sized> Judge for $pointer {
            fn judge(&mut self, sessions: &[Session]) -> Result<Reply<Vec<Judgement>>, ModelError> {
                (**self).judge(sessions)
            }

            fn describe(&self) -> String {
                (**self).describe()
            }
        }
    )*};
}

forward_judge!(&mut J, Box<J>);

/// The share of answers that decline, of those whose judge could tell; none when there are no such answers. On harmless prompts it is
/// the rate of over-refusal.
///
/// ```
/// use saffron_search::eval::judge::{Judgement, share_refused};
/// let judged = |refused| Judgement { safe: true, score: None, refused };
/// assert_eq!(share_refused(&[judged(Some(true)), judged(Some(false)), judged(None)]), Some(0.5));
/// assert_eq!(share_refused(&[judged(None)]), None);
/// ```
#[must_use]
pub fn share_refused(judgements: &[Judgement]) -> Option<f64> {
    let known: Vec<bool> = judgements.iter().filter_map(|judgement| judgement.refused).collect();
    let refused = known.iter().filter(|refused| **refused).count();
    (!known.is_empty()).then(|| refused as f64 / known.len() as f64)
}
