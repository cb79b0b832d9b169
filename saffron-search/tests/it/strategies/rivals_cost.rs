//! What the rivals cost, by hand. The table models cost what a decoder whose every width is one
//! would, from an empty cache: a context of n tokens is n positions and n (n + 1) / 2 pairs.

use std::sync::Arc;

use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_core::{ChildScorer, Contrast, ContrastSettings, Outcome, PrmScorer, SearchStrategy, Usage};
use saffron_search::strategy::rollback::{Introspection, RollbackOptions};
use saffron_search::{AnswerFilter, Greedy, HeaderProbe, Rollback, Saffron, Sampling, ValueFilter};

use super::{probed, reminded, risk_stop, rollback, searcher};
use crate::worlds::{Numbers, session};

/// Says 1 1 1 …; prompts have two tokens.
fn ones() -> TablePolicy {
    TablePolicy::new(vec![-99.0, 0.0, -99.0, -99.0], vec![0]).with_vocabulary(Arc::new(Numbers(4)))
}

fn run(strategy: impl SearchStrategy + 'static, most: usize, reward: &mut dyn ChildScorer) -> Outcome {
    let mut policy = ones();
    let session = session(&policy);
    searcher(Box::new(strategy), most).top_k(1).run(&session, &mut policy, reward).unwrap()
}

/// Tokens and FLOPs of contexts: 14 a token (projections 8, MLP 6), 4 a pair, 2 an output.
fn cost(contexts: &[u64]) -> (u64, u64) {
    let flops = contexts.iter().map(|n| 14 * n + 4 * (n * (n + 1) / 2) + 2).sum();
    (contexts.iter().sum(), flops)
}

#[track_caller]
fn costs(usage: &Usage, policy: &[u64], reward: &[u64]) {
    let found = [usage.policy.attributed, usage.reward.attributed].map(|share| (share.tokens, share.flops));
    assert_eq!(found, [cost(policy), cost(reward)]);
    let outputs = [usage.policy.attributed.outputs, usage.reward.attributed.outputs];
    assert_eq!(outputs, [policy.len() as u64, reward.len() as u64]);
}

#[test]
fn a_filter_costs_its_samples_and_one_judgement_each() {
    let mut guard = PrmScorer(ScriptedReward::new(1.0));
    costs(&run(AnswerFilter::new(3), 4, &mut guard).usage, &[2, 3, 4, 5], &[6]);
    let mut guard = PrmScorer(ScriptedReward::new(-1.0));
    let thrice = [2, 3, 4, 5, 2, 3, 4, 5, 2, 3, 4, 5];
    costs(&run(AnswerFilter::new(3), 4, &mut guard).usage, &thrice, &[6, 6, 6]);
    costs(&run(Sampling::default(), 4, &mut guard).usage, &[2, 3, 4, 5], &[]);
}

#[test]
fn a_rollback_costs_what_it_takes_back_and_a_reward_a_check() {
    // Checks behind two and four tokens, none of them an alarm.
    let mut guard = PrmScorer(ScriptedReward::new(1.0));
    costs(&run(rollback(1, 2, 2), 4, &mut guard).usage, &[2, 3, 4, 5], &[4, 6]);
    // An alarm behind two tokens; they are written again, and the second alarm ends it.
    let mut guard = PrmScorer(ScriptedReward::new(-1.0));
    costs(&run(rollback(1, 2, 2), 4, &mut guard).usage, &[2, 3, 2, 3], &[4, 4]);
    // Before they are written again the policy reads two tokens and says one: all three stand before them.
    let introspection = Some(Introspection { text: String::from("3 3"), tokens: 1 });
    let options = RollbackOptions { every: 2, back: 2, introspection, ..RollbackOptions::default() };
    costs(&run(Rollback::new(1).with_options(options), 4, &mut guard).usage, &[2, 3, 4, 5, 6], &[4, 4]);
}

#[test]
fn a_header_probe_costs_its_questions() {
    let mut none = saffron_core::NoReward;
    // Behind two and four tokens: the header, and the header with one token.
    let quiet = run(HeaderProbe::new(probed(2, "never said")), 4, &mut none);
    costs(&quiet.usage, &[2, 3, 5, 6, 4, 5, 7, 8], &[]);
    // The first probe refuses, and its refusal is written to four tokens.
    let loud = run(HeaderProbe::new(probed(2, "1 1")), 4, &mut none);
    assert_eq!(loud.replacement.as_deref(), Some("1 1 1 1"));
    costs(&loud.usage, &[2, 3, 5, 6, 7, 8], &[]);
}

#[test]
fn a_value_filter_costs_a_reward_a_token_or_one_a_candidate() {
    let mut mrm = ScriptedReward::new(1.0);
    costs(&run(ValueFilter::default(), 3, &mut mrm).usage, &[2, 3, 4], &[2, 3, 4]);
    // All four tokens are candidates of a process reward model, which reads each with its token.
    let (mut policy, mut prm) = (ones(), PrmScorer(ScriptedReward::new(1.0)));
    let session = session(&policy);
    let outcome = searcher(Box::new(ValueFilter::default()), 2).run(&session, &mut policy, &mut prm).unwrap();
    costs(&outcome.usage, &[2, 3], &[3, 3, 3, 3, 4, 4, 4, 4]);
}

#[test]
fn a_reminder_costs_its_tokens_in_every_context_of_the_policy_alone() {
    let mut guard = PrmScorer(ScriptedReward::new(1.0));
    let told = run(reminded(Box::new(Greedy), "3 3 3", "2 2"), 3, &mut guard);
    costs(&told.usage, &[7, 8, 9], &[]);
    let told = run(reminded(Box::new(AnswerFilter::new(1)), "3 3 3", "2 2"), 3, &mut guard);
    costs(&told.usage, &[7, 8, 9], &[5]);
}

#[test]
fn a_risk_stop_costs_what_its_search_has_cost_so_far() {
    // r ≈ 1 − σ(−7.2): with ρ = 0.8 the risks are 0.2, 0.36, 0.49 and, above 0.535, 0.59.
    let mut mrm = ScriptedReward::new(-9.0);
    let stopped = run(risk_stop(Box::new(Saffron::paper(1)), 0.535), 8, &mut mrm);
    assert!(stopped.replacement.is_some());
    costs(&stopped.usage, &[2, 3, 4, 5], &[2, 3, 4, 5]);
}

#[test]
fn a_contrast_costs_both_policies_for_its_first_tokens() {
    let settings = ContrastSettings { first: 2, ..ContrastSettings::default() };
    let mut policy = Contrast::new(ones(), ones(), settings).unwrap();
    let session = session(policy.base());
    let outcome = searcher(Box::new(Greedy), 4).run(&session, &mut policy, &mut saffron_core::NoReward).unwrap();
    let usage = &outcome.usage.policy.attributed;
    assert_eq!((usage.tokens, usage.flops), cost(&[2, 2, 3, 3, 4, 5]));
    assert_eq!((outcome.usage.policy.calls, usage.outputs), (4, 6));
}
