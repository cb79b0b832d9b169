//! Requests with a deadline, bounded tries, and answers of bounded size.

use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

use super::{AnswerProblem, RemoteError, RemoteSettings};
use crate::json::{Meter, from_slice};

/// How much of a refusal is kept.
const MESSAGE: usize = 400;

/// How much more memory an answer's values may take than the answer has bytes.
const DECODED: u64 = 16;

/// Speaks to the endpoints of one server.
#[derive(Clone, Debug)]
pub(super) struct Http {
    agent: Agent,
    settings: RemoteSettings,
}

/// The time limit of one readiness check.
const A_LOOK: Duration = Duration::from_secs(10);

/// The result of a readiness check.
pub(super) enum Readiness {
    /// The server answers, or fails in a way that waiting does not change.
    Answers,
    /// The server is still loading, with its message.
    Loading(String),
}

/// What came of one try.
enum Try {
    /// A whole answer.
    Answered(Vec<u8>),
    /// Nothing, and another try may do better, after some wait.
    Again { wait: Option<Duration>, error: RemoteError },
    /// Nothing, and another try would not help.
    Failed(RemoteError),
}

impl Http {
    pub(super) fn new(settings: RemoteSettings) -> Self {
        // Without a proxy of the environment: a library does not read it.
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        // As many connections are kept alive as are used at the same time.
        let kept = settings.in_flight.max(1);
        let config = config.max_idle_connections_per_host(kept).max_idle_connections(kept.saturating_mul(8)).build();
        Self { agent: config.into(), settings }
    }

    /// An error without the key.
    pub(super) fn error(&self, error: RemoteError) -> RemoteError {
        error.without(self.settings.api_key.as_ref())
    }

    /// An answer that cannot be used.
    pub(super) fn unusable(&self, endpoint: &str, problem: AnswerProblem) -> RemoteError {
        self.error(RemoteError::Answer { endpoint: endpoint.to_owned(), problem })
    }

    /// A server that has to be started otherwise.
    pub(super) fn setup(&self, endpoint: &str, found: impl Into<String>, remedy: impl Into<String>) -> RemoteError {
        let (found, remedy) = (found.into(), remedy.into());
        self.error(RemoteError::Setup { endpoint: endpoint.to_owned(), found, remedy })
    }

    /// Gets JSON.
    pub(super) fn get(&self, endpoint: &str, path: &str) -> Result<Value, RemoteError> {
        self.ask(Instant::now(), endpoint, |left| {
            self.authorised(self.agent.get(format!("{endpoint}{path}")))
                .config()
                .timeout_global(Some(left))
                .build()
                .call()
        })
    }

    /// Posts JSON, and gets JSON.
    pub(super) fn post(&self, endpoint: &str, path: &str, body: &Value) -> Result<Value, RemoteError> {
        self.post_since(Instant::now(), endpoint, path, body)
    }

    /// [`post`](Self::post) as part of something that began earlier and has the time of one request.
    pub(super) fn post_since(
        &self,
        begun: Instant,
        endpoint: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, RemoteError> {
        let body = body.to_string();
        self.ask(begun, endpoint, |left| {
            let request = self.agent.post(format!("{endpoint}{path}")).header("Content-Type", "application/json");
            self.authorised(request).config().timeout_global(Some(left)).build().send(body.as_bytes())
        })
    }

    /// Checks once whether a server is still loading its model.
    pub(super) fn readiness(&self, endpoint: &str, path: &str) -> Readiness {
        let request = self.authorised(self.agent.get(format!("{endpoint}{path}")));
        let limit = self.settings.timeout.min(A_LOOK);
        let sent = request.config().timeout_global(Some(limit)).build().call();
        match sent.and_then(|response| self.read(response)) {
            Ok((status @ 502..=504, _, bytes)) => Readiness::Loading(format!("status {status}: {}", self.said(&bytes))),
            Err(ureq::Error::Io(error)) if is_passing(error.kind()) => {
                Readiness::Loading(self.beginning(error.to_string().as_bytes()))
            }
            Err(error @ ureq::Error::Timeout(_)) => Readiness::Loading(error.to_string()),
            _ => Readiness::Answers,
        }
    }

    /// The message of a refusal, extracted from JSON if possible.
    fn said(&self, bytes: &[u8]) -> String {
        let json: Option<Value> = serde_json::from_slice(bytes).ok();
        let message = json.as_ref().and_then(|json| json["error"]["message"].as_str());
        self.beginning(message.map_or(bytes, str::as_bytes))
    }

    /// A request with the key, if there is one.
    fn authorised<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.settings.api_key {
            Some(key) => request.header("Authorization", key.header()),
            None => request,
        }
    }

