//! The worlds of the example `synthetic`: their truth, their models, the program.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_core::{
    CandidateFilter, ChildReward, ChildScorer, DecoderShape, Policy, PrmScorer, Run, Session, Token, TokenSet, Work,
};
use saffron_examples::synthetic::{
    ChainPolicy, END, Fold, Length, Noise, REWARD_SHAPE, SUFFIX, VOCABULARY, ValueMrm, ValuePrm, Values, World, Worlds,
    roster,
};
use serde_json::Value;

const QUIET: Noise = Noise { std: 0.0, seed: 0 };
const NOISY: Noise = Noise { std: 0.5, seed: 9 };
const LENGTH: Length = Length { min: 16, max: 32 };

fn filter(length: Length, top_p: f32) -> CandidateFilter {
    CandidateFilter { top_p, min_new_tokens: length.min, end_tokens: vec![END], ..CandidateFilter::default() }
}

/// Expected and best quality by trying all answers.
fn brute_force(world: &World, filter: &CandidateFilter, response: &[Token]) -> (f64, f64) {
    if world.is_finished(response) {
        return (world.quality(response), world.quality(response));
    }
    let candidates = filter.apply(&world.logits(world.state(response)), response, 0).unwrap();
    let mass: f64 = candidates.ranked.iter().map(|next| f64::from(next.logprob).exp()).sum();
    candidates.ranked.iter().fold((0.0, f64::NEG_INFINITY), |(expected, best), next| {
        let below = brute_force(world, filter, &[response, &[next.token]].concat());
        (expected + f64::from(next.logprob).exp() / mass * below.0, below.1.max(best))
    })
}

#[test]
fn dynamic_programming_gives_what_trying_all_answers_gives() {
    let length = Length { min: 1, max: 3 };
    for (place, top_p) in [(0, 1.0), (1, 1.0), (2, 0.8), (3, 0.5)] {
        let (world, filter) = (World::draw(5, place, length), filter(length, top_p));
        let values = |fold| Values::of(&world, &filter, fold).unwrap();
        let (expected, best) = (values(Fold::Expected), values(Fold::Best));
        for response in [&[][..], &[3], &[12], &[12, 1], &[4, 15]] {
            let truth = brute_force(&world, &filter, response);
            assert!((expected.value(&world, response) - truth.0).abs() < 1e-9, "{place} {response:?}: {truth:?}");
            assert!((best.value(&world, response) - truth.1).abs() < 1e-9, "{place} {response:?}: {truth:?}");
        }
    }
}

fn worlds(count: usize) -> Arc<Worlds> {
    Arc::new(Worlds::draw(3, count, LENGTH))
}

/// An answer of the policy's own.
fn sample(policy: &mut ChainPolicy, world: &World, session: &Session, rng: &mut ChaCha8Rng) -> Vec<Token> {
    let mut response = Vec::new();
    while !world.is_finished(&response) {
        let session = session.with_response(response.clone()).unwrap();
        let candidates = policy.propose(&[session], &filter(LENGTH, 1.0)).unwrap().value.remove(0);
        let mut left = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let next = candidates.ranked.iter().find(|next| {
            left -= f64::from(next.logprob).exp();
            left <= 0.0
        });
        response.push(next.unwrap_or(&candidates.ranked[0]).token);
    }
    response
}

#[test]
fn the_policys_expected_quality_is_the_mean_over_its_answers() {
    let worlds = worlds(3);
    let (mut policy, mut rng) = (ChainPolicy::new(worlds.clone()), ChaCha8Rng::seed_from_u64(1));
    for (world, session) in worlds.list().iter().zip(worlds.sessions().unwrap()) {
        let expected = Values::of(world, &filter(LENGTH, 1.0), Fold::Expected).unwrap().value(world, &[]);
        let answers = (0..2000).map(|_| world.quality(&sample(&mut policy, world, &session, &mut rng)));
        let answers: Vec<f64> = answers.collect();
        let mean = answers.iter().sum::<f64>() / answers.len() as f64;
        let variance = answers.iter().map(|quality| (quality - mean).powi(2)).sum::<f64>() / answers.len() as f64;
        let error = (variance / answers.len() as f64).sqrt();
        assert!((mean - expected).abs() < 4.0 * error, "{mean} ± {error}, not {expected}");
    }
}

#[test]
fn an_answer_is_easier_to_turn_early_than_late() {
    for world in worlds(20).list() {
        let values = Values::of(world, &filter(LENGTH, 1.0), Fold::Expected).unwrap();
        let safe = |harmful: usize| {
            let candidates = filter(LENGTH, 1.0).apply(&world.logits(world.state(&vec![12; harmful])), &[], 0).unwrap();
            let safe = candidates.ranked.iter().filter(|next| (1..10).contains(&next.token));
            safe.map(|next| f64::from(next.logprob).exp()).sum::<f64>()
        };
        assert!(safe(1) > safe(6), "{} and {}", safe(1), safe(6));
        assert!(values.value(world, &[3; 2]) > values.value(world, &[12; 2]));
    }
}

/// Rewards of two prefixes' children from both kinds of reward model.
fn both(noise: Noise) -> [Vec<Vec<ChildReward>>; 2] {
    let worlds = worlds(4);
    let session = worlds.sessions().unwrap().remove(2);
    let sessions = [session.clone(), session.with_response(vec![12, 3]).unwrap()];
    let candidates = ChainPolicy::new(worlds.clone()).propose(&sessions, &filter(LENGTH, 1.0)).unwrap().value;
    let mut prm = PrmScorer(ValuePrm::new(worlds.clone(), noise).unwrap());
    let mut mrm = ValueMrm::new(worlds, noise, TokenSet::new(VOCABULARY)).unwrap();
    let scorers: [&mut dyn ChildScorer; 2] = [&mut prm, &mut mrm];
    scorers.map(|scorer| scorer.score_children(&sessions, &candidates).unwrap().value)
}

