//! A multifurcation reward model on a real engine beside the same model here. `SAFFRON_SERVED_MRM`
//! names its server, `SAFFRON_MRM_HEAD` the directory of its export; `SAFFRON_SERVED` the policy's
//! server. Where one server has both, `SAFFRON_SERVED_MODEL` and `SAFFRON_MRM_MODEL` name them.
//! `scripts/prove_served_mrm.sh` exports the model, starts the servers, and runs these tests.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use saffron_core::{
    Candidate, Candidates, ChildReward, ContextLayout, Coverage, MultifurcationRewardModel, Outcome, Policy, Session,
    TextPolicy, Token,
};
use saffron_examples::cases::Node;
use saffron_mrm::text::{TextLayout, TextTokenizer};
use saffron_mrm::{LmPolicy, ModelOptions, Mrm};
use saffron_search::remote::{RemoteMrm, RemotePolicy, RemoteSettings, RewardSettings, Server, read_head};
use saffron_search::{Saffron, Searcher};

use crate::margin::{Levels, Trail, Witness};

/// Contexts that are compared, 64 with `SAFFRON_QUICK`, which also searches once and asks fewer prompts at once.
const CONTEXTS: usize = 500;
/// Candidates of each.
const CANDIDATES: usize = 64;
/// How far rewards may lie apart.
const ERROR: f32 = 1e-4;
/// Decisions closer than this may fall either way.
const MARGIN: f32 = 1e-3;

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn quick() -> bool {
    var("SAFFRON_QUICK").is_some()
}

fn needed(name: &str) -> String {
    var(name).unwrap_or_else(|| panic!("{name} is set by scripts/prove_served_mrm.sh"))
}

fn local() -> (LmPolicy, Mrm) {
    let (model, device) = (crate::root().join("models/smollm2"), Device::flex());
    let policy = LmPolicy::open(&model, &device).unwrap();
    let adapter = crate::root().join("examples/smollm2/mrm");
    let mrm = Mrm::builder(&model, &device, ModelOptions::default()).unwrap().with_adapter(adapter).unwrap();
    (policy, mrm)
}

fn settings(model: &str) -> RemoteSettings {
    RemoteSettings {
        wait: Duration::from_mins(3),
        model: var(model),
        vocab_size: Some(49_152),
        ..RemoteSettings::default()
    }
}

/// The served reward model, by the tokenizer that it has here.
fn served(tokenizer: &TextTokenizer) -> RemoteMrm {
    let server =
        Server::reach(&needed("SAFFRON_SERVED_MRM").parse().unwrap(), settings("SAFFRON_MRM_MODEL"), &mut |_| {});
    let layout: ContextLayout = TextLayout::named("mrm", tokenizer).unwrap().into();
    let head = read_head(needed("SAFFRON_MRM_HEAD")).unwrap();
    RemoteMrm::on(server.unwrap(), Arc::new(tokenizer.clone()), layout, head, RewardSettings::default()).unwrap()
}

fn prompts() -> Vec<String> {
    let mut prompts = Vec::new();
    for name in ["train", "development", "test"] {
        let path = crate::root().join(format!("examples/smollm2/prompts/benign_{name}.jsonl"));
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            prompts.push(value["prompt"].as_str().unwrap().to_owned());
        }
    }
    prompts
}

/// Questions with beginnings of replies, and for each candidates all over the vocabulary.
fn contexts(policy: &LmPolicy, mrm: &Mrm) -> (Vec<Session>, Vec<Candidates>) {
    let prompts = prompts();
    let seen: Vec<Token> = (0..mrm.head().bias.len() as Token).filter(|token| mrm.head().is_seen(*token)).collect();
    let session = |place: usize| {
        let text = format!("Here is what I can say about that. You ask: {}", prompts[(place * 7 + 3) % prompts.len()]);
        let reply = policy.encode(&text).unwrap();
        let reply = reply[..(place % 17).min(reply.len())].to_vec();
        policy.session(&prompts[place % prompts.len()]).unwrap().with_response(reply).unwrap()
    };
    let list = |place: usize| {
        let ranked = (0..CANDIDATES).map(|rank| {
            let token = seen[(place * 131 + rank * 197) % seen.len()];
            Candidate { token, logprob: -1.0 }
        });
        Candidates { ranked: ranked.collect(), mass: 0.9, coverage: Coverage::Full }
    };
    let count = if quick() { 64 } else { CONTEXTS };
    ((0..count).map(session).collect(), (0..count).map(list).collect())
}