    /// Tries a request until it is answered, the tries are spent, or the time is.
    fn ask(
        &self,
        begun: Instant,
        endpoint: &str,
        send: impl Fn(Duration) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Value, RemoteError> {
        let mut backoff = self.settings.backoff;
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let left = self.settings.timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(self.timed_out(endpoint));
            }
            let (wait, error) = match self.attempt(endpoint, tries, send(left)) {
                Try::Answered(bytes) => return self.parse(endpoint, &bytes),
                Try::Failed(error) => return Err(self.error(error)),
                Try::Again { wait, error } => (wait.map_or(backoff, |wait| wait.max(backoff)), error),
            };
            // What the wait would not leave time for is not waited for.
            if tries > self.settings.retries || wait >= self.settings.timeout.saturating_sub(begun.elapsed()) {
                return Err(self.error(error));
            }
            std::thread::sleep(wait);
            backoff = backoff.saturating_mul(2);
        }
    }

    fn attempt(&self, endpoint: &str, tries: u32, sent: Result<Response<Body>, ureq::Error>) -> Try {
        match sent.and_then(|response| self.read(response)) {
            Ok((status, _, bytes)) if (200..300).contains(&status) => Try::Answered(bytes),
            Ok((status, wait, bytes)) => {
                let message = self.beginning(&bytes);
                let error = RemoteError::Refused { endpoint: endpoint.to_owned(), status, tries, message };
                match status {
                    429 | 502..=504 => Try::Again { wait, error },
                    _ => Try::Failed(error),
                }
            }
            Err(error) => self.failure(endpoint, tries, &error),
        }
    }

    /// Status, `Retry-After` and body.
    fn read(&self, mut response: Response<Body>) -> Result<(u16, Option<Duration>, Vec<u8>), ureq::Error> {
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let bytes = response.body_mut().with_config().limit(self.settings.max_answer).read_to_vec()?;
        Ok((response.status().as_u16(), wait.map(Duration::from_secs), bytes))
    }

    fn failure(&self, endpoint: &str, tries: u32, error: &ureq::Error) -> Try {
        match error {
            ureq::Error::Timeout(_) => Try::Failed(self.timed_out(endpoint)),
            ureq::Error::BodyExceedsLimit(_) => {
                Try::Failed(RemoteError::TooLarge { endpoint: endpoint.to_owned(), limit: self.settings.max_answer })
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Try::Failed(self.timed_out(endpoint)),
            ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::Tls(_)
            | ureq::Error::TooManyRedirects
            | ureq::Error::RedirectFailed => Try::Failed(unreachable(endpoint, tries, error)),
            _ => Try::Again { wait: None, error: unreachable(endpoint, tries, error) },
        }
    }

    /// The beginning of a text, on one line, without the key, should the server have repeated it.
    fn beginning(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = match &self.settings.api_key {
            Some(key) => key.blotted(&words.join(" ")),
            None => words.join(" "),
        };
        match line.char_indices().nth(MESSAGE) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    /// The JSON of an answer. An object that has a key twice is refused: which of its values was
    /// meant?
    fn parse(&self, endpoint: &str, bytes: &[u8]) -> Result<Value, RemoteError> {
        let meter = Meter::new(self.settings.max_answer.saturating_mul(DECODED));
        from_slice(bytes, &meter).map_err(|error| {
            let problem = AnswerProblem::Malformed(format!("no JSON that can be used: {error}"));
            self.unusable(endpoint, problem)
        })
    }

    fn timed_out(&self, endpoint: &str) -> RemoteError {
        RemoteError::TimedOut { endpoint: endpoint.to_owned(), after: self.settings.timeout }
    }
}

/// Whether an error is one of a server that is just starting.
fn is_passing(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionRefused | ConnectionReset | TimedOut | UnexpectedEof)
}

fn unreachable(endpoint: &str, tries: u32, error: &ureq::Error) -> RemoteError {
    RemoteError::Unreachable { endpoint: endpoint.to_owned(), tries, reason: error.to_string() }
}
