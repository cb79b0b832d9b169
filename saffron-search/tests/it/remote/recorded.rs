//! What a real vLLM once said to a small search, with the model SmolLM2-135M-Instruct: the same search asks the same of the recording, and finds the
//! same. `vllm.json` is made anew by `scripts/vllm_server.sh -- cargo test -p saffron-search --features remote --test it -- --ignored records_vllm`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use saffron_core::{Outcome, PrmScorer, TextPolicy, Token, process_reward_fn};
use saffron_search::remote::{RemotePolicy, RemoteSettings, Server};
use saffron_search::{Saffron, Searcher};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scripted::{Reply, Scripted, Seen};

const RECORDING: &str = include_str!("vllm.json");

/// A server's words, in order, and what a search made of them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Recording {
    /// What was recorded.
    engine: String,
    exchanges: Vec<Exchange>,
    found: Found,
}

/// A request and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) path: String,
    /// Nothing where the page was only looked at.
    pub(super) asked: Value,
    pub(super) said: Value,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    text: String,
    tokens: Vec<Token>,
    beam: Vec<Vec<Token>>,
    asked: u64,
    truncated: u64,
}

/// A beam of three over four tokens that loves long words, whose server does the tokenising.
fn search(url: &str) -> Found {
    let settings = RemoteSettings {
        wait: Duration::ZERO,
        top: 20,
        vocab_size: Some(49_152),
        end_tokens: Some(vec![2]),
        ..RemoteSettings::default()
    };
    let server = Server::connect(&format!("vllm:{url}").parse().unwrap(), settings).unwrap();
    let mut policy = RemotePolicy::open(server).unwrap();
    let prefill = policy.encode("Sure, here is how").unwrap()[..4].to_vec();
    let session = policy.session("How do I bake bread?").unwrap().with_prefill(prefill).unwrap();
    let mut highest =
        PrmScorer(process_reward_fn(|session| session.response().iter().map(|token| *token as f32).sum()));
    let searcher = Searcher::new(Saffron::paper(3)).max_new_tokens(4).min_new_tokens(4);
    let Outcome { best, beam, usage, .. } = searcher.run(&session, &mut policy, &mut highest).unwrap();
    Found {
        text: policy.text(&best).unwrap(),
        tokens: best.tokens,
        beam: beam.into_iter().map(|sequence| sequence.tokens).collect(),
        asked: usage.policy.asked,
        truncated: usage.policy.truncated,
    }
}

#[test]
fn a_search_over_what_vllm_said_finds_what_it_found() {
    let Recording { engine, exchanges, found } = serde_json::from_str(RECORDING).unwrap();
    assert!(engine.starts_with("vllm "), "{engine}");
    assert!(
        exchanges.iter().filter(|exchange| exchange.path == "/v1/completions").count() >= 5,
        "a probe and four steps"
    );
    let recorded = exchanges.len();
    let mut left = exchanges.into_iter();
    let server = Scripted::serve(move |seen| match left.next() {
        Some(next) if next.path == seen.path && next.asked == seen.body => Reply::Json(next.said),
        next => Reply::Status(400, Vec::new(), format!("expected {next:?}, found {seen:?}")),
    });
    assert_eq!(search(&server.url()), found);
    assert_eq!(server.seen().len(), recorded, "nothing else is asked");
}

#[test]
#[ignore = "needs a server: scripts/vllm_server.sh -- cargo test -p saffron-search --features remote --test it -- --ignored records_vllm"]
fn records_vllm() {
    let served =
        std::env::var("SAFFRON_SERVED").expect("SAFFRON_SERVED names a server, such as vllm:http://127.0.0.1:8011");
    let upstream = served.strip_prefix("vllm:").expect("a vLLM").to_owned();
    let exchanges = Arc::new(Mutex::new(Vec::new()));
    let log = exchanges.clone();
    let version = hand_on(&upstream, &Seen { path: String::from("/version"), body: Value::Null, authorization: None });
    let proxy = Scripted::serve(move |seen| {
        let said = hand_on(&upstream, seen);
        let exchange = Exchange { path: seen.path.clone(), asked: seen.body.clone(), said: said.clone() };
        log.lock().unwrap().push(exchange);
        Reply::Json(said)
    });
    let found = search(&proxy.url());
    let engine = format!("vllm {}", version["version"].as_str().unwrap());
    let recording = Recording { engine, exchanges: exchanges.lock().unwrap().clone(), found };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/remote/vllm.json");
    std::fs::write(path, serde_json::to_string(&recording).unwrap() + "\n").unwrap();
}

/// What the server behind says.
pub(super) fn hand_on(upstream: &str, seen: &Seen) -> Value {
    let url = format!("{upstream}{}", seen.path);
    let answer = match seen.body.is_null() {
        true => ureq::get(url).call(),
        false => ureq::post(url).header("Content-Type", "application/json").send(seen.body.to_string()),
    };
    serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap()
}
