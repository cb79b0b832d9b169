//! What a search found and cost, as lines for a reader.

use anyhow::Result;
use saffron_core::{Hypothesis, Outcome, RoleUsage, TextPolicy, Usage};

use crate::models::NamedPolicy;

/// The head of a table of [`row`]s.
pub const HEADER: &str =
    "strategy                 reward    policy calls / tokens    reward calls / tokens      TFLOP  answer";

/// One search in a table: what its answer was rewarded with, and what it cost as if it had begun with an empty cache.
#[must_use]
pub fn row(name: &str, outcome: &Outcome, text: &str) -> String {
    let Usage { policy, reward, .. } = &outcome.usage;
    let rewarded = outcome.verdict.reward.or(outcome.best.reward);
    let (policy, asked) = (calls(policy), calls(reward));
    let tflop = tflop(outcome.usage.attributed_flops());
    format!("{name:<22} {}  {policy:>23}  {asked:>23}  {tflop:>9.6}  {text:?}", reward_text(rewarded))
}

fn calls(usage: &RoleUsage) -> String {
    format!("{} / {}", usage.calls, usage.attributed.tokens)
}

/// Operations in units of 10¹².
#[must_use]
pub fn tflop(flops: u64) -> f64 {
    flops as f64 / 1e12
}

/// A reward in a column of its own.
#[must_use]
pub fn reward_text(reward: Option<f32>) -> String {
    reward.map_or_else(|| String::from("      –"), |reward| format!("{reward:7.3}"))
}

/// A sequence with its reward and log-probability.
///
/// # Errors
///
/// Tokens that the tokenizer cannot decode.
pub fn hypothesis(policy: &NamedPolicy, hypothesis: &Hypothesis) -> Result<String> {
    let text = policy.text(hypothesis)?;
    Ok(format!("{}  {:8.3}  {text:?}", reward_text(hypothesis.reward), hypothesis.logprob))
}

/// The cost as a whole and role by role.
#[must_use]
pub fn compute(usage: &Usage) -> String {
    format!("compute: {usage}\n{}\n{}", role("policy", &usage.policy), role("reward", &usage.reward))
}

fn role(name: &str, usage: &RoleUsage) -> String {
    format!(
        "  {name}: {} calls, {} tokens asked for, {} from the cache, {} computed ({:.4} TFLOP), {:.2} s",
        usage.calls,
        usage.asked,
        usage.cached,
        usage.computed.tokens,
        tflop(usage.computed.flops),
        usage.wall.as_secs_f64(),
    )
}
