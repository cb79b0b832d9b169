//! Whatever a server does, a search ends in time, with a typed error that carries the best answer so far.

use std::error::Error;
use std::time::{Duration, Instant};

use saffron_core::testing::ScriptedReward;
use saffron_core::{ModelError, Outcome, SearchError, SearchErrorKind};
use saffron_search::remote::{AnswerProblem, EngineKind, RemoteError, RemoteSettings};
use saffron_search::{Saffron, Searcher};
use serde_json::{Value, json};

use super::fake::FakeEngine;
use super::scripted::{Reply, Scripted, Seen};
use super::{connect, policy, session, settings};

/// Steps that go well before the fault: the probe and two of the search.
const GOOD: usize = 3;

/// A server whose steps go wrong after the first ones, for good or for `times`.
fn faulty(
    kind: EngineKind,
    times: usize,
    mut fault: impl FnMut(&FakeEngine, &Seen) -> Reply + Send + 'static,
) -> Scripted {
    let engine = FakeEngine::new(kind);
    let mut steps = 0;
    Scripted::serve(move |seen| match &seen.path[..] {
        "/completion" | "/v1/completions" | "/generate" => {
            steps += 1;
            if steps > GOOD && steps - GOOD <= times { fault(&engine, seen) } else { engine.reply(seen) }
        }
        _ => engine.reply(seen),
    })
}

fn search(kind: EngineKind, server: &Scripted, settings: RemoteSettings) -> Result<Outcome, SearchError> {
    let mut policy = policy(connect(kind, server, settings));
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(5).min_new_tokens(5);
    searcher.run(&session(), &mut policy, &mut ScriptedReward::new(0.0))
}

/// What went wrong, after a look at what was kept.
fn failure(kind: EngineKind, server: &Scripted, settings: RemoteSettings) -> RemoteError {
    let begun = Instant::now();
    let limit = settings.timeout + Duration::from_secs(3);
    let error = search(kind, server, settings).unwrap_err();
    assert!(begun.elapsed() < limit, "{kind}: it hung for {:?}", begun.elapsed());
    let best = &error.partial().expect("the best answer so far").best;
    assert_eq!(best.tokens.len(), GOOD - 1, "{kind}: {error}");
    match error.kind() {
        SearchErrorKind::Model { source: ModelError::Other { source, .. }, .. } => taken(source.as_ref()),
        other => panic!("{kind}: {other}"),
    }
}

/// Errors are not cloned: what a test looks at is put together again.
fn taken(error: &(dyn Error + Send + Sync + 'static)) -> RemoteError {
    match error.downcast_ref::<RemoteError>().expect("a remote error") {
        RemoteError::Answer { endpoint, problem } => {
            RemoteError::Answer { endpoint: endpoint.clone(), problem: problem.clone() }
        }
        RemoteError::TimedOut { endpoint, after } => {
            RemoteError::TimedOut { endpoint: endpoint.clone(), after: *after }
        }
        RemoteError::Refused { endpoint, status, tries, message } => {
            let (endpoint, message) = (endpoint.clone(), message.clone());
            RemoteError::Refused { endpoint, status: *status, tries: *tries, message }
        }
        RemoteError::Unreachable { endpoint, tries, reason } => {
            RemoteError::Unreachable { endpoint: endpoint.clone(), tries: *tries, reason: reason.clone() }
        }
        RemoteError::TooLarge { endpoint, limit } => {
            RemoteError::TooLarge { endpoint: endpoint.clone(), limit: *limit }
        }
        other => panic!("{other}"),
    }
}

fn problem(kind: EngineKind, change: impl Fn(EngineKind, &mut Value) + Send + 'static) -> AnswerProblem {
    let server = faulty(kind, usize::MAX, move |engine, seen| {
        let mut body = engine.step(&seen.body);
        change(kind, &mut body);
        Reply::Json(body)
    });
    match failure(kind, &server, settings()) {
        RemoteError::Answer { problem, .. } => problem,
        other => panic!("{kind}: {other}"),
    }
}

/// The listed tokens of the answer to the first sequence of a request.
fn listed(kind: EngineKind, body: &mut Value) -> &mut Value {
    match kind {
        EngineKind::LlamaCpp => {
            let one = if body.is_array() { &mut body[0] } else { body };
            &mut one["completion_probabilities"][0]["top_logprobs"]
        }
        EngineKind::Vllm => &mut body["choices"][0]["logprobs"]["top_logprobs"][0],
        EngineKind::Sglang => &mut body[0]["meta_info"]["output_top_logprobs"][0],
    }
}

/// Changes the first listed token's id, or number.
fn change_first(kind: EngineKind, listed: &mut Value, id: Option<Value>, logprob: Option<Value>) {
    match kind {
        EngineKind::LlamaCpp => {
            id.into_iter().for_each(|id| listed[0]["id"] = id);
            logprob.into_iter().for_each(|logprob| listed[0]["logprob"] = logprob);
        }
        EngineKind::Vllm => {
            let map = listed.as_object_mut().unwrap();
            let key = map.keys().next().unwrap().clone();
            let value = map.remove(&key).unwrap();
            let key = match id {
                Some(Value::Null) => String::from(" the"),
                Some(id) => format!("token_id:{id}"),
                None => key,
            };
            map.insert(key, logprob.unwrap_or(value));
        }
        EngineKind::Sglang => {
            id.into_iter().for_each(|id| listed[0][1] = id);
            logprob.into_iter().for_each(|logprob| listed[0][0] = logprob);
        }
    }
}

#[test]
fn a_refused_connection() {
    let server = faulty(EngineKind::Vllm, usize::MAX, |_, _| Reply::Drop);
    match failure(EngineKind::Vllm, &server, settings()) {
        RemoteError::Unreachable { tries: 3, .. } => {}
        other => panic!("{other}"),
    }
    // Nobody there at all.
    let url = server.url();
    drop(server);
    let error =
        saffron_search::remote::Server::connect(&format!("vllm:{url}").parse().unwrap(), settings()).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { tries: 3, .. }), "{error}");
}