fn rewards(
    mrm: &mut dyn MultifurcationRewardModel,
    sessions: &[Session],
    lists: &[Candidates],
) -> Vec<Vec<ChildReward>> {
    let batches = sessions.chunks(16).zip(lists.chunks(16));
    batches.flat_map(|(sessions, lists)| mrm.child_rewards(sessions, lists).unwrap().value).collect()
}

#[test]
#[ignore = "needs servers: scripts/prove_served_mrm.sh"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn served_rewards_are_those_of_the_same_model_here() {
    let (policy, mut here) = local();
    let mut there = served(here.tokenizer());
    println!("{}", there.report());
    let (sessions, lists) = contexts(&policy, &here);
    for session in &sessions {
        assert_eq!(there.context(session).unwrap(), here.context(session).unwrap(), "the ids that the model reads");
    }
    let begun = Instant::now();
    let found = rewards(&mut there, &sessions, &lists);
    let (asked, expected) = (begun.elapsed(), rewards(&mut here, &sessions, &lists));
    let (mut most, mut sum, mut count) = (0f32, 0f64, 0usize);
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        let error = (found.seen().unwrap() - expected.seen().unwrap()).abs();
        (most, sum, count) = (most.max(error), sum + f64::from(error), count + 1);
    }
    println!(
        "{} by {}: {} contexts x {CANDIDATES} candidates, error at most {most:.1e}, {:.1e} on average; {:.1} s, {:.0} \
         contexts a second",
        needed("SAFFRON_SERVED_MRM"),
        there.report().route,
        sessions.len(),
        sum / count as f64,
        asked.as_secs_f64(),
        sessions.len() as f64 / asked.as_secs_f64()
    );
    assert_eq!(count, sessions.len() * CANDIDATES);
    assert!(most <= ERROR, "{most}");
}

#[test]
#[ignore = "needs servers: scripts/prove_served_mrm.sh"]
fn a_server_tokenises_the_layout_as_the_model_here() {
    let (policy, here) = local();
    let server =
        Server::reach(&needed("SAFFRON_SERVED_MRM").parse().unwrap(), settings("SAFFRON_MRM_MODEL"), &mut |_| {});
    let head = read_head(needed("SAFFRON_MRM_HEAD")).unwrap();
    let there = RemoteMrm::open(server.unwrap(), policy.vocabulary(), head, RewardSettings::default()).unwrap();
    for prompt in prompts().iter().take(40).chain([&String::from("<|im_start|> is no turn, [INST] neither")]) {
        let session = policy.session(prompt).unwrap();
        assert_eq!(there.context(&session).unwrap(), here.context(&session).unwrap(), "{prompt:?}");
    }
}

/// The served policy, by the tokenizer that it has here.
fn served_policy(policy: &LmPolicy) -> RemotePolicy {
    let server = Server::connect(&needed("SAFFRON_SERVED").parse().unwrap(), settings("SAFFRON_SERVED_MODEL")).unwrap();
    RemotePolicy::on(server, policy.vocabulary(), policy.layout().clone(), policy.end_tokens())
}

/// At most eight tokens are candidates, which every server lists.
fn searcher(width: usize, tokens: usize) -> Searcher {
    Searcher::new(Saffron::paper(width)).top_p(0.8).top_k(8).max_new_tokens(tokens).min_new_tokens(tokens)
}

