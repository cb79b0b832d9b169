//! A server that serves one model, on one endpoint or several.

mod checked;
mod exchange;
mod step;
mod text;
mod who;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use saffron_core::{Session, Token};
use serde_json::Value;

use super::http::Http;
use super::wait::until_ready;
use super::{AnswerProblem, EngineKind, RemoteError, RemoteSettings, ServerAddress, ServerWait};

use who::who;

pub(super) use exchange::{Asking, Exchange, Read};
pub(super) use step::Listed;

/// A text of one token of whole characters.
const LETTER: &str = "a";

/// What a server says of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedModel {
    /// Its name.
    pub name: String,
    /// Tokens that a sequence may have, if the server says.
    pub context: Option<usize>,
    /// Number of token ids, if the server says.
    pub vocab_size: Option<usize>,
}

/// A server that has been tried.
#[derive(Debug)]
pub struct Server {
    engine: EngineKind,
    endpoints: Vec<String>,
    http: Http,
    settings: RemoteSettings,
    model: ServedModel,
    /// What answers say of who answers, once one has said so.
    answering: OnceLock<String>,
    /// What is generated, for an engine that must be told.
    steer: Option<Token>,
    /// Special tokens by their spelling; none for what is no such spelling.
    special: Mutex<BTreeMap<String, Option<Token>>>,
}

impl Server {
    /// Waits for servers that are still loading their model, asks every endpoint which model it
    /// serves, and tries a step of a policy on each.
    ///
    /// # Errors
    ///
    /// Whatever a search would run into: nobody there, another engine, endpoints of different models,
    /// too few log-probabilities, or such as a sampler has changed.
    pub fn connect(address: &ServerAddress, settings: RemoteSettings) -> Result<Arc<Self>, RemoteError> {
        Self::connect_watched(address, settings, &mut |_| {})
    }

    /// [`connect`](Self::connect), calling `watch` at every check that finds a server not ready.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn connect_watched(
        address: &ServerAddress,
        settings: RemoteSettings,
        watch: &mut dyn FnMut(&ServerWait),
    ) -> Result<Arc<Self>, RemoteError> {
        let server = Self::reach(address, settings, watch)?;
        for endpoint in &server.endpoints {
            server.probe(endpoint)?;
        }
        Ok(server)
    }

    /// [`connect_watched`](Self::connect_watched) without trying a step: for a server of rewards,
    /// which [`RemoteMrm::open`](super::RemoteMrm::open) tries in its own way.
    ///
    /// # Errors
    ///
    /// Nobody there, another engine, endpoints of different models.
    pub fn reach(
        address: &ServerAddress,
        settings: RemoteSettings,
        watch: &mut dyn FnMut(&ServerWait),
    ) -> Result<Arc<Self>, RemoteError> {
        let (engine, endpoints) = (address.engine(), address.endpoints().to_vec());
        settings.check()?;
        let http = Http::new(settings.clone());
        until_ready(engine, &http, &endpoints, &settings, watch)?;
        let model = who(engine, &http, &endpoints[0], &settings)?;
        let (answering, special) = (OnceLock::new(), Mutex::default());
        let mut server = Self { engine, endpoints, http, settings, model, answering, steer: None, special };
        for endpoint in &server.endpoints[1..] {
            let found = who(engine, &server.http, endpoint, &server.settings)?;
            if found != server.model {
                let problem =
                    AnswerProblem::OtherModel { expected: format!("{:?}", server.model), found: format!("{found:?}") };
                return Err(server.http.unusable(endpoint, problem));
            }
        }
        if engine == EngineKind::LlamaCpp {
            server.steer = server.tokenize(LETTER, false)?.first().copied();
        }
        Ok(Arc::new(server))
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> EngineKind {
        self.engine
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &ServedModel {
        &self.model
    }

    /// How it is asked.
    #[must_use]
    pub fn settings(&self) -> &RemoteSettings {
        &self.settings
    }

    /// Tokens that a context may have, so that one more fits behind it.
    pub(super) fn room(&self) -> usize {
        self.model.context.map_or(usize::MAX, |context| context.saturating_sub(1))
    }

    /// The endpoint of everything that does not depend on a prompt.
    pub(super) fn first(&self) -> &str {
        &self.endpoints[0]
    }

    /// The most log-probabilities that are ever asked for of a sequence, twice [`RemoteSettings::top`].
    pub(super) fn ceiling(&self) -> usize {
        self.settings.top.saturating_mul(2)
    }

    /// Posts to the first endpoint.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        self.http.post(self.first(), path, body)
    }

    /// The names of all models of an endpoint.
    pub(super) fn names_at(&self, endpoint: &str) -> Result<Vec<String>, RemoteError> {
        who::names(&self.http, endpoint)
    }

    /// The same server with another of its models.
    pub(super) fn beside(&self, model: &str) -> Arc<Self> {
        Arc::new(Self {
            engine: self.engine,
            endpoints: self.endpoints.clone(),
            http: self.http.clone(),
            settings: self.settings.clone(),
            model: ServedModel { name: model.to_owned(), ..self.model.clone() },
            answering: OnceLock::new(),
            steer: self.steer,
            special: Mutex::default(),
        })
    }

    /// All endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// A text of the server without the key.
    pub(super) fn blotted(&self, text: &str) -> String {
        self.settings.api_key.as_ref().map_or_else(|| text.to_owned(), |key| key.blotted(text))
    }

    /// Gets from an endpoint.
    pub(super) fn get_from(&self, endpoint: &str, path: &str) -> Result<Value, RemoteError> {
        self.http.get(endpoint, path)
    }

    /// Gets from the first endpoint.
    pub(super) fn get(&self, path: &str) -> Result<Value, RemoteError> {
        self.http.get(self.first(), path)
    }

    pub(super) fn malformed(&self, what: &str) -> RemoteError {
        self.unusable(AnswerProblem::Malformed(what.to_owned()))
    }

    /// An answer of the first endpoint that cannot be used.
    pub(super) fn unusable(&self, problem: AnswerProblem) -> RemoteError {
        self.http.unusable(self.first(), problem)
    }

    pub(super) fn setup(&self, found: impl Into<String>, remedy: impl Into<String>) -> RemoteError {
        self.http.setup(self.first(), found, remedy)
    }
}

/// Sends every sequence of a prompt to the same endpoint, whose cache knows it.
pub(super) fn key(session: &Session) -> u32 {
    let bytes: Vec<u8> = session.prompt().iter().flat_map(|token| token.to_le_bytes()).collect();
    crc32fast::hash(&bytes)
}
