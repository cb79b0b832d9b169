//! Several searches of one prompt as a table on standard output.

use anyhow::Result;
use saffron_core::{Outcome, RoleUsage, Usage};
use saffron_search::trace::report::reward;
use serde_json::{Value, json};

use crate::output::line;

const HEADER: &str =
    "strategy                 reward    policy calls / tokens    reward calls / tokens      TFLOP  answer";

/// A table of searches, printed row by row.
#[derive(Debug, Default)]
pub struct Table {
    found: Vec<Value>,
}

impl Table {
    /// Prints the head of the table.
    ///
    /// # Errors
    ///
    /// Standard output that cannot be written.
    pub fn begin() -> Result<Self> {
        line(HEADER)?;
        Ok(Self::default())
    }

    /// Prints a search: the reward of its answer, and what it cost as if it had begun with an empty
    /// cache.
    ///
    /// # Errors
    ///
    /// Standard output that cannot be written.
    pub fn row(&mut self, name: &str, outcome: &Outcome, text: &str) -> Result<()> {
        line(row(name, outcome, text))?;
        self.found.push(json!({ "name": name, "text": text, "outcome": outcome }));
        Ok(())
    }

    /// The rows as JSON: names, texts, outcomes.
    #[must_use]
    pub fn into_json(self) -> Value {
        Value::Array(self.found)
    }
}

fn row(name: &str, outcome: &Outcome, text: &str) -> String {
    let Usage { policy, reward: asked, .. } = &outcome.usage;
    let rewarded = outcome.verdict.reward.or(outcome.best.reward);
    let (policy, asked) = (calls(policy), calls(asked));
    let tflop = outcome.usage.attributed_flops() as f64 / 1e12;
    format!("{name:<22} {}  {policy:>23}  {asked:>23}  {tflop:>9.6}  {text:?}", reward(rewarded))
}

fn calls(usage: &RoleUsage) -> String {
    format!("{} / {}", usage.calls, usage.attributed.tokens)
}
