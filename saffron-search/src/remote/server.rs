//! A server that serves one model, on one endpoint or several.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use saffron_core::{Session, Token};
use serde::Deserialize;
use serde_json::Value;

use super::engine::{Answer, Ask, Protocol, Row};
use super::http::Http;
use super::spelling::spellings;
use super::wait::until_ready;
use super::{AnswerProblem, EngineKind, RemoteError, RemoteSettings, ServerAddress, ServerWait};

/// How far above 1 probabilities may add up, and above 0 a log-probability may lie: float noise.
const NOISE: f64 = 1e-3;
/// Token ids that every vocabulary has.
const PROBE: [Token; 2] = [1, 2];
/// A text of one token of whole characters.
const LETTER: &str = "a";
/// Log-probabilities in one answer, about: more sequences are asked for in further requests.
const ENTRIES: usize = 1 << 16;
/// The most spellings that are kept in mind.
const MAX_SPELLINGS: usize = 4096;
/// Log-probabilities of tokens that a sampler has ruled out.
const RULED_OUT: f64 = -1e3;

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
    /// What the answers to steps say of who answers.
    answering: Option<String>,
    /// What is generated, for an engine that must be told.
    steer: Option<Token>,
    /// Special tokens by their spelling; none for what is no such spelling.
    special: Mutex<BTreeMap<String, Option<Token>>>,
}

/// The checked answer to one sequence.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    /// Tokens with their log-probabilities.
    pub(super) tokens: Vec<(Token, f32)>,
    /// Tokens served from the cache.
    pub(super) cached: Option<u64>,
}

impl Server {
    /// Waits for servers that are still loading their model, asks every endpoint which model it
    /// serves, and tries a step on each.
    ///
    /// # Errors
    ///
    /// Whatever a search would run into: nobody there, another engine, endpoints of different models, too few log-probabilities, or such
    /// as a sampler has changed.
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
        let (engine, endpoints) = (address.engine(), address.endpoints().to_vec());
        if settings.top == 0 {
            let reason = String::from("`RemoteSettings::top` must be at least 1");
            return Err(RemoteError::Settings { reason });
        }
        let http = Http::new(settings.clone());
        until_ready(engine, &http, &endpoints, &settings, watch)?;
        let model = who(engine, &http, &endpoints[0], &settings)?;
        let mut server =
            Self { engine, endpoints, http, settings, model, answering: None, steer: None, special: Mutex::default() };
        for endpoint in &server.endpoints[1..] {
            let found = who(engine, &server.http, endpoint, &server.settings)?;
            if found != server.model {
                let problem =
                    AnswerProblem::OtherModel { expected: format!("{:?}", server.model), found: format!("{found:?}") };
                return Err(RemoteError::Answer { endpoint: endpoint.clone(), problem });
            }
        }
        if engine == EngineKind::LlamaCpp {
            server.steer = server.tokenize(LETTER, false)?.first().copied();
        }
        for endpoint in server.endpoints.clone() {
            let answering = server.probe(&endpoint)?;
            let failed = |problem| RemoteError::Answer { endpoint: endpoint.clone(), problem };
            server.check_model(answering.as_deref()).map_err(failed)?;
            server.answering = server.answering.or(answering);
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

    /// The ids of a text, without any that would be added. With `markup`, special tokens that it
    /// spells are special; without, they are letters. vLLM and SGLang cannot be told so: where
    /// their ids of the text hold a special token, the text goes in parts that spell none. Special
    /// tokens are looked for as `<…>` and `[…]`, as these engines' models spell them.
    ///
    /// # Errors
    ///
    /// As every request; an id that is none.
    pub fn tokenize(&self, text: &str, markup: bool) -> Result<Vec<Token>, RemoteError> {
        let ids = self.ids_of(text, markup)?;
        if markup || self.engine.tells_text_from_markup() {
            return Ok(ids);
        }
        let (mut parts, mut begin) = (Vec::new(), 0);
        for place in spellings(text) {
            if self.special(&text[place.clone()])?.is_some_and(|token| ids.contains(&token)) {
                parts.push(&text[begin..=place.start]);
                begin = place.start + 1;
            }
        }
        if parts.is_empty() {
            return Ok(ids);
        }
        parts.push(&text[begin..]);
        Ok(parts.into_iter().map(|part| self.ids_of(part, false)).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The answer to one request for the ids of a text.
    pub(super) fn ids_of(&self, text: &str, markup: bool) -> Result<Vec<Token>, RemoteError> {
        let (path, body) = self.engine.tokenize(&self.model.name, text, markup);
        self.tokens(self.post(path, &body)?)
    }

    /// The ids of a layout's own text behind another one. A tokenizer that begins every text with a
    /// space does not do so here.
    pub(super) fn markup_behind(&self, before: &str, text: &str) -> Result<Vec<Token>, RemoteError> {
        let (alone, both) = (self.ids_of(before, true)?, self.ids_of(&format!("{before}{text}"), true)?);
        match both.strip_prefix(&alone[..]) {
            Some(behind) => Ok(behind.to_vec()),
            None => self.ids_of(text, true),
        }
    }

    /// The special token of this spelling, if it is one: then the server has one id for it. Each
    /// spelling is asked for once.
    pub(super) fn special(&self, spelling: &str) -> Result<Option<Token>, RemoteError> {
        let known = || self.special.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = known().get(spelling) {
            return Ok(*token);
        }
        let token = match self.ids_of(spelling, true)?[..] {
            [token] => Some(token),
            _ => None,
        };
        let mut known = known();
        if known.len() >= MAX_SPELLINGS {
            known.clear();
        }
        known.insert(spelling.to_owned(), token);
        Ok(token)
    }

    /// The text of ids.
    ///
    /// # Errors
    ///
    /// As every request.
    pub fn detokenize(&self, tokens: &[Token]) -> Result<String, RemoteError> {
        let ((path, body), field) = self.engine.detokenize(&self.model.name, tokens);
        let mut answer = self.post(path, &body)?;
        match answer.get_mut(field).map(Value::take) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.malformed(&format!("the text of ids has no field {field}"))),
        }
    }

    /// Posts to the first endpoint.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        self.http.post(self.first(), path, body)
    }

