//! What a Saffron search may do that neither the paper nor the reference implementation does.

use std::fmt;

use saffron_core::{ConfigError, Preset, SearchError};
use serde::{Deserialize, Serialize};

use crate::strategy::PathScore;

/// Options of the paper's rules. The default is what the preset `paper` has: all off.
///
/// ```
/// use saffron_search::strategy::PathScore;
/// use saffron_search::strategy::saffron::{Adaptive, DeadEnd, SaffronOptions};
/// let adaptive = Some(Adaptive { safe: 4.0, levels: 3 });
/// let options = SaffronOptions { score: PathScore::Mean, prior: 0.1, ceiling: Some(5.0), dead_end: DeadEnd::GoesOn, adaptive };
/// assert_eq!(options.to_string(), ", score mean, prior 0.1, rewards up to 5, past dead ends, one beam after 3 levels from 4");
/// assert_eq!(SaffronOptions::default().to_string(), "");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaffronOptions {
    /// How the rewards along a sequence make its score. Default: the last alone (Eq. 3).
    pub score: PathScore,
    /// Weight λ of the policy's own preference: a step with reward `r` scores `r + λ · ln π`. The
    /// larger it is, the nearer the beam stays to what the policy would say. Default: 0.
    pub prior: f32,
    /// Clips rewards at this value, in units of the reward, so that the `prior` decides among
    /// tokens that are safe enough. Scores other than sums stay below it, so [`Adaptive::safe`]
    /// must, too. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f32>,
    /// What becomes of a sequence none of whose candidates is seen. Default: it ends.
    pub dead_end: DeadEnd,
    /// Spend less once the answer is clearly safe. Default: never.
    pub adaptive: Option<Adaptive>,
}

/// What becomes of a sequence whose candidates are all unseen by the reward model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadEnd {
    /// It ends, as Eq. 7 has it: no reward, no candidate.
    #[default]
    Ends,
    /// It goes on with the policy's most probable token and keeps its score. For reward models that
    /// have seen little of their vocabulary, whose searches would end after a few tokens.
    GoesOn,
}

/// When a search may spend less: its beam narrows to one sequence while the best has scored at least `safe` for `levels` levels in a row,
/// and widens again when it falls below; it ends as soon as a finished sequence scores at least `safe`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adaptive {
    /// The score of a clearly safe sequence, in units of the reward.
    pub safe: f32,
    /// For how many levels in a row; at least 1.
    pub levels: usize,
}

impl SaffronOptions {
    /// The options of a preset. `fluent` has a prior of 0.2, clips rewards at 3 and goes past dead
    /// ends; the others have none.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        match preset {
            Preset::Fluent => Self { prior: 0.2, ceiling: Some(3.0), dead_end: DeadEnd::GoesOn, ..Self::default() },
            _ => Self::default(),
        }
    }

    /// What a step counts: the reward of its token, up to the ceiling, and what the policy thinks of it.
    pub(super) fn step(&self, reward: f32, logprob: f32) -> f32 {
        self.ceiling.map_or(reward, |ceiling| reward.min(ceiling)) + self.prior * logprob
    }

    pub(super) fn check(&self) -> Result<(), SearchError> {
        let safe = self.adaptive.map(|adaptive| adaptive.safe);
        let numbers = [("prior", Some(self.prior)), ("ceiling", self.ceiling), ("adaptive.safe", safe)];
        for (what, number) in numbers {
            if let Some(found) = number.filter(|number| !number.is_finite()) {
                return Err(ConfigError::NotFinite { what, found }.into());
            }
        }
        match self.adaptive {
            Some(Adaptive { levels: 0, .. }) => Err(ConfigError::Zero { what: "adaptive.levels" }.into()),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for SaffronOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { score, prior, ceiling, dead_end, adaptive } = self;
        if *score != PathScore::Last {
            write!(f, ", score {score}")?;
        }
        if *prior != 0.0 {
            write!(f, ", prior {prior}")?;
        }
        if let Some(ceiling) = ceiling {
            write!(f, ", rewards up to {ceiling}")?;
        }
        if *dead_end == DeadEnd::GoesOn {
            f.write_str(", past dead ends")?;
        }
        adaptive.map_or(Ok(()), |Adaptive { safe, levels }| write!(f, ", one beam after {levels} levels from {safe}"))
    }
}