#[test]
fn both_kinds_of_reward_model_give_the_same_rewards() {
    for noise in [QUIET, NOISY] {
        let [prm, mrm] = both(noise);
        assert_eq!(prm, mrm);
    }
    assert_ne!(both(QUIET), both(NOISY));
}

#[test]
fn noise_is_the_same_every_time_and_of_the_size_that_was_asked_for() {
    assert_eq!(both(NOISY), both(NOISY));
    let prefixes = || (0..20_000).map(|number| [number / 400, number / 20 % 20, number % 20]);
    let errors: Vec<f64> = prefixes().map(|prefix| NOISY.at(1, &prefix)).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let std = (errors.iter().map(|error| error.powi(2)).sum::<f64>() / errors.len() as f64).sqrt();
    assert!(mean.abs() < 4.0 * 0.5 / 141.0, "{mean}");
    assert!((std / 0.5 - 1.0).abs() < 0.02, "{std}");
    assert_ne!(NOISY.at(1, &[1]), NOISY.at(2, &[1]));
    assert_ne!(NOISY.at(1, &[1]), Noise { seed: 10, ..NOISY }.at(1, &[1]));
}

#[test]
fn unseen_tokens_have_no_reward() {
    let worlds = worlds(1);
    let sessions = worlds.sessions().unwrap();
    let candidates = ChainPolicy::new(worlds.clone()).propose(&sessions, &filter(LENGTH, 1.0)).unwrap().value;
    let mut unseen = TokenSet::new(VOCABULARY);
    unseen.insert(7);
    let mut mrm = ValueMrm::new(worlds, QUIET, unseen).unwrap();
    let rewards = mrm.score_children(&sessions, &candidates).unwrap().value.remove(0);
    for (token, reward) in candidates[0].tokens().zip(rewards) {
        assert_eq!(reward == ChildReward::Unseen, token == 7);
    }
}

#[test]
fn a_search_pays_for_no_position_twice_and_a_template_for_every_prefix() {
    let worlds = worlds(1);
    let session = worlds.sessions().unwrap().remove(0);
    let candidates =
        ChainPolicy::new(worlds.clone()).propose(std::slice::from_ref(&session), &filter(LENGTH, 1.0)).unwrap().value;
    let (children, prompt, suffix) = (candidates[0].len() as u64, session.prompt().len() as u64, SUFFIX as u64);
    let cost = |scorer: &mut dyn ChildScorer, session: &Session| {
        scorer.score_children(std::slice::from_ref(session), &candidates).unwrap().total()
    };
    let paid = |work: Work, shape: DecoderShape, tokens: u64, outputs: u64| {
        assert_eq!((work.attributed.tokens, work.attributed.outputs), (tokens, outputs));
        assert_eq!(work.attributed, shape.forwarded(tokens, work.attributed.pairs, outputs));
    };
    let mut mrm = ValueMrm::new(worlds.clone(), QUIET, TokenSet::new(VOCABULARY)).unwrap();
    paid(cost(&mut mrm, &session), REWARD_SHAPE, prompt, 1);
    paid(cost(&mut mrm, &session.with_response(vec![12]).unwrap()), REWARD_SHAPE, 1, 1);
    let mut prm = PrmScorer(ValuePrm::new(worlds, QUIET).unwrap());
    paid(cost(&mut prm, &session), REWARD_SHAPE, prompt + children * (1 + suffix), children);
    paid(cost(&mut prm, &session), REWARD_SHAPE, children * suffix, children);
    // Another search begins with nothing.
    paid(cost(&mut prm, &session.with_run(Run::new())), REWARD_SHAPE, prompt + children * (1 + suffix), children);
}

fn run(out: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    crate::programs::run(crate::programs::example("synthetic").arg("--out").arg(out).args(arguments))
}

/// The results without their times.
fn results(out: &std::path::Path) -> Value {
    let mut results: Value = serde_json::from_slice(&std::fs::read(out.join("results.json")).unwrap()).unwrap();
    for series in results["series"].as_array_mut().unwrap() {
        let points = series["points"].as_array_mut().unwrap();
        points.iter_mut().for_each(|point| point["seconds"] = Value::Null);
    }
    results
}

#[test]
fn the_program_measures_every_strategy_the_same_way_each_time() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for out in [first.path(), second.path()] {
        let output = run(out, &["--prompts", "2", "--seed", "4", "--noise", "0.25"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(results(first.path()), results(second.path()));
    let read = |name: &str| std::fs::read_to_string(first.path().join(name)).unwrap();
    let (table, quality, asr) = (read("table.md"), read("quality.svg"), read("asr.svg"));
    let results = results(first.path());
    for contestant in roster() {
        let mut series = results["series"].as_array().unwrap().iter();
        let series = series.find(|series| series["strategy"] == contestant.name);
        let points = series.and_then(|series| series["points"].as_array()).unwrap();
        assert_eq!(points.len(), contestant.budgets().count(), "{}", contestant.name);
        for text in [&table, &quality, &asr] {
            assert!(text.contains(contestant.name), "{}", contestant.name);
        }
    }
}

#[test]
fn what_cannot_be_run_is_refused() {
    let out = tempfile::tempdir().unwrap();
    for (arguments, reason) in [(["--prompts", "0"], "there must be a prompt"), (["--noise", "NaN"], "noise must be")] {
        let output = run(out.path(), &arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(reason) && !error.contains("panicked"), "{error}");
    }
}
