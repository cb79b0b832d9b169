//! Servers within a test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use burn::tensor::Device;
use clap::Parser;
use saffron_core::{CandidateFilter, Candidates, ChildScorer, ModelError, Policy, Reply, Session, Token, Vocabulary};
use saffron_examples::serve::{ConversationLayout, Gateway, Models, ServeLimits, Server, ServerKey};
use saffron_mrm::text::TextLayout;
use saffron_mrm::{LmPolicy, Mrm};
use saffron_search::SearchConfig;
use saffron_search::serve::Offer;
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub(super) const CHAT: &str = "/v1/chat/completions";
pub(super) const TEXT: &str = "/v1/completions";

#[derive(Parser)]
struct Limits {
    #[command(flatten)]
    limits: ServeLimits,
}

/// The defaults with some changes, as on a command line.
pub(super) fn limits(arguments: &[&str]) -> ServeLimits {
    Limits::parse_from([&["limits"], arguments].concat()).limits
}

/// A search of eight tokens.
pub(super) fn search(kind: &str, size: Option<usize>) -> SearchConfig {
    let strategy = serde_json::from_value(json!({ "kind": kind })).unwrap();
    let mut config = SearchConfig::new(strategy, size);
    config.max_new_tokens = Some(8);
    config.filter = serde_json::from_value(json!({ "min_new_tokens": 6 })).unwrap();
    config
}

pub(super) fn saffron() -> SearchConfig {
    search("saffron", Some(3))
}

/// The small models, reading conversations.
pub(super) fn models() -> (LmPolicy, Mrm, ConversationLayout) {
    let dir = crate::fixtures().join("tiny-b");
    let mut policy = LmPolicy::open(dir.join("policy"), &Device::flex()).unwrap();
    let tokenizer = policy.tokenizer().clone();
    let plain = TextLayout::named("plain", &tokenizer).unwrap();
    let layout = ConversationLayout::of_policy(&plain, &tokenizer, false).unwrap();
    policy.set_layout(layout.clone());
    let mrm = Mrm::open(dir.join("guard"), dir.join("mrm"), &Device::flex()).unwrap();
    let own = TextLayout::named("mrm", mrm.tokenizer()).unwrap();
    let mrm = mrm.with_layout(ConversationLayout::of_reward_model(&own));
    (policy, mrm, layout)
}

/// What a test changes about a server.
pub(super) struct Setup {
    pub(super) search: SearchConfig,
    pub(super) limits: ServeLimits,
    pub(super) key: Option<ServerKey>,
    pub(super) policy: Option<Box<dyn Policy + Send>>,
    pub(super) scorer: Option<Box<dyn ChildScorer + Send>>,
    pub(super) deadline_ms: u64,
}

impl Default for Setup {
    fn default() -> Self {
        let (search, limits) = (saffron(), limits(&[]));
        Self { search, limits, key: None, policy: None, scorer: None, deadline_ms: 60_000 }
    }
}

/// A server that ends when it is dropped.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) gateway: Arc<Gateway>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(super) fn start(setup: Setup) -> Self {
        let (policy, mrm, layout) = models();
        let Setup { search, limits, key, policy: other, scorer, deadline_ms } = setup;
        let policy = other.unwrap_or_else(|| Box::new(policy));
        let scorer = scorer.unwrap_or_else(|| Box::new(mrm));
        let offer = Offer {
            rewarded: true,
            flops_known: true,
            deadline_ms: Some(deadline_ms),
            widths: Some(1..=4),
            ..Offer::new("tiny", search)
        };
        let models = Models { policy, scorer, layout, single_turns: false };
        let server = Server::bind(Gateway::new(models, offer, limits, key).unwrap(), "127.0.0.1:0".parse().unwrap());
        let server = server.unwrap();
        let (address, gateway) = (server.address().unwrap(), server.gateway().clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            server
                .run(async {
                    let _ = stopped.await;
                })
                .unwrap();
        });
        Self { address, gateway, stop: Some(stop), thread: Some(thread) }
    }

    /// Tells it to stop.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(super) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }

    /// Waits until so many searches run and wait.
    pub(super) fn wait_for(&self, running: usize, queued: usize) {
        for _ in 0..6000 {
            let page = super::client::get(self.address, "/metrics").body;
            let has = |name: &str, value: usize| page.lines().any(|line| line == format!("{name} {value}"));
            if has("saffron_running", running) && has("saffron_queued", queued) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("not {running} running and {queued} queued");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "the server failed");
        }
    }
}

/// Asks one question, with more parameters.
pub(super) fn question(more: &Value) -> Value {
    let mut body = json!({ "model": "tiny", "messages": [{ "role": "user", "content": "one question" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A policy that does something before each of its answers.
pub(super) struct Before<F>(pub(super) LmPolicy, pub(super) F);

impl<F: FnMut() -> Result<(), ModelError>> Policy for Before<F> {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.0.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.0.end_tokens()
    }

    fn propose(&mut self, s: &[Session], f: &CandidateFilter) -> Result<Reply<Vec<Candidates>>, ModelError> {
        (self.1)()?;
        self.0.propose(s, f)
    }
}
