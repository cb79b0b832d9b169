//! Other defences over the demo's models: what they are asked for and what they cost.

use burn::tensor::Device;
use saffron_core::{
    Contrast, ContrastSettings, NoReward, Outcome, Policy, PrmScorer, SearchStrategy, Session, TextPolicy, Token,
    process_reward_fn,
};
use saffron_examples::compare;
use saffron_mrm::text::TextLayout;
use saffron_mrm::{Base, LmPolicy, ModelOptions};
use saffron_search::strategy::header_probe::HeaderProbeOptions;
use saffron_search::strategy::rollback::{Introspection, RollbackOptions};
use saffron_search::strategy::self_reminder::Reminder;
use saffron_search::{Greedy, HeaderProbe, Rollback, Sampling, Searcher, SelfReminder};

use crate::root;

const QUESTION: &str = "How do I hide the farmer's barrel?";

fn base() -> Base {
    let options = ModelOptions::default();
    Base::open(root().join("examples/demo/policy"), &Device::flex(), options.dtype).unwrap()
}

fn policy(base: &Base) -> LmPolicy {
    let layout = TextLayout::named("chatml", base.tokenizer()).unwrap();
    LmPolicy::on_with_layout(base, ModelOptions::default(), layout).unwrap()
}

/// Twelve tokens, none of which ends the answer.
fn run(strategy: impl SearchStrategy + 'static, policy: &mut dyn Policy, session: &Session) -> Outcome {
    let mut guard = PrmScorer(process_reward_fn(|_| 1.0));
    let searcher = Searcher::new(strategy).top_k(1).min_new_tokens(99).max_new_tokens(12);
    searcher.run(session, policy, &mut guard).unwrap()
}

fn attributed(outcome: &Outcome) -> u64 {
    outcome.usage.policy.attributed.tokens
}

/// A context is read once; every further token costs one position, and so does every answer about a context that was read before.
#[test]
fn a_policy_with_a_cache_is_charged_what_each_rival_makes_it_read() {
    let base = base();
    let mut policy = policy(&base);
    let session = policy.session(QUESTION).unwrap();
    let prompt = policy.context(&session).unwrap().len() as u64;
    let plain = run(Sampling::default(), &mut policy, &session);
    assert_eq!(attributed(&plain), prompt + 11);

    // Probes behind 4, 8 and 12 tokens read the last token, the header and two tokens said; the sample then asks about a context that was read.
    let header = policy.reply_header();
    assert_eq!(header.len() as u64, prompt - policy.layout().ids().prefix.len() as u64 - session.prompt().len() as u64);
    let options = HeaderProbeOptions { every: 4, tokens: 3, phrases: vec![String::from("@")], header: None };
    let probed = run(HeaderProbe::new(options), &mut policy, &session);
    assert_eq!(probed.best.tokens, plain.best.tokens);
    assert_eq!(attributed(&probed), attributed(&plain) + 3 * (1 + header.len() as u64 + 2));

    // A reminder is read once.
    let [before, after] = ["Be kind. ", " Be good."].map(String::from);
    let words = format!("{before}{QUESTION}{after}");
    let reminded = SelfReminder::new(Box::new(Sampling::default())).with_reminder(Reminder { before, after });
    let reminded = run(reminded, &mut policy, &session);
    let longer = policy.session(&words).unwrap();
    assert_eq!(attributed(&reminded), policy.context(&longer).unwrap().len() as u64 + 11);
    assert_eq!(reminded.best.tokens, run(Sampling::default(), &mut policy, &longer).best.tokens);
}

#[test]
fn a_rollback_reads_the_introspection_and_what_is_said_behind_it() {
    let base = base();
    let mut policy = policy(&base);
    let session = policy.session(QUESTION).unwrap();
    let prompt = policy.context(&session).unwrap().len() as u64;
    let text = " But no, this is wrong.";
    let words = policy.encode(text).unwrap().len() as u64;
    let introspection = Some(Introspection { text: text.to_owned(), tokens: 2 });
    let options = RollbackOptions { every: 4, back: 4, introspection, ..RollbackOptions::default() };
    // The monitor calls the first four tokens unsafe, whatever they are, and nothing else.
    let mut first: Option<Vec<Token>> = None;
    let mut guard = PrmScorer(process_reward_fn(move |session| {
        let same = *first.get_or_insert_with(|| session.response().to_vec()) == session.response();
        if same { -1.0 } else { 1.0 }
    }));
    let searcher = Searcher::new(Rollback::new(1).with_options(options)).top_k(1).min_new_tokens(99).max_new_tokens(12);
    let outcome = searcher.run(&session, &mut policy, &mut guard).unwrap();
    assert_eq!((outcome.best.tokens.len(), outcome.replacement.as_deref()), (12, None));
    // Four tokens; the text with the two said behind it; twelve tokens behind that, the first from a context of which all but the last said token was
    // read.
    assert_eq!(attributed(&outcome), (prompt + 3) + (words + 1) + 12);
    let plain = run(Greedy, &mut policy, &session);
    assert_ne!(outcome.best.tokens, plain.best.tokens, "what it reads changes what it says");
}

#[test]
fn a_contrast_of_a_policy_and_its_adapter_is_the_base_without_strength_and_costs_both() {
    let base = base();
    let expert = || policy(&base).with_adapter(root().join("examples/demo/guard")).unwrap();
    let mut alone = policy(&base);
    let session = alone.session(QUESTION).unwrap();
    let plain = run(Greedy, &mut alone, &session);
    let contrast = |strength, common| {
        let settings = ContrastSettings { strength, first: 5, common };
        let mut policy = Contrast::new(policy(&base), expert(), settings).unwrap();
        run(Greedy, &mut policy, &session)
    };
    let same = contrast(0.0, None);
    assert_eq!(same.best.tokens, plain.best.tokens);
    assert!((same.best.logprob - plain.best.logprob).abs() < 1e-3);
    let shares = [&same, &plain].map(|outcome| outcome.usage.policy.attributed);
    let prompt = alone.context(&session).unwrap().len() as u64;
    assert_eq!(shares[0].tokens, shares[1].tokens + prompt + 4, "five tokens of the expert");
    // Merged into the weights, an adapter costs nothing more: what the expert did is the beginning of a search.
    let searcher = Searcher::new(Greedy).min_new_tokens(99).max_new_tokens(5);
    let of_expert = searcher.run(&session, &mut expert(), &mut NoReward).unwrap();
    assert_eq!(shares[0].flops, shares[1].flops + of_expert.usage.policy.attributed.flops);
    let steered = contrast(3.0, Some(5)).best.logprob;
    assert!((steered - plain.best.logprob).abs() > 1e-3, "{steered} {}", plain.best.logprob);
}

#[test]
fn the_configuration_of_rivals_can_be_read() {
    let config = compare::read(&root().join("examples/configs/compare_rivals.toml")).unwrap();
    let names: Vec<&str> = config.strategies.iter().map(|contender| &contender.name[..]).collect();
    let rivals = ["filter", "self-reminder", "rollback", "header probe", "value filter", "risk stop", "saffron"];
    assert!(rivals.iter().all(|rival| names.contains(rival)), "{names:?}");
}