#[test]
#[ignore = "needs servers: scripts/prove_served_mrm.sh"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn a_search_whose_models_are_both_served_is_the_one_here() {
    let (mut policy, mut mrm) = local();
    let (mut served_policy, mut served_mrm) = (served_policy(&policy), served(mrm.tokenizer()));
    for (place, (question, prefill)) in
        [("How do I bake bread?", "Sure, here is how"), ("What is a volcano?", "A volcano is"), ("Name a colour.", "")]
            .into_iter()
            .take(if quick() { 1 } else { 3 })
            .enumerate()
    {
        let session = policy.session(question).unwrap();
        let session = session.with_prefill(policy.encode(prefill).unwrap()).unwrap();
        let run = |policy: &mut dyn Policy, witness: &mut Witness<'_>| {
            let ((levels, seen), begun) = (channel(), Instant::now());
            let outcome = searcher(8, 24).run_observed(&session, policy, witness, &mut Levels(levels)).unwrap();
            (outcome, seen.try_iter().collect::<Vec<Vec<Node>>>(), begun.elapsed())
        };
        let mut witness = Witness::new(&mut mrm);
        let (here, own, alone) = run(&mut policy, &mut witness);
        let (there, other, took) = run(&mut served_policy, &mut Witness::new(&mut served_mrm));
        println!("{question}: {}", line(&there, took, alone));
        let own = Trail { levels: &own, output: &here.best.tokens };
        let other = Trail { levels: &other, output: &there.best.tokens };
        match witness.parting(own, other, 0.8) {
            Some(parting) => {
                println!("search {place} parts at a margin of {:.1e}", parting.margin);
                assert!(parting.margin < MARGIN, "{parting:?}");
            }
            None => println!("search {place}: the same beams on every level"),
        }
    }
}

fn line(outcome: &Outcome, took: Duration, here: Duration) -> String {
    let [policy, reward] = [outcome.usage.policy, outcome.usage.reward];
    let cached = |asked: u64, cached: u64| 100.0 * cached as f64 / asked.max(1) as f64;
    let outside = took.saturating_sub(policy.wall + reward.wall);
    format!(
        "{:.2} s ({:.2} s with both here), policy {:.2} s in {} calls, rewards {:.2} s in {}, outside the models {:.3} s; \
         tokens asked {} and {}, from the cache {:.0} % and {:.0} %, of unknown origin {} and {}; {}",
        took.as_secs_f64(),
        here.as_secs_f64(),
        policy.wall.as_secs_f64(),
        policy.calls,
        reward.wall.as_secs_f64(),
        reward.calls,
        outside.as_secs_f64(),
        policy.asked,
        reward.asked,
        cached(policy.asked, policy.cached),
        cached(reward.asked, reward.cached),
        policy.unknown,
        reward.unknown,
        outcome.stop
    )
}

#[test]
#[ignore = "needs servers: scripts/prove_served_mrm.sh"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn prompts_a_second_at_1_4_and_16_prompts_at_once() {
    let (policy, mrm) = local();
    let (mut served_policy, mut served_mrm) = (served_policy(&policy), served(mrm.tokenizer()));
    let most = if quick() { 4 } else { 16 };
    let sessions: Vec<Session> = prompts().iter().take(most).map(|prompt| policy.session(prompt).unwrap()).collect();
    let searcher = searcher(4, 4);
    for at_once in [1, 4, 16].into_iter().filter(|at_once| *at_once <= most) {
        let begun = Instant::now();
        let found = searcher.many(&sessions).at_once(at_once).run(&mut served_policy, &mut served_mrm).unwrap();
        let rate = sessions.len() as f64 / begun.elapsed().as_secs_f64();
        println!("{at_once} prompts at once: {rate:.2} prompts a second");
        for outcome in found {
            let outcome = outcome.unwrap();
            assert!(!outcome.best.tokens.is_empty(), "{}", outcome.stop);
            assert!(outcome.usage.policy.asked > 0 && outcome.usage.reward.asked > 0);
        }
    }
}
