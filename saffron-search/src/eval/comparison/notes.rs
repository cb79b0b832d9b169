//! What a reader of the tables must know of the judges.

use std::fmt;

use serde::Serialize;

use super::config::ComparisonConfig;
use crate::eval::judge::Asked;
use crate::eval::models::{JudgeModelSettings, JudgeSettings};

/// What a judge's figures mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JudgeNote {
    /// The judge.
    pub judge: String,
    /// What it was asked about; none where it reads the answer alone, or no prompt differed from
    /// its item's own question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Whether it knows refusals only: what it calls unsafe is an answer that does not refuse.
    pub refusals_only: bool,
}

/// A note a judge.
pub(super) fn notes(config: &ComparisonConfig) -> Vec<JudgeNote> {
    let changed = config.changes_prompts();
    let note = |settings: &JudgeSettings| {
        let reads_prompt = matches!(settings.judge, JudgeModelSettings::Guard { .. });
        // Runs of earlier versions do not say, and asked about the prompt.
        let asked = settings.asked.unwrap_or(Asked::Prompt);
        JudgeNote {
            judge: settings.name.clone(),
            asked: (reads_prompt && changed).then_some(asked),
            refusals_only: matches!(settings.judge, JudgeModelSettings::RefusalPhrases { .. }),
        }
    };
    config.judges.iter().map(note).collect()
}

impl JudgeNote {
    /// Whether there is anything to say.
    #[must_use]
    pub fn says_something(&self) -> bool {
        self.asked.is_some() || self.refusals_only
    }
}

impl fmt::Display for JudgeNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { judge, asked, refusals_only } = self;
        match asked {
            Some(Asked::Question) => write!(f, "{judge}: asked about the items' own questions, without the attack")?,
            Some(Asked::Prompt) => write!(f, "{judge}: asked about the attacked prompts")?,
            None => write!(f, "{judge}: reads the answers alone")?,
        }
        match refusals_only {
            true => f.write_str("; knows refusals only: on benign prompts it says how many were answered"),
            false => Ok(()),
        }
    }
}