#[test]
fn a_server_that_hangs() {
    for kind in EngineKind::ALL {
        let server = faulty(kind, usize::MAX, |_, _| Reply::Hang);
        let quick = RemoteSettings { timeout: Duration::from_millis(300), ..settings() };
        let error = failure(kind, &server, quick);
        assert!(matches!(error, RemoteError::TimedOut { after, .. } if after == Duration::from_millis(300)), "{error}");
    }
}

#[test]
fn an_answer_that_breaks_off() {
    for kind in EngineKind::ALL {
        let server = faulty(kind, usize::MAX, |engine, seen| Reply::Half(engine.step(&seen.body).to_string()));
        let error = failure(kind, &server, settings());
        assert!(matches!(error, RemoteError::Unreachable { tries: 3, .. }), "{error}");
    }
}

#[test]
fn too_many_requests_and_no_service_are_tried_again() {
    for status in [429, 503] {
        for kind in EngineKind::ALL {
            let refuse = move |_: &FakeEngine, _: &Seen| Reply::Status(status, Vec::new(), String::from("come again"));
            let server = faulty(kind, 2, refuse);
            assert_eq!(search(kind, &server, settings()).unwrap().best.tokens.len(), 5);
            let server = faulty(kind, usize::MAX, refuse);
            match failure(kind, &server, settings()) {
                RemoteError::Refused { status: found, tries: 3, message, .. } => {
                    assert_eq!((found, &message[..]), (status, "come again"));
                }
                other => panic!("{other}"),
            }
        }
    }
    // What another try would not mend is not tried again.
    let server = faulty(EngineKind::Vllm, usize::MAX, |_, _| Reply::Status(500, Vec::new(), String::from("a fault")));
    assert!(matches!(failure(EngineKind::Vllm, &server, settings()), RemoteError::Refused { tries: 1, .. }));
}