    /// All endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Gets from an endpoint.
    pub(super) fn get_from(&self, endpoint: &str, path: &str) -> Result<Value, RemoteError> {
        self.http.get(endpoint, path)
    }

    /// Gets from the first endpoint.
    pub(super) fn get(&self, path: &str) -> Result<Value, RemoteError> {
        self.http.get(self.first(), path)
    }

    /// The ids of an answer to [`tokenize`](Self::tokenize).
    pub(super) fn tokens(&self, mut answer: Value) -> Result<Vec<Token>, RemoteError> {
        let tokens = answer.get_mut("tokens").map(Value::take).unwrap_or_default();
        serde_json::from_value(tokens).map_err(|error| self.malformed(&format!("the ids of a text: {error}")))
    }

    pub(super) fn malformed(&self, what: &str) -> RemoteError {
        let problem = AnswerProblem::Malformed(what.to_owned());
        RemoteError::Answer { endpoint: self.first().to_owned(), problem }
    }

    pub(super) fn setup(&self, found: impl Into<String>, remedy: impl Into<String>) -> RemoteError {
        RemoteError::Setup { endpoint: self.first().to_owned(), found: found.into(), remedy: remedy.into() }
    }

    /// What comes next after each sequence, in a vocabulary of `size` ids: the `top` most probable tokens, or, where some are `wanted`, these
    /// and what the engine lists besides; whether they are there is for the caller to see. A sequence's `key` decides its endpoint. Endpoints
    /// work at the same time.
    pub(super) fn step(
        &self,
        sequences: &[(u32, Vec<Token>)],
        top: usize,
        wanted: &[Token],
        size: usize,
    ) -> Result<Vec<Listed>, RemoteError> {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); self.endpoints.len()];
        for (place, (key, _)) in sequences.iter().enumerate() {
            parts[*key as usize % self.endpoints.len()].push(place);
        }
        let busy = || self.endpoints.iter().zip(&parts).filter(|(_, places)| !places.is_empty());
        let ask = |endpoint: &str, places: &[usize]| {
            let contexts: Vec<Vec<Token>> = places.iter().map(|place| sequences[*place].1.clone()).collect();
            self.ask(endpoint, &contexts, top, wanted, size)
        };
        let answers: Vec<Result<Vec<Listed>, RemoteError>> = if busy().count() == 1 {
            busy().map(|(endpoint, places)| ask(endpoint, places)).collect()
        } else {
            std::thread::scope(|scope| {
                let ask = &ask;
                let running: Vec<_> =
                    busy().map(|(endpoint, places)| scope.spawn(move || ask(endpoint, places))).collect();
                let joined =
                    |result: std::thread::Result<_>| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                running.into_iter().map(|running| joined(running.join())).collect()
            })
        };
        let mut rows: Vec<Option<Listed>> = vec![None; sequences.len()];
        for ((_, places), answer) in busy().zip(answers) {
            for (place, row) in places.iter().zip(answer?) {
                rows[*place] = Some(row);
            }
        }
        Ok(rows.into_iter().flatten().collect())
    }

    /// A step on one endpoint, in requests of bounded size.
    fn ask(
        &self,
        endpoint: &str,
        sequences: &[Vec<Token>],
        top: usize,
        wanted: &[Token],
        size: usize,
    ) -> Result<Vec<Listed>, RemoteError> {
        let failed = |problem| RemoteError::Answer { endpoint: endpoint.to_owned(), problem };
        let mut rows = Vec::new();
        let expected = if wanted.is_empty() { top.min(size) } else { 0 };
        let batch = self.settings.max_batch.min(ENTRIES / top.max(1)).max(1);
        for sequences in sequences.chunks(batch) {
            let ask = Ask { model: &self.model.name, sequences, top, wanted, steer: self.steer };
            let answer = self.answer(endpoint, ask)?;
            self.check_model(answer.model.as_deref()).map_err(failed)?;
            for (sequence, row) in answer.rows.into_iter().enumerate() {
                rows.push(checked(sequence, row, expected, size).map_err(failed)?);
            }
        }
        Ok(rows)
    }

    fn answer(&self, endpoint: &str, ask: Ask<'_>) -> Result<Answer, RemoteError> {
        let (path, body) = self.engine.step(ask);
        let body = self.http.post(endpoint, path, &body)?;
        let answer = self.engine.answer(body, ask);
        answer.map_err(|problem| RemoteError::Answer { endpoint: endpoint.to_owned(), problem })
    }

    fn check_model(&self, found: Option<&str>) -> Result<(), AnswerProblem> {
        match (&self.answering, found) {
            (Some(expected), Some(found)) if expected != found => {
                Err(AnswerProblem::OtherModel { expected: expected.clone(), found: found.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Tries a step; gives who answered.
    fn probe(&self, endpoint: &str) -> Result<Option<String>, RemoteError> {
        let setup = |found: String, remedy: &str| RemoteError::Setup {
            endpoint: endpoint.to_owned(),
            found,
            remedy: remedy.to_owned(),
        };
        let size = self.vocab_bound();
        let top = self.ceiling().min(size);
        let ask = Ask { model: &self.model.name, sequences: &[PROBE.to_vec()], top, wanted: &[], steer: self.steer };
        let answer = self.answer(endpoint, ask).map_err(|error| match error {
            RemoteError::Refused { status: status @ (400 | 422), message, .. } => {
                setup(format!("it refuses a step ({status}): {message}"), self.engine.more_logprobs())
            }
            RemoteError::Refused { status: 404, .. } => {
                setup(String::from("it has no such endpoint"), &format!("is it a server of {}?", self.engine))
            }
            error => error,
        })?;
        let row = answer.rows.into_iter().next().unwrap_or_default();
        let listed = checked(0, row, top, size).map_err(|problem| match problem {
            AnswerProblem::TooFew { .. } => setup(problem.to_string(), self.engine.more_logprobs()),
            AnswerProblem::NotALogprob { .. } => setup(problem.to_string(), self.engine.raw_logprobs()),
            problem => RemoteError::Answer { endpoint: endpoint.to_owned(), problem },
        })?;
        let sum: f64 = listed.tokens.iter().map(|(_, logprob)| f64::from(*logprob).exp()).sum();
        let ruled_out = listed.tokens.iter().any(|(_, logprob)| f64::from(*logprob) < RULED_OUT);
        if sum > 1.0 + NOISE || ruled_out {
            let found = String::from("its log-probabilities are not those of the model, a sampler has changed them");
            return Err(setup(found, self.engine.raw_logprobs()));
        }
        Ok(answer.model)
    }

    fn vocab_bound(&self) -> usize {
        self.settings.vocab_size.or(self.model.vocab_size).unwrap_or(u32::MAX as usize)
    }
}

#[derive(Deserialize)]
struct Models {
    #[serde(default)]
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    max_model_len: Option<usize>,
    meta: Option<Meta>,
}

#[derive(Default, Deserialize)]
struct Meta {
    n_vocab: Option<usize>,
    n_ctx: Option<usize>,
}

/// Sends every sequence of a prompt to the same endpoint, whose cache knows it.
pub(super) fn key(session: &Session) -> u32 {
    let bytes: Vec<u8> = session.prompt().iter().flat_map(|token| token.to_le_bytes()).collect();
    crc32fast::hash(&bytes)
}

/// The model of an endpoint.
fn who(engine: EngineKind, http: &Http, endpoint: &str, settings: &RemoteSettings) -> Result<ServedModel, RemoteError> {
    let setup = |found: String, remedy: String| RemoteError::Setup { endpoint: endpoint.to_owned(), found, remedy };
    let body = http.get(endpoint, "/v1/models").map_err(|error| match error {
        RemoteError::Refused { status: 404, .. } => {
            setup(String::from("it has no list of models"), format!("is it a server of {engine}?"))
        }
        error => error,
    })?;
    let models: Models = serde_json::from_value(body).map_err(|error| RemoteError::Answer {
        endpoint: endpoint.to_owned(),
        problem: AnswerProblem::Malformed(format!("its list of models: {error}")),
    })?;
    let names: Vec<&str> = models.data.iter().map(|model| &model.id[..]).collect();
    let names = names.join(", ");
    let found = match &settings.model {
        Some(wanted) => models.data.into_iter().find(|model| model.id == *wanted),
        None if models.data.len() == 1 => models.data.into_iter().next(),
        None => None,
    };
    let Some(Model { id, max_model_len, meta }) = found else {
        return Err(setup(
            format!("its models are {names}"),
            String::from("name one of them (`RemoteSettings::model`)"),
        ));
    };
    let Meta { n_vocab, n_ctx } = meta.unwrap_or_default();
    Ok(ServedModel { name: id, context: max_model_len.or(n_ctx), vocab_size: settings.vocab_size.or(n_vocab) })
}

/// A row whose ids are of the vocabulary and whose numbers are log-probabilities: at least `expected` of them.
fn checked(sequence: usize, row: Row, expected: usize, size: usize) -> Result<Listed, AnswerProblem> {
    let mut tokens: Vec<(Token, f32)> = Vec::with_capacity(row.listed.len());
    let mut seen = BTreeSet::new();
    for (token, logprob) in row.listed {
        let id = Token::try_from(token).ok().filter(|id| (*id as usize) < size);
        let id = id.ok_or(AnswerProblem::OutOfVocabulary { sequence, token, size })?;
        if !seen.insert(id) {
            return Err(AnswerProblem::Twice { sequence, token });
        }
        match logprob.filter(|logprob| *logprob <= NOISE) {
            Some(logprob) => tokens.push((id, logprob.min(0.0) as f32)),
            None => {
                let value = logprob.map_or_else(|| String::from("no number"), |value| value.to_string());
                return Err(AnswerProblem::NotALogprob { sequence, token, value });
            }
        }
    }
    if tokens.len() < expected {
        return Err(AnswerProblem::TooFew { sequence, expected, found: tokens.len() });
    }
    Ok(Listed { tokens, cached: row.cached })
}
