//! What is written of one prompt.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use saffron_core::{Token, Usage, Verdict};
use serde::{Deserialize, Serialize};

use super::{RunError, secrets};
use crate::eval::quality::is_blank;

/// What a record is of. A run has one record a key, so prompts of several data sets need ids that differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The strategy, by the name that the run gives it.
    pub strategy: String,
    /// How much the strategy may do, in its own unit: a beam width, a number of samples.
    pub budget: u64,
    /// Id of the prompt.
    pub prompt: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, prompt `{}`", self.strategy, self.budget, self.prompt)
    }
}

/// One prompt under one strategy and budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What it is of.
    pub key: Key,
    /// Place of the prompt among all prompts of the run, shards regardless.
    pub index: usize,
    /// Group of prompts that ran in one batch; shards own whole groups.
    pub group: usize,
    /// Name of the data set.
    pub set: String,
    /// Whether the prompt was attacked.
    pub kind: Kind,
    /// The harm category, where the data set has any. Records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The id of the jailbreak template, where the prompt stands in one of a file. Records of earlier
    /// versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The prompt as the policy was asked it, where text is kept. Records of earlier versions do not
    /// have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// How it ended.
    pub ending: Ending,
    /// How long it took. No part of any comparison of runs.
    pub timings: Timings,
}

/// Whether a prompt asks for harm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A harmful prompt: an unsafe answer is a success of the attack.
    Attacked {
        /// Name of the attack.
        attack: String,
    },
    /// A harmless prompt: a refusal is one too many.
    Benign,
}

/// How a prompt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// With an answer.
    Answered(Box<Answer>),
    /// Without one. It counts neither as safe nor as unsafe.
    Failed {
        /// Why. Credentials in addresses are blotted out when it is written.
        error: String,
    },
}

/// An answer, what was thought of it, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The generated tokens; prompt and prefill are not.
    pub tokens: Vec<Token>,
    /// The answer as text, where it is kept.
    pub text: Option<String>,
    /// Whether its text has nothing that could be seen. Records of earlier versions do not say, see
    /// [`is_empty`](Self::is_empty).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<bool>,
    /// Why it ended, in words.
    pub stop: String,
    /// The reward it was ranked by.
    pub reward: Option<f32>,
    /// What the search itself thought of it, where it was given thresholds.
    #[serde(default)]
    pub verdict: Verdict,
    /// Whether it refuses; none where nobody looked. An empty answer does not refuse.
    pub refused: Option<bool>,
    /// What judges made of it.
    pub judgements: Vec<Judgement>,
    /// What it is worth beside its safety, by name: words, log-probability per token, share of distinct n-grams.
    pub quality: BTreeMap<String, f64>,
    /// What it cost, computed and attributed, role by role.
    pub usage: Usage,
}

/// What one judge made of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The judge's name.
    pub judge: String,
    /// Its verdict.
    pub safe: bool,
    /// What the verdict rests on, in the judge's own unit.
    pub score: Option<f64>,
}

/// Wall time in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From beginning to end.
    pub wall_seconds: f64,
    /// In calls of the policy.
    pub policy_seconds: f64,
    /// In calls of the reward model.
    pub reward_seconds: f64,
    /// In calls of judges.
    pub judge_seconds: f64,
}

impl Timings {
    /// The times of a search that took `wall` in all.
    #[must_use]
    pub fn of(wall: Duration, usage: &Usage) -> Self {
        Self {
            wall_seconds: wall.as_secs_f64(),
            policy_seconds: usage.policy.wall.as_secs_f64(),
            reward_seconds: usage.reward.wall.as_secs_f64(),
            judge_seconds: usage.judge.wall.as_secs_f64(),
        }
    }

    fn numbers(&self) -> [(&'static str, f64); 4] {
        [
            ("timings.wall_seconds", self.wall_seconds),
            ("timings.policy_seconds", self.policy_seconds),
            ("timings.reward_seconds", self.reward_seconds),
            ("timings.judge_seconds", self.judge_seconds),
        ]
    }
}

impl Record {
    /// The answer, unless the prompt failed.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match &self.ending {
            Ending::Answered(answer) => Some(answer),
            Ending::Failed { .. } => None,
        }
    }

    /// Id of the question that was asked: the prompt's, without the template's behind it.
    #[must_use]
    pub fn question(&self) -> &str {
        let prompt = &self.key.prompt[..];
        let of_template = |template: &String| prompt.strip_suffix(&template[..])?.strip_suffix('/');
        self.template.as_ref().and_then(of_template).unwrap_or(prompt)
    }

    /// The record without its times, for comparing runs.
    #[must_use]
    pub fn without_timings(&self) -> Self {
        Self { timings: Timings::default(), ..self.clone() }
    }

    /// The record as it may be written: credentials in addresses blotted out of what an error says.
    pub(super) fn without_credentials(&self) -> Cow<'_, Self> {
        match &self.ending {
            Ending::Answered(_) => Cow::Borrowed(self),
            Ending::Failed { error } => {
                Cow::Owned(Self { ending: Ending::Failed { error: secrets::blotted(error) }, ..self.clone() })
            }
        }
    }

    /// Refuses numbers that JSON cannot hold: they would read back as something else.
    pub(in crate::eval) fn check_numbers(&self) -> Result<(), RunError> {
        let timings = self.timings.numbers().into_iter().map(|(field, value)| (field.to_owned(), value));
        let numbers = self.answer().into_iter().flat_map(Answer::numbers).chain(timings);
        match numbers.into_iter().find(|(_, value)| !value.is_finite()) {
            Some((field, value)) => Err(RunError::NotFinite { key: self.key.clone(), field, value }),
            None => Ok(()),
        }
    }
}

impl Answer {
    /// Whether its text has nothing that could be seen; none where neither the record says so, nor
    /// its text or number of words is known.
    #[must_use]
    pub fn is_empty(&self) -> Option<bool> {
        let by_text = self.text.as_deref().map(is_blank);
        let by_words = self.quality.get("words").map(|words| *words == 0.0);
        self.empty.or(by_text).or(by_words)
    }

    /// Whether it refuses; none where nobody looked. What is not known to be empty counts as it was
    /// judged.
    #[must_use]
    pub fn refuses(&self) -> Option<bool> {
        Some(self.refused? && self.is_empty() != Some(true))
    }

    /// Whether a judge calls it safe; none where the judge has not judged it.
    #[must_use]
    pub fn is_safe(&self, judge: &str) -> Option<bool> {
        self.judgements.iter().find(|judgement| judgement.judge == judge).map(|judgement| judgement.safe)
    }

    fn numbers(&self) -> impl Iterator<Item = (String, f64)> {
        let reward = self.reward.map(|reward| ("reward".to_owned(), f64::from(reward)));
        let scores = self.judgements.iter().filter_map(|judgement| {
            judgement.score.map(|score| (format!("score of judge `{}`", judgement.judge), score))
        });
        let quality = self.quality.iter().map(|(name, value)| (format!("quality.{name}"), *value));
        let verdict = self.verdict.reward.map(|reward| ("verdict.reward".to_owned(), f64::from(reward)));
        reward.into_iter().chain(verdict).chain(scores).chain(quality)
    }
}
