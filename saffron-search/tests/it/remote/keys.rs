//! Whatever a server repeats, no error shows the key.

use std::error::Error;

use saffron_core::{CandidateFilter, Policy, with_causes};
use saffron_search::remote::{ApiKey, EngineKind, RemoteSettings, Server};
use serde_json::{Value, json};

use super::fake::{FakeEngine, NAME};
use super::scripted::{Reply, Scripted};
use super::{address, policy, session, settings};

/// Keys as they are and as a quoted text shows them.
const KEYS: [&str; 2] = ["sk-SAFFRON-abcdef1234567890", "sk-\"quoted\"\\1234567890"];

fn with_key(key: &str) -> RemoteSettings {
    RemoteSettings { api_key: Some(ApiKey::new(key)), retries: 0, ..settings() }
}

/// Connects, tokenises and takes a step, and gives the first error.
fn failure(kind: EngineKind, server: &Scripted, settings: RemoteSettings) -> Box<dyn Error> {
    let tried = || -> Result<(), Box<dyn Error>> {
        let server = Server::connect(&address(kind, &[server]), settings.clone())?;
        server.tokenize("abc", true)?;
        server.version()?;
        policy(server).propose(&[session()], &CandidateFilter::default())?;
        Ok(())
    };
    tried().unwrap_err()
}

fn check(
    kind: EngineKind,
    key: &str,
    says: &str,
    mut answer: impl FnMut(&str, usize) -> Option<Reply> + Send + 'static,
) {
    let engine = FakeEngine::new(kind);
    let mut steps = 0;
    let server = Scripted::serve(move |seen| {
        let is_step = matches!(&seen.path[..], "/completion" | "/v1/completions" | "/generate");
        steps += usize::from(is_step);
        answer(if is_step { "step" } else { &seen.path }, steps).unwrap_or_else(|| engine.reply(seen))
    });
    let error = failure(kind, &server, with_key(key));
    let chain = with_causes(&*error);
    assert!(chain.contains(says), "{kind}: {chain}");
    let quoted = format!("{key:?}");
    for text in [chain, format!("{error:?}"), format!("{error:#?}")] {
        assert!(!text.contains(key) && !text.contains(quoted.trim_matches('"')), "{kind}: {text}");
    }
}

/// The answer to one page.
fn at(page: &'static str, body: Value) -> impl FnMut(&str, usize) -> Option<Reply> + Send + 'static {
    move |path: &str, _: usize| (path == page).then(|| Reply::Json(body.clone()))
}

#[test]
fn lists_of_models() {
    for key in KEYS {
        for kind in EngineKind::ALL {
            let typed = at("/v1/models", json!({ "data": key }));
            check(kind, key, "its list of models: invalid type: string \"…\"", typed);
            let bearer = at("/v1/models", json!({ "data": [{ "id": 3, "x": format!("Bearer {key}") }] }));
            check(kind, key, "its list of models", bearer);
            let several = at("/v1/models", json!({ "data": [{ "id": key }, { "id": "b" }] }));
            check(kind, key, "its models are …, b", several);
            let alone = at("/v1/models", json!({ "data": [{ "id": key, "max_model_len": 64 }] }));
            check(kind, key, "its model is called by the API key", alone);
        }
    }
}

#[test]
fn answers_of_another_shape() {
    for key in KEYS {
        for kind in EngineKind::ALL {
            let odd = json!({
                "choices": format!("Bearer {key}"), "completion_probabilities": key, "meta_info": key, "index": key,
            });
            check(kind, key, "invalid type: string", move |path, _| (path == "step").then(|| Reply::Json(odd.clone())));
            let twice = format!("{{{key:?}: 1, {key:?}: 2}}");
            let reply = move |path: &str, _| (path == "step").then(|| Reply::Status(200, Vec::new(), twice.clone()));
            check(kind, key, "an object has the key \"…\" twice", reply);
        }
    }
}

#[test]
fn another_model_than_before() {
    for key in KEYS {
        for kind in EngineKind::ALL {
            let (engine, key_given) = (FakeEngine::new(kind), key.to_owned());
            let body = move || {
                let ask = json!({ "prompt": [[1, 2]], "input_ids": [[1, 2]], "logprobs": 16, "n_probs": 16,
                    "top_logprobs_num": 16, "logit_bias": [[0, 1]] });
                let mut body = engine.step(&ask);
                let name = json!(key_given);
                match kind {
                    EngineKind::Sglang => body[0]["meta_info"]["weight_version"] = name,
                    _ => body["model"] = name,
                }
                Reply::Json(body)
            };
            check(kind, key, "the model is \"…\" now", move |path, steps| (path == "step" && steps > 1).then(&body));
        }
    }
}

#[test]
fn ids_of_a_text() {
    for key in KEYS {
        for kind in EngineKind::ALL {
            for body in [json!({ "tokens": key }), json!({ "tokens": [1, key] })] {
                check(kind, key, "the ids of a text: invalid type: string", at("/tokenize", body));
            }
        }
    }
}

#[test]
fn refusals() {
    for key in KEYS {
        for kind in EngineKind::ALL {
            for status in [400, 401, 404, 500, 503] {
                let text = json!({ "error": { "message": format!("no such key: {key}") } }).to_string();
                let plain = format!("no such key: {key}");
                for text in [text, plain] {
                    let reply = move |path: &str, steps| {
                        (path == "step" && steps > 1).then(|| Reply::Status(status, Vec::new(), text.clone()))
                    };
                    check(kind, key, "no such key: …", reply);
                }
            }
        }
    }
}

#[test]
fn a_version_that_is_the_key_is_not_repeated() {
    let key = KEYS[0];
    let engine = FakeEngine::new(EngineKind::Vllm);
    let server = Scripted::serve(move |seen| match &seen.path[..] {
        "/version" => Reply::Json(json!({ "version": format!("1 {key}") })),
        _ => engine.reply(seen),
    });
    let server = Server::connect(&address(EngineKind::Vllm, &[&server]), with_key(key)).unwrap();
    assert_eq!(server.identity().unwrap(), format!("vllm 1 … serving {NAME}"));
    assert!(!format!("{:?}", server.settings()).contains(key));
}

#[test]
fn long_lists_and_texts_are_cut() {
    let engine = FakeEngine::new(EngineKind::Vllm);
    let models: Vec<Value> = (0..10_000).map(|model| json!({ "id": format!("m{model}") })).collect();
    let server = Scripted::serve(move |seen| match &seen.path[..] {
        "/v1/models" => Reply::Json(json!({ "data": models })),
        _ => engine.reply(seen),
    });
    let error = failure(EngineKind::Vllm, &server, settings()).to_string();
    assert!(error.contains("its models are m0, m1, m2, m3, m4, m5, m6, m7, m8, m9 and 9990 more;"), "{error}");
    let engine = FakeEngine::new(EngineKind::Vllm);
    let server = Scripted::serve(move |seen| match &seen.path[..] {
        "/v1/completions" => Reply::Json(json!({ "choices": "x".repeat(1 << 20) })),
        _ => engine.reply(seen),
    });
    let error = failure(EngineKind::Vllm, &server, settings()).to_string();
    assert!(error.len() < 2000, "{} bytes", error.len());
}
