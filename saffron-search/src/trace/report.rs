//! What a search found and cost, as lines for a reader.

use saffron_core::{Hypothesis, Outcome, RoleUsage, Usage};

/// An outcome as lines: the answer, why the search ended, its settings, the beam and the cost.
/// `text` gives the text of a sequence.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_core::{Policy, VocabularyError};
/// use saffron_search::trace::report;
/// use saffron_search::{Saffron, Searcher};
/// let (mut policy, mut reward) = (TablePolicy::new(vec![0.0; 4], vec![0]), ScriptedReward::new(1.0));
/// let session = policy.session(&[1])?;
/// let outcome = Searcher::new(Saffron::paper(2)).max_new_tokens(3).run(&session, &mut policy, &mut reward)?;
/// let vocabulary = policy.vocabulary();
/// let lines = report::outcome(&outcome, |sequence| vocabulary.decode(&sequence.tokens))?;
/// assert!(lines.starts_with("1 1 1\n\nstopped: maximum of new tokens\n"), "{lines}");
/// assert!(lines.contains("beam:\n    1.000    -3.296  \"1 1 1\"\n"), "{lines}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of `text`.
pub fn outcome<E>(outcome: &Outcome, text: impl Fn(&Hypothesis) -> Result<String, E>) -> Result<String, E> {
    let Outcome { best, beam, stop, usage, strategy, reward, .. } = outcome;
    let mut lines = vec![text(best)?, String::new()];
    lines.push(format!("stopped: {stop}"));
    lines.push(format!("search:  {strategy}"));
    lines.push(format!("reward:  {reward}"));
    lines.push(String::from("beam:"));
    for sequence in beam {
        lines.push(format!("  {}", hypothesis(sequence, &text(sequence)?)));
    }
    lines.push(compute(usage));
    Ok(lines.join("\n"))
}

/// A sequence in one line: its reward, its log-probability (natural logarithm), its text in quotes.
///
/// ```
/// use saffron_core::Hypothesis;
/// use saffron_search::trace::report;
/// let found = Hypothesis { tokens: vec![5], reward: Some(2.5), logprob: -1.25, stop: None };
/// assert_eq!(report::hypothesis(&found, "no"), "  2.500    -1.250  \"no\"");
/// ```
#[must_use]
pub fn hypothesis(hypothesis: &Hypothesis, text: &str) -> String {
    format!("{}  {:8.3}  {text:?}", reward(hypothesis.reward), hypothesis.logprob)
}

/// A reward with three decimals in at least seven columns; `–` where there is none.
///
/// ```
/// use saffron_search::trace::report::reward;
/// assert_eq!([reward(Some(-0.5)), reward(None)], [" -0.500", "      –"]);
/// ```
#[must_use]
pub fn reward(reward: Option<f32>) -> String {
    reward.map_or_else(|| String::from("      –"), |reward| format!("{reward:7.3}"))
}

/// The cost in three lines: the whole as attributed (from an empty cache), then what each of policy
/// and reward model was asked and computed, in tokens, TFLOP (10¹² operations) and seconds.
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
        usage.computed.flops as f64 / 1e12,
        usage.wall.as_secs_f64(),
    )
}
