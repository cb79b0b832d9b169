//! What does not work is known before a search begins, with what mends it.

use saffron_search::remote::{EngineKind, RemoteError, RemotePolicy, RemoteSettings, Server, ServerAddress};
use serde_json::json;

use super::fake::{FakeEngine, NAME};
use super::scripted::{Reply, Scripted};
use super::{address, connect, good, settings};

fn refusal(kind: EngineKind, server: &Scripted, settings: RemoteSettings) -> String {
    Server::connect(&address(kind, &[server]), settings).unwrap_err().to_string()
}

/// A good server but for steps.
fn steps(
    kind: EngineKind,
    mut step: impl FnMut(&FakeEngine, &super::scripted::Seen) -> Reply + Send + 'static,
) -> Scripted {
    let engine = FakeEngine::new(kind);
    Scripted::serve(move |seen| match &seen.path[..] {
        "/completion" | "/v1/completions" | "/generate" => step(&engine, seen),
        _ => engine.reply(seen),
    })
}

#[test]
fn too_few_log_probabilities_name_the_flag() {
    let few = FakeEngine { most: 5, ..FakeEngine::new(EngineKind::Vllm) };
    let server = Scripted::serve(move |seen| few.reply(seen));
    let error = refusal(EngineKind::Vllm, &server, settings());
    assert!(error.contains("5 log-probabilities, 32 were asked for") && error.contains("--max-logprobs"), "{error}");
    let server = steps(EngineKind::Vllm, |_, _| {
        Reply::Status(400, Vec::new(), String::from(r#"{"error":{"message":"Requested sample logprobs of 16"}}"#))
    });
    let error = refusal(EngineKind::Vllm, &server, settings());
    assert!(error.contains("Requested sample logprobs") && error.contains("--max-logprobs"), "{error}");
}

#[test]
fn probabilities_after_a_sampler_are_not_taken() {
    for kind in EngineKind::ALL {
        let server = steps(kind, |engine, seen| {
            let mut body = engine.step(&seen.body);
            let text = body.to_string();
            // The first of them certain, the others all but impossible.
            let flat = |value: &mut serde_json::Value, number: f64| *value = json!(number);
            match engine.kind {
                EngineKind::LlamaCpp => {
                    let listed = body["completion_probabilities"][0]["top_logprobs"].as_array_mut().unwrap();
                    listed
                        .iter_mut()
                        .enumerate()
                        .for_each(|(n, one)| flat(&mut one["logprob"], if n == 0 { 0.0 } else { -9999.0 }));
                }
                EngineKind::Vllm => {
                    let listed = body["choices"][0]["logprobs"]["top_logprobs"][0].as_object_mut().unwrap();
                    listed.values_mut().enumerate().for_each(|(n, one)| flat(one, if n == 0 { 0.0 } else { -9999.0 }));
                }
                EngineKind::Sglang => {
                    let listed = body[0]["meta_info"]["output_top_logprobs"][0].as_array_mut().unwrap();
                    listed
                        .iter_mut()
                        .enumerate()
                        .for_each(|(n, one)| flat(&mut one[0], if n == 0 { 0.0 } else { -9999.0 }));
                }
            }
            assert_ne!(body.to_string(), text);
            Reply::Json(body)
        });
        let error = refusal(kind, &server, settings());
        assert!(error.contains("a sampler has changed them"), "{kind}: {error}");
        assert!(kind != EngineKind::Vllm || error.contains("--logprobs-mode raw_logprobs"), "{error}");
    }
}

#[test]
fn logits_are_no_log_probabilities() {
    let server = steps(EngineKind::Vllm, |engine, seen| {
        let mut body = engine.step(&seen.body);
        let listed = body["choices"][0]["logprobs"]["top_logprobs"][0].as_object_mut().unwrap();
        listed.values_mut().for_each(|value| *value = json!(20.0 + value.as_f64().unwrap()));
        Reply::Json(body)
    });
    let error = refusal(EngineKind::Vllm, &server, settings());
    assert!(error.contains("--logprobs-mode raw_logprobs"), "{error}");
}

#[test]
fn nothing_can_be_asked_for_none() {
    let server = good(EngineKind::LlamaCpp);
    let error = refusal(EngineKind::LlamaCpp, &server, RemoteSettings { top: 0, ..settings() });
    assert!(error.contains("at least 1"), "{error}");
}

#[test]
fn another_engine_is_told_as_one() {
    let server = good(EngineKind::LlamaCpp);
    let engine = FakeEngine::new(EngineKind::LlamaCpp);
    let only = Scripted::serve(move |seen| match &seen.path[..] {
        "/v1/models" | "/completion" => engine.reply(seen),
        _ => Reply::Status(404, Vec::new(), String::new()),
    });
    let error = refusal(EngineKind::Vllm, &only, settings());
    assert!(error.contains("is it a server of vllm?"), "{error}");
    let silent = Scripted::serve(|_| Reply::Status(404, Vec::new(), String::from("nginx")));
    let error = refusal(EngineKind::LlamaCpp, &silent, settings());
    assert!(error.contains("is it a server of llamacpp?"), "{error}");
    drop(server);
}

#[test]
fn one_of_several_models_has_to_be_named() {
    let engine = FakeEngine::new(EngineKind::Vllm);
    let server = Scripted::serve(move |seen| match &seen.path[..] {
        "/v1/models" => Reply::Json(json!({ "data": [{ "id": "adapter" }, { "id": NAME, "max_model_len": 64 }] })),
        _ => engine.reply(seen),
    });
    let error = refusal(EngineKind::Vllm, &server, settings());
    assert!(error.contains("adapter, fake-40") && error.contains("RemoteSettings::model"), "{error}");
    let named = RemoteSettings { model: Some(NAME.into()), ..settings() };
    assert_eq!(connect(EngineKind::Vllm, &server, named).model().name, NAME);
}

#[test]
fn endpoints_of_different_models_are_refused() {
    let one = good(EngineKind::LlamaCpp);
    let engine = FakeEngine::new(EngineKind::LlamaCpp);
    let other = Scripted::serve(move |seen| match &seen.path[..] {
        "/v1/models" => Reply::Json(json!({ "data": [{ "id": "another" }] })),
        _ => engine.reply(seen),
    });
    let error = Server::connect(&address(EngineKind::LlamaCpp, &[&one, &other]), settings()).unwrap_err();
    assert!(matches!(&error, RemoteError::Answer { .. }) && error.to_string().contains("another"), "{error}");
}

#[test]
fn what_a_server_does_not_say_has_to_be_said() {
    let server = good(EngineKind::Vllm);
    let connected = connect(EngineKind::Vllm, &server, settings());
    let error = RemotePolicy::open(connected).unwrap_err().to_string();
    assert!(error.contains("RemoteSettings::end_tokens"), "{error}");
    let silent = RemoteSettings { vocab_size: None, end_tokens: Some(vec![0]), ..settings() };
    let error = RemotePolicy::open(connect(EngineKind::Vllm, &server, silent)).unwrap_err().to_string();
    assert!(error.contains("RemoteSettings::vocab_size"), "{error}");
    let server = good(EngineKind::Sglang);
    let error = RemotePolicy::open(connect(EngineKind::Sglang, &server, settings())).unwrap_err().to_string();
    assert!(error.contains("RemotePolicy::on"), "{error}");
}

#[test]
fn addresses_that_are_none_say_why() {
    for (text, says) in [
        ("models/smollm2", "expected llamacpp:URL"),
        ("tgi:http://a", "expected llamacpp:URL"),
        ("vllm:a:8000", "must begin with http"),
        ("vllm:http://", "no host"),
        ("vllm:http://a,,http://b", "must begin with http"),
        ("vllm:https://user:word@a", "no credentials"),
        ("vllm:https://a/?key=word", "no credentials and no query"),
        ("vllm:https://a#word", "no fragment"),
        ("vllm:https://a/v1#word,http://b", "no fragment"),
    ] {
        let error = text.parse::<ServerAddress>().unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("word"), "{text}: {error}");
    }
    assert!(ServerAddress::looks_like("sglang:whatever") && !ServerAddress::looks_like("models/vllm:x"));
}
