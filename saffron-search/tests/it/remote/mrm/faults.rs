//! Whatever a server of rewards does, a search ends in time, with a typed error that carries the
//! best answer so far.

use std::time::{Duration, Instant};

use saffron_core::{ModelError, Role, SearchError, SearchErrorKind};
use saffron_search::remote::{
    AnswerProblem, ApiKey, EngineKind, RemoteError, RemoteMrm, RemoteSettings, RewardSettings,
};
use saffron_search::{Saffron, Searcher};
use serde_json::{Value, json};

use super::fake::{FakeMrm, Way, head};
use super::{faulty, open, open_with, rewards_asked, serve};
use crate::remote::scripted::{Reply, Scripted, Seen};
use crate::remote::{connect, good, policy, session, settings};

/// Requests that opening needs.
fn opening(way: Way) -> usize {
    let server = serve(FakeMrm::new(way));
    open(way, &server).unwrap();
    rewards_asked(&server).len()
}

/// A search whose rewards go wrong from the third step on.
fn search(
    way: Way,
    times: usize,
    fault: impl FnMut(&FakeMrm, &Seen) -> Reply + Send + 'static,
) -> Result<(), SearchError> {
    let server = faulty(way, opening(way) + 2, times, fault);
    search_on(way, &server, settings())
}

fn search_on(way: Way, server: &Scripted, settings: RemoteSettings) -> Result<(), SearchError> {
    let policy_server = good(EngineKind::Vllm);
    let mut policy = policy(connect(EngineKind::Vllm, &policy_server, super::settings()));
    let mut mrm = open_with(way, server, settings, head(), RewardSettings::default()).unwrap();
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(5).min_new_tokens(5);
    let begun = Instant::now();
    let found = searcher.run(&session(), &mut policy, &mut mrm);
    assert!(begun.elapsed() < Duration::from_secs(8), "{way:?}: it hung for {:?}", begun.elapsed());
    found.map(drop)
}

/// The error of a search that failed in its third step, after a look at what was kept.
fn text(way: Way, found: Result<(), SearchError>) -> String {
    let error = found.unwrap_err();
    assert_eq!(error.partial().expect("the best answer so far").best.tokens.len(), 2, "{way:?}: {error}");
    match error.kind() {
        SearchErrorKind::Model { role: Role::Reward, source: ModelError::Other { source, .. } } => source.to_string(),
        other => panic!("{way:?}: {other}"),
    }
}

/// The first row's values, as each route has them: for pooling the base64.
fn row(way: Way, body: &mut Value) -> &mut Value {
    match way {
        Way::VllmLogits | Way::VllmReference => &mut body["choices"][0]["logprobs"]["top_logprobs"][0],
        Way::VllmPooling => &mut body["data"][0]["embedding"],
        Way::LlamaCpp if body.is_array() => &mut body[0]["completion_probabilities"][0]["top_probs"],
        Way::LlamaCpp => &mut body["completion_probabilities"][0]["top_probs"],
    }
}

/// Changes an answer.
fn changed(way: Way, change: impl Fn(Way, &mut Value) + Send + 'static) -> impl FnMut(&FakeMrm, &Seen) -> Reply + Send {
    move |model, seen| {
        let mut body = model.step(&seen.body);
        change(way, row(way, &mut body));
        Reply::Json(body)
    }
}

/// Puts a value in the place of the first row's first.
fn put(value: &Value) -> impl Fn(Way, &mut Value) + Send + use<> {
    let value = value.clone();
    move |way, row| match way {
        Way::VllmLogits | Way::VllmReference => {
            let first = row.as_object().unwrap().keys().next().unwrap().clone();
            row[first] = value.clone();
        }
        Way::LlamaCpp => row[1]["prob"] = value.clone(),
        Way::VllmPooling => *row = json!("AADAfwAAgD8AAIA/AACAPw=="),
    }
}

/// Leaves the first row's values out, but for one.
fn shorten(way: Way, row: &mut Value) {
    match way {
        Way::VllmLogits | Way::VllmReference => *row = json!({ "token_id:0": -9999.0 }),
        Way::LlamaCpp => row.as_array_mut().unwrap().truncate(1),
        Way::VllmPooling => *row = json!("AACAPw=="),
    }
}

#[test]
fn short_rows_are_asked_again_and_then_fail() {
    for way in Way::ALL {
        // Two new tries are allowed.
        search(way, 2, changed(way, shorten)).unwrap();
        let error = text(way, search(way, 3, changed(way, shorten)));
        let says = if way == Way::VllmPooling { "hidden state" } else { "asked for by its id" };
        assert!(error.contains(says), "{way:?}: {error}");
    }
}

#[test]
fn only_the_short_row_is_asked_again() {
    let way = Way::VllmLogits;
    let server = faulty(way, opening(way) + 2, 1, changed(way, shorten));
    search_on(way, &server, settings()).unwrap();
    let asked: Vec<usize> = rewards_asked(&server)
        .iter()
        .skip(opening(way) + 2)
        .map(|seen| seen.body["prompt"].as_array().unwrap().len())
        .collect();
    assert_eq!(asked[..2], [2, 1], "{asked:?}");
}

