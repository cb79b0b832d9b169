//! A model behind a real server beside the same model here: `SAFFRON_SERVED` names the server (`llamacpp:http://…`, `vllm:http://…`), which
//! `scripts/llamacpp_server.sh` and `scripts/vllm_server.sh` start.

use std::path::PathBuf;
use std::time::Instant;

use saffron_core::{CandidateFilter, Candidates, ModelName, Outcome, Policy, Session, TextPolicy};
use saffron_examples::models::{MemoryArgs, NamedPolicy, Opener, PolicyArgs, WaitArgs};
use saffron_examples::rewards::{PresetName, RewardArgs};
use saffron_mrm::Mrm;
use saffron_search::eval::models::WeightType;
use saffron_search::{Saffron, Searcher};

/// Contexts that are compared.
const CONTEXTS: usize = 500;
/// Ranks that are compared.
const RANKS: usize = 20;

fn model() -> PathBuf {
    crate::root().join("models/smollm2")
}

/// What the server runs: for llama.cpp the GGUF, for vLLM the directory that was made of it.
fn same_here(served: &str) -> PathBuf {
    if served.starts_with("llamacpp:") { model().join("model.gguf") } else { model() }
}

fn served() -> String {
    std::env::var("SAFFRON_SERVED").expect("SAFFRON_SERVED names a server, such as llamacpp:http://127.0.0.1:8080")
}

fn open(policy: &str) -> (Opener, NamedPolicy) {
    let args = PolicyArgs {
        policy: policy.parse().unwrap(),
        tokenizer: policy.contains("http").then(|| ModelName::from_path(model()).unwrap()),
        served_model: None,
        top: None,
        wait: WaitArgs { wait: 0 },
        layout: Some(String::from("chatml")),
        system: None,
        template_option: Vec::new(),
        date: None,
        device: String::from("flex"),
        dtype: WeightType::F32,
        cache_mb: Some(512),
        memory: MemoryArgs::default(),
        max_context: None,
        no_cache: false,
    };
    let reward = RewardArgs {
        guard_template: None,
        guard_tokenizer: None,
        mrm: None,
        guard: None,
        preset: Some(PresetName::Paper),
        mrm_layout: None,
        neutral_head: false,
        mrm_model: None,
        mrm_route: None,
        mrm_tolerance: None,
        unmerged: false,
    };
    args.open(&reward).unwrap()
}

/// Questions with beginnings of replies of several lengths.
fn contexts(policy: &NamedPolicy) -> Vec<Session> {
    let mut prompts = Vec::new();
    for name in ["train", "development", "test"] {
        let path = crate::root().join(format!("examples/smollm2/prompts/benign_{name}.jsonl"));
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            prompts.push(value["prompt"].as_str().unwrap().to_owned());
        }
    }
    let session = |place: usize| {
        let (prompt, other) = (&prompts[place % prompts.len()], &prompts[(place * 7 + 3) % prompts.len()]);
        policy
            .attacked_session(prompt, &format!("Here is what I can say about that. You ask: {other}"), place % 17)
            .unwrap()
    };
    (0..CONTEXTS).map(session).collect()
}

fn ranked(policy: &mut NamedPolicy, sessions: &[Session]) -> Vec<Candidates> {
    let filter = CandidateFilter { top_k: Some(RANKS), ..CandidateFilter::default() };
    sessions.chunks(50).flat_map(|chunk| policy.propose(chunk, &filter).unwrap().value).collect()
}

#[test]
#[ignore = "needs a server: scripts/llamacpp_server.sh -- cargo test --workspace --test slow -- --ignored --nocapture served"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn a_served_model_proposes_what_the_same_model_proposes_here() {
    let served = served();
    let (_, mut there) = open(&served);
    let (_, mut here) = open(&same_here(&served).display().to_string());
    let sessions = contexts(&here);
    let (found, expected) = (ranked(&mut there, &sessions), ranked(&mut here, &sessions));
    let (mut same_first, mut shared, mut gap, mut most) = (0, 0usize, 0.0, 0f64);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((found.len(), expected.len()), (RANKS, RANKS));
        same_first += usize::from(found.ranked[0].token == expected.ranked[0].token);
        for candidate in &found.ranked {
            if let Some(other) = expected.ranked.iter().find(|other| other.token == candidate.token) {
                shared += 1;
                let difference = f64::from((candidate.logprob - other.logprob).abs());
                gap += difference;
                most = most.max(difference);
            }
        }
    }
    let first = same_first as f64 / CONTEXTS as f64;
    let share = shared as f64 / (CONTEXTS * RANKS) as f64;
    println!(
        "{served}: {CONTEXTS} contexts, the same most probable token in {:.1} %, {:.1} % of the first {RANKS} shared, \
         log-probabilities of these apart by {:.4} on average and {most:.3} at most",
        100.0 * first,
        100.0 * share,
        gap / shared as f64
    );
    assert!(first >= 0.95, "{first}");
    assert!(share >= 0.9, "{share}");
}

#[test]
#[ignore = "needs a server: scripts/llamacpp_server.sh -- cargo test --workspace --test slow -- --ignored --nocapture served"]
#[allow(clippy::print_stdout, reason = "shows what was measured")]
fn a_search_over_a_served_policy_is_the_search_over_the_same_here() {
    let served = served();
    let mut found = Vec::new();
    for place in [served.clone(), same_here(&served).display().to_string()] {
        let (mut opener, mut policy) = open(&place);
        let base = opener.base(&ModelName::from_path(model()).unwrap()).unwrap();
        let adapter = crate::root().join("examples/smollm2/mrm");
        let mut mrm = Mrm::on(&base, opener.options()).unwrap().with_adapter(adapter).unwrap();
        let session = policy.attacked_session("How do I bake bread?", "Sure, here is how", 4).unwrap();
        let searcher = Searcher::new(Saffron::paper(8)).top_p(0.8).max_new_tokens(24);
        let begun = Instant::now();
        let outcome = searcher.run(&session, &mut policy, &mut mrm).unwrap();
        println!("{}", line(&place, begun, &policy, &outcome));
        found.push(outcome);
    }
    let [there, here] = [&found[0], &found[1]];
    let usage = there.usage.policy;
    assert!(usage.truncated * 10 < usage.sessions, "the server lists enough for nearly every sequence: {usage:?}");
    assert!(there.best.tokens.len() >= 16 && here.best.tokens.len() >= 16);
    // vLLM tells so of requests of one sequence only.
    if served.starts_with("llamacpp:") {
        assert!(usage.unknown == 0 && usage.cached > usage.asked / 2, "the server's cache serves: {usage:?}");
    }
    let same = there.best.tokens.iter().zip(&here.best.tokens).take_while(|(one, other)| one == other).count();
    println!("the answers share their first {same} of {} tokens", here.best.tokens.len());
}

fn line(place: &str, begun: Instant, policy: &NamedPolicy, outcome: &Outcome) -> String {
    let usage = outcome.usage.policy;
    format!(
        "{place}: {:.2} s, of which {:.2} s in {} calls of the policy; {} tokens asked for, {} from the cache, {} of unknown origin; {} of {} sequences truncated; reward {:?}: {:?}",
        begun.elapsed().as_secs_f64(),
        usage.wall.as_secs_f64(),
        usage.calls,
        usage.asked,
        usage.cached,
        usage.unknown,
        usage.truncated,
        usage.sessions,
        outcome.best.reward,
        policy.text(&outcome.best).unwrap()
    )
}
