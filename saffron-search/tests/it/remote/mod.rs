//! Policies and rewards behind a server, against servers that follow a script.

mod answers;
mod asking;
mod engines;
mod fake;
mod faults;
mod keys;
mod llama_cpp;
mod mrm;
mod probe;
mod recorded;
mod rewards;
mod scripted;
mod together;
mod version;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use saffron_core::{PlainVocabulary, PromptLayout, Session};
use saffron_search::remote::{EngineKind, RemotePolicy, RemoteSettings, Server, ServerAddress};

use fake::{END, FakeEngine, VOCAB};
use scripted::Scripted;

/// Settings that give up soon.
fn settings() -> RemoteSettings {
    RemoteSettings {
        timeout: Duration::from_secs(5),
        retries: 2,
        backoff: Duration::from_millis(5),
        wait: Duration::ZERO,
        top: 16,
        vocab_size: Some(VOCAB),
        ..RemoteSettings::default()
    }
}

fn address(kind: EngineKind, servers: &[&Scripted]) -> ServerAddress {
    let urls: Vec<String> = servers.iter().map(|server| server.url()).collect();
    format!("{kind}:{}", urls.join(",")).parse().unwrap()
}

fn connect(kind: EngineKind, server: &Scripted, settings: RemoteSettings) -> Arc<Server> {
    Server::connect(&address(kind, &[server]), settings).unwrap()
}

fn layout() -> PromptLayout {
    PromptLayout { prefix: vec![1], infix: vec![2, 3], suffix: Vec::new() }
}

fn policy(server: Arc<Server>) -> RemotePolicy {
    RemotePolicy::on(server, PlainVocabulary::shared(VOCAB), layout(), vec![END])
}

fn session() -> Session {
    Session::new(PlainVocabulary::shared(VOCAB), vec![9, 10, 11]).unwrap().with_prefill(vec![12]).unwrap()
}

/// A server that does all right.
fn good(kind: EngineKind) -> Scripted {
    let engine = FakeEngine::new(kind);
    Scripted::serve(move |seen| engine.reply(seen))
}