#[test]
fn floors_and_numbers_that_are_none() {
    for way in Way::ALL {
        for value in [json!(-9999.0), Value::Null, json!(-1e38)] {
            search(way, 1, changed(way, put(&value))).unwrap();
            let error = text(way, search(way, usize::MAX, changed(way, put(&value))));
            let says = if way == Way::VllmPooling { "NaN as its hidden state" } else { "as the logit of token" };
            assert!(error.contains(says), "{way:?}, {value}: {error}");
        }
    }
}

#[test]
fn another_model_than_before() {
    for way in Way::ALL {
        let other = move |model: &FakeMrm, seen: &Seen| {
            let mut body = model.step(&seen.body);
            let first = if body.is_array() { &mut body[0] } else { &mut body };
            first["model"] = json!("another");
            Reply::Json(body)
        };
        let error = text(way, search(way, usize::MAX, other));
        assert!(error.contains("\"another\" now"), "{way:?}: {error}");
    }
}

#[test]
fn rows_that_are_missing_or_there_twice() {
    for way in Way::ALL {
        let fewer = move |model: &FakeMrm, seen: &Seen| {
            let mut body = model.step(&seen.body);
            let rows = match way {
                Way::VllmLogits | Way::VllmReference => &mut body["choices"],
                Way::VllmPooling => &mut body["data"],
                Way::LlamaCpp => &mut body,
            };
            rows.as_array_mut().unwrap().pop();
            Reply::Json(body)
        };
        let error = text(way, search(way, usize::MAX, fewer));
        assert!(error.contains("2 sequences were asked for, 1 were answered"), "{way:?}: {error}");
        let twice = move |model: &FakeMrm, seen: &Seen| {
            let mut body = model.step(&seen.body);
            let rows = match way {
                Way::VllmLogits | Way::VllmReference => &mut body["choices"],
                Way::VllmPooling => &mut body["data"],
                Way::LlamaCpp => &mut body,
            };
            rows[1] = rows[0].clone();
            Reply::Json(body)
        };
        let error = text(way, search(way, usize::MAX, twice));
        assert!(error.contains("2 sequences were asked for"), "{way:?}: {error}");
    }
    let error = text(
        Way::LlamaCpp,
        search(Way::LlamaCpp, usize::MAX, changed(Way::LlamaCpp, |_, row| row[1] = row[0].clone())),
    );
    assert!(error.contains("twice"), "{error}");
}

#[test]
fn another_order_is_put_right() {
    for way in Way::ALL {
        let turned = move |model: &FakeMrm, seen: &Seen| {
            let mut body = model.step(&seen.body);
            let rows = match way {
                Way::VllmLogits | Way::VllmReference => &mut body["choices"],
                Way::VllmPooling => &mut body["data"],
                Way::LlamaCpp => &mut body,
            };
            if let Some(rows) = rows.as_array_mut() {
                rows.reverse();
            }
            Reply::Json(body)
        };
        search(way, usize::MAX, turned).unwrap();
    }
}

#[test]
fn connections_that_break_and_servers_that_are_busy() {
    for way in Way::ALL {
        search(way, 2, |_, _| Reply::Drop).unwrap();
        search(way, 2, |_, _| Reply::Status(503, Vec::new(), String::from("busy"))).unwrap();
        let error = text(way, search(way, usize::MAX, |_, _| Reply::Drop));
        assert!(error.contains("cannot be reached (3 tries)"), "{way:?}: {error}");
        let error = text(way, search(way, usize::MAX, |_, _| Reply::Status(503, Vec::new(), String::from("busy"))));
        assert!(error.contains("503 (3 tries)"), "{way:?}: {error}");
        let error = text(way, search(way, usize::MAX, |_, _| Reply::Status(500, Vec::new(), String::from("broken"))));
        assert!(error.contains("500 (1 tries)"), "{way:?}: {error}");
        let error = text(way, search(way, usize::MAX, |model, seen| Reply::Half(model.step(&seen.body).to_string())));
        assert!(error.contains("cannot be reached"), "{way:?}: {error}");
    }
}

#[test]
fn a_server_that_says_nothing_ends_at_the_deadline() {
    for way in Way::ALL {
        let server = faulty(way, opening(way) + 2, usize::MAX, |_, _| Reply::Hang);
        let quick = RemoteSettings { timeout: Duration::from_millis(400), ..settings() };
        let error = text(way, search_on(way, &server, quick));
        assert!(error.contains("no answer within 400ms"), "{way:?}: {error}");
    }
}

