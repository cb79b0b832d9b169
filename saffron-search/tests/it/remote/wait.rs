//! Servers that still load their model are waited for.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use saffron_search::remote::{EngineKind, RemoteError, RemoteSettings, Server, ServerWait};
use serde_json::json;

use super::fake::FakeEngine;
use super::scripted::{Reply, Scripted, Seen};
use super::{address, settings};

/// What llama.cpp says while it loads.
const LOADING: &str = r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;

fn patient(wait: Duration) -> RemoteSettings {
    RemoteSettings { wait, ..settings() }
}

/// A server that does something else for a while.
fn loading(
    kind: EngineKind,
    looks: usize,
    mut instead: impl FnMut(&FakeEngine, &Seen) -> Reply + Send + 'static,
) -> Scripted {
    let (engine, mut seen_so_far) = (FakeEngine::new(kind), 0);
    Scripted::serve(move |seen| {
        seen_so_far += 1;
        if seen_so_far <= looks { instead(&engine, seen) } else { engine.reply(seen) }
    })
}

fn connect(
    kind: EngineKind,
    server: &Scripted,
    wait: Duration,
) -> (Result<std::sync::Arc<Server>, RemoteError>, Vec<ServerWait>) {
    let mut told = Vec::new();
    let connected =
        Server::connect_watched(&address(kind, &[server]), patient(wait), &mut |now| told.push(now.clone()));
    (connected, told)
}

#[test]
fn llama_cpp_that_loads_its_model_is_waited_for() {
    // It lists its model while it loads, without the sizes: that list is not to be taken.
    let server = loading(EngineKind::LlamaCpp, 5, |_, seen| match &seen.path[..] {
        "/v1/models" => Reply::Json(json!({ "data": [{ "id": "fake-40", "meta": null }] })),
        _ => Reply::Status(503, Vec::new(), LOADING.to_owned()),
    });
    let (connected, told) = connect(EngineKind::LlamaCpp, &server, Duration::from_secs(20));
    assert_eq!(connected.unwrap().model().context, Some(64));
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|now| now.reason == "status 503: Loading model" && now.endpoint == server.url()));
    assert!(told.is_sorted_by_key(|now| now.waited) && told.iter().all(|now| now.limit == Duration::from_secs(20)));
}

#[test]
fn connections_that_are_closed_or_answered_for_a_gateway_are_waited_for() {
    for kind in EngineKind::ALL {
        for status in [None, Some(502), Some(503), Some(504)] {
            let server = loading(kind, 3, move |_, _| match status {
                None => Reply::Drop,
                Some(status) => Reply::Status(status, Vec::new(), String::from("starting")),
            });
            let (connected, told) = connect(kind, &server, Duration::from_secs(20));
            assert!(connected.is_ok() && told.len() == 3, "{kind}, {status:?}: {told:?}");
        }
    }
}

#[test]
fn vllm_that_does_not_listen_yet_is_waited_for() {
    // A port that nobody listens on, until somebody does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("vllm:http://127.0.0.1:{port}").parse().unwrap();
    let connecting = std::thread::spawn(move || {
        let mut told = Vec::new();
        let settings = patient(Duration::from_secs(20));
        let connected = Server::connect_watched(&address, settings, &mut |now| told.push(now.clone()));
        (connected.map(drop), told)
    });
    std::thread::sleep(Duration::from_millis(300));
    let engine = FakeEngine::new(EngineKind::Vllm);
    let server = Scripted::serve_on(port, move |seen| engine.reply(seen));
    let (connected, told) = connecting.join().unwrap();
    connected.unwrap();
    assert!(!told.is_empty() && told[0].reason.to_lowercase().contains("refused"), "{told:?}");
    drop(server);
}

#[test]
fn every_endpoint_is_waited_for() {
    let (ready, late) = (
        super::good(EngineKind::Vllm),
        loading(EngineKind::Vllm, 4, |_, _| Reply::Status(503, Vec::new(), String::new())),
    );
    let mut told = Vec::new();
    let address = address(EngineKind::Vllm, &[&ready, &late]);
    Server::connect_watched(&address, patient(Duration::from_secs(20)), &mut |now| told.push(now.endpoint.clone()))
        .unwrap();
    assert_eq!(told, vec![late.url(); 4]);
}

#[test]
fn a_server_that_is_never_ready_is_given_up_at_the_deadline() {
    for wait in [Duration::from_millis(200), Duration::ZERO] {
        let begun = Instant::now();
        let server =
            loading(EngineKind::LlamaCpp, usize::MAX, |_, _| Reply::Status(503, Vec::new(), LOADING.to_owned()));
        let (connected, told) = connect(EngineKind::LlamaCpp, &server, wait);
        let error = connected.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5));
        match (&error, wait.is_zero()) {
            (RemoteError::NotReady { waited, reason, .. }, false) => {
                assert!(*waited >= wait && reason.contains("Loading model") && !told.is_empty(), "{error}");
            }
            (RemoteError::Refused { status: 503, .. }, true) => assert!(told.is_empty()),
            _ => panic!("{error}"),
        }
    }
}

#[test]
fn what_waiting_does_not_mend_is_said_at_once() {
    let begun = Instant::now();
    let long = Duration::from_secs(60);
    for status in [401, 404, 500] {
        let server =
            loading(EngineKind::Vllm, usize::MAX, move |_, _| Reply::Status(status, Vec::new(), String::new()));
        let (connected, told) = connect(EngineKind::Vllm, &server, long);
        assert!(connected.is_err() && told.is_empty(), "{status}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
