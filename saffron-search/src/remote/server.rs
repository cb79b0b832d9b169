//! A server that serves one model, on one endpoint or several.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use saffron_core::{Session, Token, listed};
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
/// Below are the log-probabilities of tokens that a sampler has ruled out: −∞ is sent as -9999 or
/// as the least of all floats.
const FLOOR: f64 = -1e3;

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
    /// How many the server has listed, those that are left out included.
    pub(super) count: usize,
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
                return Err(server.http.unusable(endpoint, problem));
            }
        }
        if engine == EngineKind::LlamaCpp {
            server.steer = server.tokenize(LETTER, false)?.first().copied();
        }
        for endpoint in server.endpoints.clone() {
            let answering = server.probe(&endpoint)?;
            let failed = |problem| server.http.unusable(&endpoint, problem);
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
    pub(crate) fn detokenize(&self, tokens: &[Token]) -> Result<String, RemoteError> {
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

    /// The ids of an answer to [`tokenize`](Self::tokenize).
    pub(super) fn tokens(&self, mut answer: Value) -> Result<Vec<Token>, RemoteError> {
        let tokens = answer.get_mut("tokens").map(Value::take).unwrap_or_default();
        serde_json::from_value(tokens).map_err(|error| self.malformed(&format!("the ids of a text: {error}")))
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
        let failed = |problem| self.http.unusable(endpoint, problem);
        // Beyond the ceiling, a guard's answers are looked for among all tokens, the impossible
        // too.
        let ruled_out = if top <= self.ceiling() { RuledOut::Refused } else { RuledOut::LeftOut(wanted) };
        let mut rows = Vec::new();
        let expected = if wanted.is_empty() { top.min(size) } else { 0 };
        let batch = self.settings.max_batch.min(ENTRIES / top.max(1)).max(1);
        for sequences in sequences.chunks(batch) {
            let ask = Ask { model: &self.model.name, sequences, top, wanted, steer: self.steer };
            let answer = self.answer(endpoint, ask)?;
            self.check_model(answer.model.as_deref()).map_err(failed)?;
            for (sequence, row) in answer.rows.into_iter().enumerate() {
                rows.push(checked(sequence, row, expected, size, ruled_out).map_err(failed)?);
            }
        }
        Ok(rows)
    }

    fn answer(&self, endpoint: &str, ask: Ask<'_>) -> Result<Answer, RemoteError> {
        let (path, body) = self.engine.step(ask);
        let body = self.http.post(endpoint, path, &body)?;
        let answer = self.engine.answer(body, ask);
        answer.map_err(|problem| self.http.unusable(endpoint, problem))
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
        let setup = |found: String, remedy: &str| self.http.setup(endpoint, found, remedy);
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
        checked(0, row, top, size, RuledOut::Refused).map_err(|problem| match problem {
            AnswerProblem::TooFew { .. } => setup(problem.to_string(), self.engine.more_logprobs()),
            AnswerProblem::NotALogprob { .. } => setup(problem.to_string(), self.engine.raw_logprobs()),
            AnswerProblem::RuledOut { .. } | AnswerProblem::Sum { .. } => {
                let found = "its log-probabilities are not those of the model, a sampler has changed them";
                setup(format!("{found}: {problem}"), self.engine.raw_logprobs())
            }
            problem => self.http.unusable(endpoint, problem),
        })?;
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
    let setup = |found: String, remedy: String| http.setup(endpoint, found, remedy);
    let body = http.get(endpoint, "/v1/models").map_err(|error| match error {
        RemoteError::Refused { status: 404, .. } => {
            setup(String::from("it has no list of models"), format!("is it a server of {engine}?"))
        }
        error => error,
    })?;
    let models: Models = serde_json::from_value(body)
        .map_err(|error| http.unusable(endpoint, AnswerProblem::Malformed(format!("its list of models: {error}"))))?;
    let names = listed(models.data.iter().map(|model| &model.id));
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
    if settings.api_key.as_ref().is_some_and(|key| key.is_in(&id)) {
        return Err(setup(
            String::from("its model is called by the API key"),
            String::from("serve the model by another name"),
        ));
    }
    let Meta { n_vocab, n_ctx } = meta.unwrap_or_default();
    Ok(ServedModel { name: id, context: max_model_len.or(n_ctx), vocab_size: settings.vocab_size.or(n_vocab) })
}

/// What is done with tokens that a sampler has ruled out.
#[derive(Clone, Copy, Debug)]
enum RuledOut<'a> {
    Refused,
    /// They are left out, unless they are among these.
    LeftOut(&'a [Token]),
}

/// A row whose ids are of the vocabulary and whose numbers are log-probabilities, at least
/// `expected` of them, that add up to at most 1.
fn checked(
    sequence: usize,
    row: Row,
    expected: usize,
    size: usize,
    ruled_out: RuledOut<'_>,
) -> Result<Listed, AnswerProblem> {
    let mut sum = 0.0;
    let count = row.listed.len();
    let mut tokens: Vec<(Token, f32)> = Vec::with_capacity(count);
    let mut seen = BTreeSet::new();
    for (token, logprob) in row.listed {
        let id = Token::try_from(token).ok().filter(|id| (*id as usize) < size);
        let id = id.ok_or(AnswerProblem::OutOfVocabulary { sequence, token, size })?;
        if !seen.insert(id) {
            return Err(AnswerProblem::Twice { sequence, token });
        }
        match logprob.filter(|logprob| *logprob <= NOISE) {
            Some(logprob) if logprob < FLOOR => match ruled_out {
                RuledOut::LeftOut(wanted) if !wanted.contains(&id) => {}
                _ => return Err(AnswerProblem::RuledOut { sequence, token, value: logprob.to_string() }),
            },
            Some(logprob) => {
                sum += logprob.min(0.0).exp();
                tokens.push((id, logprob.min(0.0) as f32));
            }
            None => {
                let value = logprob.map_or_else(|| String::from("no number"), |value| value.to_string());
                return Err(AnswerProblem::NotALogprob { sequence, token, value });
            }
        }
    }
    if sum > 1.0 + NOISE {
        return Err(AnswerProblem::Sum { sequence, sum });
    }
    if tokens.len() < expected {
        return Err(AnswerProblem::TooFew { sequence, expected, found: tokens.len() });
    }
    Ok(Listed { tokens, cached: row.cached, count })
}
