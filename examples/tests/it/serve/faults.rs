//! Models that fail and clients that misbehave: typed errors, nothing hangs.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use saffron_core::testing::Mutator;
use saffron_core::{Candidates, ChildReward, ChildScorer, ModelError, Reply, Session};
use serde_json::json;

use super::client::{bytes, connect, get, post, read, send};
use super::served::{CHAT, Served, Setup, limits, models, question};

/// A reward model that fails after so many calls.
struct Failing<S>(S, usize);

impl<S: ChildScorer> ChildScorer for Failing<S> {
    fn score_children(&mut self, s: &[Session], c: &[Candidates]) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        match self.1.checked_sub(1) {
            None => Err(ModelError::other("reading /secret/path", "prompt: one question")),
            Some(left) => {
                self.1 = left;
                self.0.score_children(s, c)
            }
        }
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

#[test]
fn a_reward_model_that_fails_is_an_error_that_tells_nothing_of_the_server() {
    let served = Served::start(Setup { scorer: Some(Box::new(Failing(models().1, 0))), ..Setup::default() });
    let whole = post(served.address, CHAT, &question(&json!({})));
    assert_eq!((whole.status, whole.code()), (502, String::from("model_failed")));
    let served = Served::start(Setup { scorer: Some(Box::new(Failing(models().1, 4))), ..Setup::default() });
    let stream = post(served.address, CHAT, &question(&json!({ "stream": true })));
    let (events, done) = stream.events();
    let last = events.last().unwrap();
    assert_eq!((stream.status, last["error"]["code"].as_str(), done), (200, Some("model_failed"), false));
    assert!(!whole.body.contains("secret") && !stream.body.contains("secret"));
    assert_eq!(get(served.address, "/health").status, 200);
}

#[test]
fn a_policy_that_fails_in_mid_stream_ends_the_stream_with_an_error() {
    let mut left = 4;
    let fail = move || match left {
        0 => Err(ModelError::other("asking a server", "it has gone")),
        _ => {
            left -= 1;
            Ok(())
        }
    };
    let policy = Box::new(super::served::Before(models().0, fail));
    let search = super::served::search("greedy", None);
    let served = Served::start(Setup { policy: Some(policy), search, ..Setup::default() });
    let stream = post(served.address, CHAT, &question(&json!({ "stream": true })));
    let (events, done) = stream.events();
    assert!(!stream.streamed().is_empty() && !done, "{stream:?}");
    assert_eq!(events.last().unwrap()["error"]["code"], "model_failed");
}

#[test]
fn a_model_that_panics_is_seen_by_the_health_check() {
    let policy = Box::new(super::served::Before(models().0, || panic!("a fault of the model's")));
    let served = Served::start(Setup { policy: Some(policy), ..Setup::default() });
    assert_eq!(get(served.address, "/health").status, 200);
    assert_eq!(post(served.address, CHAT, &question(&json!({}))).code(), "model_failed");
    let health = get(served.address, "/health");
    assert_eq!((health.status, health.code()), (503, String::from("model_failed")));
    assert_eq!(post(served.address, CHAT, &question(&json!({}))).status, 503);
}

#[test]
fn half_a_request_is_not_waited_for_and_nobody_else_waits() {
    let served = Served::start(Setup { limits: limits(&["--patience", "0.4"]), ..Setup::default() });
    let whole = bytes("POST", CHAT, "", question(&json!({})).to_string().as_bytes());
    let begun = Instant::now();
    let mut head = connect(served.address);
    head.write_all(&whole[..20]).unwrap();
    let mut body = connect(served.address);
    body.write_all(&whole[..whole.len() - 5]).unwrap();
    let mut nothing = connect(served.address);
    assert_eq!(send(served.address, &whole).status, 200);
    let late = read(&mut body);
    assert_eq!((late.status, late.code()), (408, String::from("timeout")));
    for stream in [&mut head, &mut nothing] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_client_that_reads_a_byte_at_a_time_gets_its_answer_and_holds_up_nobody() {
    let served = Served::start(Setup::default());
    let mut slow = connect(served.address);
    slow.write_all(&bytes("POST", CHAT, "", question(&json!({ "stream": true })).to_string().as_bytes())).unwrap();
    let mut first = [0; 1];
    for _ in 0..3 {
        slow.read_exact(&mut first).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    let begun = Instant::now();
    assert_eq!(post(served.address, CHAT, &question(&json!({}))).status, 200);
    served.wait_for(0, 0);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let mut rest = String::new();
    slow.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
}

#[test]
fn a_body_of_a_hundred_megabytes_is_refused_announced_or_not() {
    let served = Served::start(Setup::default());
    let head =
        |length: &str| format!("POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n");
    let begun = Instant::now();
    let mut stream = connect(served.address);
    stream.write_all(head("Content-Length: 104857600\r\n").as_bytes()).unwrap();
    // Said before any of it is sent.
    let refused = read(&mut stream);
    assert_eq!((refused.status, refused.code()), (413, String::from("body_too_large")));
    let mut stream = connect(served.address);
    stream.write_all(head("Transfer-Encoding: chunked\r\n").as_bytes()).unwrap();
    let chunk = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
    let sent = (0..100).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 100, "all of it was taken");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(get(served.address, "/health").status, 200);
}

#[test]
fn malformed_requests_are_refused_in_words_and_the_server_goes_on() {
    let served = Served::start(Setup::default());
    let body = question(&json!({ "max_tokens": 1, "stop": ["x"], "saffron": { "width": 2 } })).to_string();
    let mut mutator = Mutator::new(7);
    for _ in 0..200 {
        let mutant = mutator.mutant(body.as_bytes());
        let answer = send(served.address, &bytes("POST", CHAT, "", &mutant));
        match answer.status {
            200 => assert!(answer.json()["choices"].is_array()),
            400 | 404 => assert!(!answer.code().is_empty()),
            other => panic!("{other}: {answer:?} for {:?}", String::from_utf8_lossy(&mutant)),
        }
    }
    let form = bytes("POST", CHAT, "", body.as_bytes());
    let form = String::from_utf8(form).unwrap().replace("application/json", "text/plain");
    let refused = send(served.address, form.as_bytes());
    assert_eq!((refused.status, refused.code()), (415, String::from("unsupported_media_type")));
}
