//! Who serves, in which version.

use saffron_search::remote::{EngineKind, RemoteError, Server};
use serde_json::json;

use super::fake::{FakeEngine, NAME};
use super::scripted::{Reply, Scripted};
use super::{address, connect, good, settings};

#[test]
fn a_server_says_its_version_where_its_engine_does() {
    for (kind, version) in
        [(EngineKind::LlamaCpp, Some("b1-one")), (EngineKind::Vllm, Some("0.1")), (EngineKind::Sglang, None)]
    {
        let server = good(kind);
        let connected = connect(kind, &server, settings());
        assert_eq!(connected.version().unwrap().as_deref(), version, "{kind}");
        let said = version.unwrap_or("of unknown version");
        assert_eq!(connected.identity().unwrap(), format!("{kind} {said} serving {NAME}"));
    }
}

#[test]
fn replicas_of_several_versions_are_all_named() {
    let engine = FakeEngine::new(EngineKind::Vllm);
    let of = |version: &'static str| {
        let engine = engine.clone();
        Scripted::serve(move |seen| match &seen.path[..] {
            "/version" => Reply::Json(json!({ "version": version })),
            _ => engine.reply(seen),
        })
    };
    let servers = [of("0.2"), of("0.1"), of("0.2")];
    let address = address(EngineKind::Vllm, &servers.each_ref());
    let connected = Server::connect(&address, settings()).unwrap();
    assert_eq!(connected.version().unwrap().as_deref(), Some("0.1, 0.2"));
}

#[test]
fn a_version_that_is_none_counts_as_unknown_and_a_failure_does_not() {
    let engine = FakeEngine::new(EngineKind::Vllm);
    let with = |reply: fn() -> Reply| {
        let engine = engine.clone();
        Scripted::serve(move |seen| if seen.path == "/version" { reply() } else { engine.reply(seen) })
    };
    let odd: [fn() -> Reply; 2] =
        [|| Reply::Json(json!({ "version": "x".repeat(1000) })), || Reply::Json(json!({ "version": [1] }))];
    for reply in odd {
        let server = with(reply);
        assert_eq!(connect(EngineKind::Vllm, &server, settings()).version().unwrap(), None);
    }
    let server = with(|| Reply::Status(401, Vec::new(), String::from("no")));
    let error = connect(EngineKind::Vllm, &server, settings()).version().unwrap_err();
    assert!(matches!(error, RemoteError::Refused { status: 401, .. }), "{error}");
}
