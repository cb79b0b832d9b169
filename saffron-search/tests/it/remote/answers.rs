//! What no model says is refused in every answer, not only when a search connects.

use saffron_core::{CandidateFilter, ModelError, PlainVocabulary, Policy, ProcessRewardModel};
use saffron_search::remote::{AnswerProblem, EngineKind, RemoteError, RemoteGuard, RemoteQuestion, RemoteSettings};
use serde_json::{Value, json};

use super::fake::{FakeEngine, VOCAB};
use super::scripted::{Reply, Scripted};
use super::{connect, policy, session, settings};

type Listed = Vec<(u64, f64)>;

/// Rewrites what is listed of every sequence.
fn rewrite(kind: EngineKind, body: &mut Value, change: impl Fn(Listed) -> Listed) {
    match kind {
        EngineKind::LlamaCpp => {
            let all: Vec<&mut Value> = match body {
                Value::Array(all) => all.iter_mut().collect(),
                one => vec![one],
            };
            for one in all {
                let listed = &mut one["completion_probabilities"][0]["top_logprobs"];
                let pairs = listed.as_array().unwrap().iter();
                let pairs = pairs.map(|pair| (pair["id"].as_u64().unwrap(), pair["logprob"].as_f64().unwrap()));
                let pairs = change(pairs.collect());
                *listed = pairs.into_iter().map(|(id, logprob)| json!({ "id": id, "logprob": logprob })).collect();
            }
        }
        EngineKind::Vllm => {
            for choice in body["choices"].as_array_mut().unwrap() {
                let listed = &mut choice["logprobs"]["top_logprobs"][0];
                let pairs = listed.as_object().unwrap().iter();
                let pairs = pairs.map(|(key, logprob)| (key[9..].parse().unwrap(), logprob.as_f64().unwrap()));
                let mut pairs: Listed = pairs.collect();
                pairs.sort_by(|one, other| other.1.total_cmp(&one.1));
                let pairs = change(pairs).into_iter();
                *listed =
                    Value::Object(pairs.map(|(id, logprob)| (format!("token_id:{id}"), json!(logprob))).collect());
            }
        }
        EngineKind::Sglang => {
            for one in body.as_array_mut().unwrap() {
                let listed = &mut one["meta_info"]["output_top_logprobs"][0];
                let pairs = listed.as_array().unwrap().iter();
                let pairs = pairs.map(|triple| (triple[1].as_u64().unwrap(), triple[0].as_f64().unwrap()));
                let pairs = change(pairs.collect());
                *listed = pairs.into_iter().map(|(id, logprob)| json!([logprob, id, null])).collect();
            }
        }
    }
}

/// A server whose answers are its model's at the first step, and then as they are changed.
fn changed(kind: EngineKind, mut change: impl FnMut(Value) -> Reply + Send + 'static) -> Scripted {
    let (engine, mut steps) = (FakeEngine::new(kind), 0);
    Scripted::serve(move |seen| match &seen.path[..] {
        "/completion" | "/v1/completions" | "/generate" => {
            steps += 1;
            let body = engine.step(&seen.body);
            if steps == 1 { Reply::Json(body) } else { change(body) }
        }
        _ => engine.reply(seen),
    })
}

/// What is wrong with the second answer, if anything is.
fn problem(kind: EngineKind, change: impl FnMut(Value) -> Reply + Send + 'static) -> Option<AnswerProblem> {
    let server = changed(kind, change);
    let mut policy = policy(connect(kind, &server, settings()));
    of(policy.propose(&[session()], &CandidateFilter::default()).err()?)
}

fn of(error: ModelError) -> Option<AnswerProblem> {
    let ModelError::Other { source, .. } = error else { panic!("{error}") };
    match source.downcast_ref::<RemoteError>() {
        Some(RemoteError::Answer { problem, .. }) => Some(problem.clone()),
        _ => panic!("{source}"),
    }
}

fn listed(kind: EngineKind, change: fn(Listed) -> Listed) -> Option<AnswerProblem> {
    problem(kind, move |mut body| {
        rewrite(kind, &mut body, change);
        Reply::Json(body)
    })
}

/// The list with another log-probability in a place.
fn with(mut listed: Listed, place: usize, logprob: f64) -> Listed {
    listed[place].1 = logprob;
    listed
}

