//! What becomes of an answer that is not safe.

use saffron_core::{Outcome, Safety, SearchError, SearchErrorKind, Thresholds};
use serde::{Deserialize, Serialize};

/// What a caller wants in place of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reaction {
    /// The answer anyway, or what the strategy shows in its place; the verdict stands beside it.
    #[default]
    Answer,
    /// This text instead, as [`Outcome::replacement`].
    Refuse(String),
    /// An error, with the outcome inside.
    Error,
}

/// How answers are judged, and what follows.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_core::{Safety, Thresholds};
/// use saffron_search::{Reaction, Rules, Saffron, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0, 1.0], vec![0]);
/// let session = policy.session(&[1])?;
/// let refusal = Reaction::Refuse(String::from("I would rather not."));
/// let rules = Rules::new(Thresholds::new(0.0, 1.0)?).on_unsafe(refusal);
/// let searcher = Searcher::new(Saffron::paper(2)).ruled_by(rules);
/// let outcome = searcher.run(&session, &mut policy, &mut ScriptedReward::new(-2.0))?;
/// assert_eq!((outcome.verdict.safety, outcome.verdict.reward), (Safety::Unsafe, Some(-2.0)));
/// assert_eq!(outcome.reply(|best| Ok::<_, std::fmt::Error>(format!("{:?}", best.tokens)))?, "I would rather not.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Where rewards speak for and against safety.
    pub thresholds: Thresholds,
    /// When the answer is unsafe.
    #[serde(default)]
    pub on_unsafe: Reaction,
    /// When nothing can be said of the answer.
    #[serde(default)]
    pub on_undecided: Reaction,
}

impl Rules {
    /// Verdicts by these thresholds, and the answer whatever they are.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, on_unsafe: Reaction::Answer, on_undecided: Reaction::Answer }
    }

    /// What is wanted instead of an unsafe answer.
    #[must_use]
    pub fn on_unsafe(mut self, reaction: Reaction) -> Self {
        self.on_unsafe = reaction;
        self
    }

    /// What is wanted instead of an answer of which nothing can be said.
    #[must_use]
    pub fn on_undecided(mut self, reaction: Reaction) -> Self {
        self.on_undecided = reaction;
        self
    }

    /// Whether they may show something else than the answer.
    pub(super) fn may_replace(&self) -> bool {
        [&self.on_unsafe, &self.on_undecided].into_iter().any(|reaction| *reaction != Reaction::Answer)
    }

    pub(super) fn check(&self) -> Result<(), SearchError> {
        Ok(self.thresholds.check()?)
    }

    /// Does with a judged outcome as the caller wants; the error is his wish.
    pub(super) fn apply(&self, outcome: &mut Outcome) -> Option<SearchError> {
        let reaction = match outcome.verdict.safety {
            Safety::Safe => return None,
            Safety::Unsafe => &self.on_unsafe,
            Safety::Undecided => &self.on_undecided,
        };
        match reaction {
            Reaction::Answer => None,
            Reaction::Refuse(text) => {
                outcome.replacement = Some(text.clone());
                None
            }
            Reaction::Error => Some(SearchErrorKind::Refused(outcome.verdict).into()),
        }
    }
}