#[test]
fn short_rows_are_asked_again_within_the_time_of_one_request() {
    let way = Way::VllmLogits;
    let server = faulty(way, opening(way) + 2, usize::MAX, changed(way, shorten));
    let patient = RemoteSettings {
        timeout: Duration::from_millis(600),
        retries: 1000,
        backoff: Duration::from_millis(50),
        ..settings()
    };
    let begun = Instant::now();
    let error = text(way, search_on(way, &server, patient));
    assert!(error.contains("lacks") && begun.elapsed() < Duration::from_secs(3), "{error}");
}

#[test]
fn a_redirect_is_not_followed_with_the_key() {
    for way in Way::ALL {
        let elsewhere = serve(FakeMrm::new(way));
        let url = elsewhere.url();
        let moved = move |_: &FakeMrm, seen: &Seen| {
            Reply::Status(307, vec![("Location", format!("{url}{}", seen.path))], String::new())
        };
        let server = faulty(way, opening(way) + 2, usize::MAX, moved);
        let keyed = RemoteSettings { api_key: Some(ApiKey::new("secret-key")), ..settings() };
        let error = text(way, search_on(way, &server, keyed));
        assert!(error.contains("307") && !error.contains("secret-key"), "{way:?}: {error}");
        assert!(elsewhere.seen().is_empty(), "{way:?}");
        assert!(rewards_asked(&server).iter().all(|seen| seen.authorization.as_deref() == Some("Bearer secret-key")));
    }
}

#[test]
fn a_server_that_loads_is_waited_for_and_not_for_ever() {
    for way in Way::ALL {
        let model = FakeMrm::new(way);
        let mut looks = 0;
        let server = Scripted::serve(move |seen| {
            looks += 1;
            if looks <= 3 { Reply::Status(503, Vec::new(), String::from("Loading model")) } else { model.reply(seen) }
        });
        let patient = RemoteSettings { wait: Duration::from_secs(4), ..settings() };
        open_with(way, &server, patient, head(), RewardSettings::default()).unwrap();
        let never = Scripted::serve(|_| Reply::Status(503, Vec::new(), String::from("Loading model")));
        let short = RemoteSettings { wait: Duration::from_millis(200), ..settings() };
        let error = open_with(way, &never, short, head(), RewardSettings::default()).unwrap_err();
        assert!(matches!(error, RemoteError::NotReady { .. }), "{way:?}: {error}");
    }
}

/// The policy is exposed, too: a row that shares its step with a request for named ids holds what
/// was generated and a floor.
#[test]
fn short_rows_of_a_policy_are_asked_again() {
    let engine = crate::remote::fake::FakeEngine::new(EngineKind::Vllm);
    let (times, greedy) = (2, true);
    for (times, top_k) in [(times, None), (times, greedy.then_some(1)), (3, Some(1))] {
        let engine = engine.clone();
        let mut steps = 0;
        let server = Scripted::serve(move |seen| {
            steps += usize::from(seen.path == "/v1/completions");
            if seen.path != "/v1/completions" || steps <= 2 || steps - 2 > times {
                return engine.reply(seen);
            }
            let mut body = engine.step(&seen.body);
            for choice in body["choices"].as_array_mut().unwrap() {
                choice["logprobs"]["top_logprobs"][0] = json!({ "token_id:7": -0.5, "token_id:0": -9999.0 });
            }
            Reply::Json(body)
        });
        let mut policy = policy(connect(EngineKind::Vllm, &server, settings()));
        let searcher = Searcher::new(saffron_search::Greedy).max_new_tokens(3).min_new_tokens(3);
        let searcher = if top_k.is_some() { searcher.top_k(1) } else { searcher };
        let found = searcher.run(&session(), &mut policy, &mut saffron_core::NoReward);
        match times {
            2 => assert_eq!(found.unwrap().best.tokens.len(), 3),
            _ => {
                let error = found.unwrap_err();
                assert!(error.partial().is_some(), "{error}");
                let SearchErrorKind::Model { source: ModelError::Other { source, .. }, .. } = error.kind() else {
                    panic!("{error}")
                };
                let problem = source.downcast_ref::<RemoteError>().unwrap();
                let short = matches!(
                    problem,
                    RemoteError::Answer { problem: AnswerProblem::RuledOut { .. } | AnswerProblem::TooFew { .. }, .. }
                );
                assert!(short, "{problem}");
            }
        }
    }
}

/// Opening meets the same faults.
#[test]
fn opening_a_server_that_fails_is_typed() {
    for way in Way::ALL {
        let opened = |reply: fn() -> Reply| -> Result<RemoteMrm, RemoteError> {
            open(way, &faulty(way, 0, usize::MAX, move |_, _| reply()))
        };
        assert!(matches!(opened(|| Reply::Drop), Err(RemoteError::Unreachable { .. })), "{way:?}");
        assert!(matches!(opened(|| Reply::Json(json!({}))), Err(RemoteError::Answer { .. })), "{way:?}");
        assert!(
            matches!(opened(|| Reply::Status(500, Vec::new(), String::new())), Err(RemoteError::Refused { .. })),
            "{way:?}"
        );
    }
}