#[test]
fn probabilities_that_add_up_to_more_than_one() {
    for kind in EngineKind::ALL {
        match listed(kind, |listed| with(with(listed, 0, 0.0), 1, -0.5)) {
            Some(AnswerProblem::Sum { sequence: 0, sum }) => assert!(sum > 1.6, "{kind}: {sum}"),
            other => panic!("{kind}: {other:?}"),
        }
        match listed(kind, |listed| listed.into_iter().map(|(id, _)| (id, 0.0)).collect()) {
            Some(AnswerProblem::Sum { sum, .. }) => assert!((sum - 16.0).abs() < 1e-9, "{kind}: {sum}"),
            other => panic!("{kind}: {other:?}"),
        }
        // Float noise is none of it.
        let full = |listed: Listed, above: f64| {
            let rest: f64 = listed[1..].iter().map(|(_, logprob)| logprob.exp()).sum();
            with(listed, 0, (above - rest).ln())
        };
        let noisy = problem(kind, move |mut body| {
            rewrite(kind, &mut body, |listed| full(listed, 1.0 + 5e-4));
            Reply::Json(body)
        });
        assert_eq!(noisy, None, "{kind}");
        let beyond = problem(kind, move |mut body| {
            rewrite(kind, &mut body, |listed| full(listed, 1.0 + 2e-3));
            Reply::Json(body)
        });
        assert!(matches!(beyond, Some(AnswerProblem::Sum { .. })), "{kind}: {beyond:?}");
    }
}

#[test]
fn log_probabilities_at_the_floor() {
    for kind in EngineKind::ALL {
        for (place, floor) in [(15, -9999.0), (3, -9999.0), (15, f64::from(f32::MIN)), (15, -1e308)] {
            let found = problem(kind, move |mut body| {
                rewrite(kind, &mut body, |listed| with(listed, place, floor));
                Reply::Json(body)
            });
            match found {
                Some(AnswerProblem::RuledOut { sequence: 0, value, .. }) => assert_eq!(value, floor.to_string()),
                other => panic!("{kind}: {other:?}"),
            }
        }
        // What a model finds all but impossible is still its own.
        assert_eq!(listed(kind, |listed| with(listed, 15, -120.0)), None, "{kind}");
    }
}

#[test]
fn keys_that_come_twice() {
    for kind in EngineKind::ALL {
        let found = problem(kind, |body| {
            let text = body.to_string().replacen('{', "{\"extra\":1,\"extra\":1,", 1);
            Reply::Status(200, Vec::new(), text)
        });
        match found {
            Some(AnswerProblem::Malformed(reason)) => assert!(reason.contains("the key \"extra\" twice"), "{reason}"),
            other => panic!("{kind}: {other:?}"),
        }
    }
    let found = problem(EngineKind::Vllm, |body| {
        let listed = "\"top_logprobs\":[{";
        let twice = format!("{listed}\"token_id:39\":-9.5,\"token_id:39\":-9.0,");
        let text = body.to_string();
        assert!(text.contains(listed));
        Reply::Status(200, Vec::new(), text.replacen(listed, &twice, 1))
    });
    match found {
        Some(AnswerProblem::Malformed(reason)) => assert!(reason.contains("\"token_id:39\" twice"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

/// A guard's reward where the server lists every token but these as ruled out.
fn reward(kept: fn(u64) -> bool) -> Result<f32, ModelError> {
    let kind = EngineKind::LlamaCpp;
    let server = changed(kind, move |mut body| {
        let change = |listed: Listed| {
            // Beyond what is ever asked for at first.
            let many = listed.len() > 8;
            listed.into_iter().map(|(id, value)| (id, if kept(id) || !many { value } else { -9999.0 })).collect()
        };
        rewrite(kind, &mut body, change);
        Reply::Json(body)
    });
    let server = connect(kind, &server, RemoteSettings { top: 4, ..settings() });
    let words = (["u", "v", "wx"], ["yes", "no"]);
    let question = RemoteQuestion::in_words(&server, words.0, words.1).unwrap();
    let mut guard = RemoteGuard::new(server, PlainVocabulary::shared(VOCAB), question);
    let session = session().with_response(vec![4]).unwrap();
    Ok(guard.process_rewards(&[session])?.value[0])
}

#[test]
fn a_guards_answers_may_not_be_ruled_out_but_others_among_all_tokens_may() {
    // The two answers are tokens 24 and 13.
    assert!(reward(|id| id == 24 || id == 13).unwrap().is_finite());
    let found = of(reward(|id| id == 24).unwrap_err());
    assert!(matches!(found, Some(AnswerProblem::RuledOut { token: 13, .. })), "{found:?}");
}

#[test]
fn an_answer_of_endless_values_is_refused() {
    let found =
        problem(EngineKind::Vllm, |_| Reply::Status(200, Vec::new(), format!("[{}{{}}]", "{},".repeat(1 << 21))));
    match found {
        Some(AnswerProblem::Malformed(reason)) => assert!(reason.contains("more memory than is allowed"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