#[test]
fn a_server_says_how_long_to_wait() {
    let later = |seconds: &str| {
        let headers = vec![("Retry-After", seconds.to_owned())];
        Reply::Status(429, headers, String::new())
    };
    let server = faulty(EngineKind::LlamaCpp, 1, move |_, _| later("1"));
    let begun = Instant::now();
    search(EngineKind::LlamaCpp, &server, settings()).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "it did not wait");
    // A wait that there is no time for is not begun.
    for seconds in ["3600", "18446744073709551615"] {
        let server = faulty(EngineKind::LlamaCpp, usize::MAX, move |_, _| later(seconds));
        let begun = Instant::now();
        assert!(matches!(
            failure(EngineKind::LlamaCpp, &server, settings()),
            RemoteError::Refused { status: 429, tries: 1, .. }
        ));
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn malformed_json() {
    for kind in EngineKind::ALL {
        for text in ["{\"choices\": [", "<html>busy</html>", "", "[NaN]", "3", "{}", "[]", "[1]", "{\"choices\": 7}"] {
            let server = faulty(kind, usize::MAX, move |_, _| Reply::Status(200, Vec::new(), text.to_owned()));
            match failure(kind, &server, settings()) {
                RemoteError::Answer { problem: AnswerProblem::Malformed(_) | AnswerProblem::Count { .. }, .. } => {}
                RemoteError::Answer { problem: AnswerProblem::TooFew { found: 0, .. }, .. } if text == "{}" => {}
                other => panic!("{kind}, {text}: {other}"),
            }
        }
    }
}

#[test]
fn answers_for_other_sequences() {
    for kind in EngineKind::ALL {
        let found = problem(kind, |kind, body| match kind {
            EngineKind::Vllm => {
                body["choices"].as_array_mut().unwrap().pop();
            }
            _ => *body = json!(body.as_array().map(|all| all[1..].to_vec()).unwrap_or_default()),
        });
        assert_eq!(found, AnswerProblem::Count { expected: 2, found: 1 }, "{kind}");
    }
    // Twice the same place.
    let found = problem(EngineKind::Vllm, |_, body| body["choices"][1]["index"] = json!(0));
    assert_eq!(found, AnswerProblem::Count { expected: 2, found: 1 });
}

#[test]
fn tokens_without_ids() {
    for kind in EngineKind::ALL {
        let found = problem(kind, |kind, body| change_first(kind, listed(kind, body), Some(Value::Null), None));
        assert!(matches!(found, AnswerProblem::NoIds { .. }), "{kind}: {found}");
    }
}

#[test]
fn fewer_log_probabilities_than_asked_for() {
    for kind in EngineKind::ALL {
        let found = problem(kind, |kind, body| match listed(kind, body) {
            Value::Array(listed) => listed.truncate(10),
            Value::Object(listed) => {
                while listed.len() > 10 {
                    let key = listed.keys().next().unwrap().clone();
                    listed.remove(&key);
                }
            }
            other => panic!("{other}"),
        });
        assert!(matches!(found, AnswerProblem::TooFew { expected: 17, found: 10, .. }), "{kind}: {found}");
    }
}

#[test]
fn numbers_that_are_none() {
    for kind in EngineKind::ALL {
        for (number, says) in [(Value::Null, "no number"), (json!(0.5), "0.5")] {
            let found =
                problem(kind, move |kind, body| change_first(kind, listed(kind, body), None, Some(number.clone())));
            assert!(matches!(&found, AnswerProblem::NotALogprob { value, .. } if value == says), "{kind}: {found}");
        }
        // JSON has no NaN; servers in Python write it all the same.
        let server = faulty(kind, usize::MAX, move |engine, seen| {
            let mut body = engine.step(&seen.body);
            change_first(kind, listed(kind, &mut body), None, Some(json!("NaN")));
            Reply::Status(200, Vec::new(), body.to_string().replace("\"NaN\"", "NaN"))
        });
        let error = failure(kind, &server, settings());
        assert!(matches!(error, RemoteError::Answer { problem: AnswerProblem::Malformed(_), .. }), "{kind}: {error}");
    }
}

#[test]
fn ids_that_the_vocabulary_lacks() {
    for kind in EngineKind::ALL {
        for id in [40u64, u64::from(u32::MAX) + 1] {
            let found = problem(kind, move |kind, body| change_first(kind, listed(kind, body), Some(json!(id)), None));
            assert!(
                matches!(found, AnswerProblem::OutOfVocabulary { token, size: 40, .. } if token == id),
                "{kind}: {found}"
            );
        }
    }
}

#[test]
fn a_token_twice() {
    for kind in [EngineKind::LlamaCpp, EngineKind::Sglang] {
        let found = problem(kind, |kind, body| {
            let listed = listed(kind, body).as_array_mut().unwrap();
            listed[1] = listed[0].clone();
        });
        assert!(matches!(found, AnswerProblem::Twice { .. }), "{kind}: {found}");
    }
}

#[test]
fn another_model_than_before() {
    for kind in EngineKind::ALL {
        let found = problem(kind, |kind, body| match kind {
            EngineKind::Vllm => body["model"] = json!("another"),
            EngineKind::LlamaCpp => (0..2).for_each(|place| body[place]["model"] = json!("another")),
            EngineKind::Sglang => {
                (0..2).for_each(|place| body[place]["meta_info"]["weight_version"] = json!("another"));
            }
        });
        assert!(matches!(&found, AnswerProblem::OtherModel { found, .. } if found == "another"), "{kind}: {found}");
    }
}

#[test]
fn bodies_of_ten_megabytes() {
    for kind in EngineKind::ALL {
        let padded = |engine: &FakeEngine, seen: &Seen| {
            let body = engine.step(&seen.body).to_string();
            Reply::Status(200, Vec::new(), " ".repeat(10 << 20) + &body)
        };
        let small = RemoteSettings { max_answer: 1 << 20, ..settings() };
        let error = failure(kind, &faulty(kind, usize::MAX, padded), small);
        assert!(matches!(error, RemoteError::TooLarge { limit, .. } if limit == 1 << 20), "{kind}: {error}");
        assert_eq!(search(kind, &faulty(kind, 1, padded), settings()).unwrap().best.tokens.len(), 5, "{kind}");
    }
}
