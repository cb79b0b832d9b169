//! Queues, deadlines, clients that go away, the end of a server.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use saffron_core::Policy;
use serde_json::json;

use super::client::{bytes, connect, get, post, read};
use super::served::{Before, CHAT, Served, Setup, limits, models, question, search};

/// A policy that waits while a gate is closed.
fn gated() -> (Box<dyn Policy + Send>, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let wait = move || {
        // A test that fails does not hang.
        for _ in 0..6000 {
            if gate.load(Ordering::SeqCst) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    (Box::new(Before(models().0, wait)), open)
}

/// A policy that takes a while for each answer.
fn slow(millis: u64) -> Box<dyn Policy + Send> {
    Box::new(Before(models().0, move || {
        std::thread::sleep(Duration::from_millis(millis));
        Ok(())
    }))
}

fn begin(served: &Served, more: &serde_json::Value) -> std::net::TcpStream {
    let mut stream = connect(served.address);
    stream.write_all(&bytes("POST", CHAT, "", question(more).to_string().as_bytes())).unwrap();
    stream
}

#[test]
fn a_full_queue_is_told_and_the_others_are_answered() {
    let (policy, open) = gated();
    let limits = limits(&["--running", "1", "--queued", "1"]);
    let served = Served::start(Setup { policy: Some(policy), limits, ..Setup::default() });
    let mut first = begin(&served, &json!({}));
    served.wait_for(1, 0);
    let mut second = begin(&served, &json!({ "stream": true }));
    served.wait_for(1, 1);
    let refused = post(served.address, CHAT, &question(&json!({})));
    assert_eq!((refused.status, refused.code()), (429, String::from("queue_full")));
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    open.store(true, Ordering::SeqCst);
    let first = read(&mut first).json();
    assert_eq!(first["choices"][0]["message"]["content"], read(&mut second).streamed());
}

#[test]
fn a_client_that_goes_away_ends_its_search_queued_or_running_streamed_or_not() {
    let (policy, open) = gated();
    let limits = limits(&["--running", "1", "--queued", "2"]);
    let served = Served::start(Setup { policy: Some(policy), limits, ..Setup::default() });
    for stream in [true, false] {
        open.store(false, Ordering::SeqCst);
        let first = begin(&served, &json!({ "stream": stream }));
        served.wait_for(1, 0);
        let second = begin(&served, &json!({ "stream": stream }));
        served.wait_for(1, 1);
        drop(second);
        served.wait_for(1, 0);
        drop(first);
        // One more call, and no more: the gate stays closed for the second.
        open.store(true, Ordering::SeqCst);
        served.wait_for(0, 0);
    }
    assert!(get(served.address, "/metrics").body.contains("saffron_disconnects_total 4"));
}

#[test]
fn a_deadline_gives_the_best_so_far() {
    let served = Served::start(Setup { policy: Some(slow(100)), search: search("greedy", None), ..Setup::default() });
    let begun = Instant::now();
    let answer = post(served.address, CHAT, &question(&json!({ "saffron": { "deadline_ms": 350 } })));
    assert!(begun.elapsed() < Duration::from_secs(3));
    let body = answer.json();
    assert_eq!(
        (&body["choices"][0]["finish_reason"], &body["saffron"]["stop"]),
        (&json!("length"), &json!("cancelled"))
    );
    assert!((1..8).contains(&body["usage"]["completion_tokens"].as_u64().unwrap()), "{body}");
    let late = post(served.address, CHAT, &question(&json!({ "saffron": { "deadline_ms": 60_001 } })));
    assert_eq!((late.status, late.json()["error"]["param"].as_str()), (400, Some("saffron.deadline_ms")));
}

#[test]
fn a_model_that_hangs_holds_no_client_past_its_deadline() {
    let (policy, open) = gated();
    let limits = limits(&["--grace", "0.3", "--keep-alive", "0.05", "--running", "1"]);
    let served = Served::start(Setup { policy: Some(policy), limits, deadline_ms: 300, ..Setup::default() });
    let begun = Instant::now();
    let mut stream = begin(&served, &json!({ "stream": true }));
    let queued = begin(&served, &json!({})).try_clone().map(|mut it| read(&mut it)).unwrap();
    assert_eq!((queued.status, queued.code()), (504, String::from("deadline")));
    let streamed = read(&mut stream);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let (events, done) = streamed.events();
    assert_eq!((events.last().unwrap()["error"]["code"].as_str(), done), (Some("deadline"), false));
    assert!(streamed.body.contains(": keep-alive\n\n"), "{streamed:?}");
    open.store(true, Ordering::SeqCst);
    served.wait_for(0, 0);
}

#[test]
fn a_server_that_ends_answers_those_that_run_and_refuses_others() {
    let mut served = Served::start(Setup { policy: Some(slow(40)), ..Setup::default() });
    let mut running = begin(&served, &json!({}));
    let mut idle = connect(served.address);
    served.wait_for(1, 0);
    served.stop();
    while !served.gateway.is_closing() {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(std::net::TcpStream::connect(served.address).is_err());
    assert_eq!(read(&mut running).status, 200);
    served.join();
    assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn a_server_that_ends_waits_so_long_and_no_longer() {
    let (policy, open) = gated();
    let limits = limits(&["--drain", "0.2"]);
    let mut served = Served::start(Setup { policy: Some(policy), limits, ..Setup::default() });
    let running = begin(&served, &json!({}));
    served.wait_for(1, 0);
    let begun = Instant::now();
    served.stop();
    served.join();
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(running);
    open.store(true, Ordering::SeqCst);
}
