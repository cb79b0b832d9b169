//! Errors as OpenAI's clients know them.

use saffron_core::{ModelError, SearchError, SearchErrorKind, StopReason};
use serde_json::{Value, json};

use crate::searcher::scheduler::SchedulerError;

/// What kind of error an answer reports: its `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be answered as it is.
    InvalidRequest,
    /// The key is missing or wrong.
    Authentication,
    /// Too many requests wait.
    RateLimit,
    /// The server could not answer.
    Server,
}

impl ErrorKind {
    /// The `type` of the error.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::RateLimit => "rate_limit_error",
            Self::Server => "server_error",
        }
    }
}

/// An error in the shape of OpenAI's. Its message is for the client: it names no path and no other
/// server, and repeats of the request only names of parameters and short values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The kind.
    pub kind: ErrorKind,
    /// What was expected and what was found.
    pub message: String,
    /// The parameter that is wrong, such as `messages[1].content`.
    pub param: Option<String>,
    /// A name for programs.
    pub code: &'static str,
}

impl ApiError {
    /// A request that cannot be answered as it is: status 400.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        let (kind, message) = (ErrorKind::InvalidRequest, message.into());
        Self { status: 400, kind, message, param: None, code }
    }

    /// A server that could not answer.
    pub fn server(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind: ErrorKind::Server, message: message.into(), param: None, code }
    }

    /// The error with the parameter that is wrong.
    #[must_use]
    pub fn of(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// A value of another kind than expected.
    pub(super) fn expected(param: &str, expected: &str, found: &Value) -> Self {
        let message = format!("{param}: expected {expected}, found {}", shown(found));
        Self::invalid("invalid_value", message).of(param)
    }

    /// A body of more bytes than the server takes.
    #[must_use]
    pub fn too_large(most: usize) -> Self {
        let message = format!("the body has more than {most} bytes, the most that this server takes");
        Self { status: 413, ..Self::invalid("body_too_large", message) }
    }

    /// No key, or not the server's.
    #[must_use]
    pub fn unauthorized() -> Self {
        let message = String::from("the API key is missing or wrong: send it as Authorization: Bearer KEY");
        let kind = ErrorKind::Authentication;
        Self { status: 401, kind, message, param: None, code: "invalid_api_key" }
    }

    /// The deadline came before an answer.
    #[must_use]
    pub fn late() -> Self {
        Self::server(504, "deadline", "the deadline came before there was an answer")
    }

    /// The server is shutting down.
    #[must_use]
    pub fn shutting_down() -> Self {
        Self::server(503, "shutting_down", "the server is shutting down and takes no more requests")
    }

    /// Whether another attempt may succeed: the answer then says when.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    /// The body: `{"error": {"message", "type", "param", "code"}}`.
    #[must_use]
    pub fn body(&self) -> Value {
        let Self { kind, message, param, code, .. } = self;
        json!({ "error": { "message": message, "type": kind.name(), "param": param, "code": code } })
    }

    fn of_model(error: &ModelError) -> Self {
        match error {
            ModelError::ContextTooLong { .. } => {
                Self::invalid("context_length_exceeded", format!("{error}: shorten the messages or max_tokens"))
            }
            ModelError::EmptyPrompt => Self::invalid("empty_prompt", "the last user message has no text"),
            _ => Self::server(502, "model_failed", "a model of this server could not answer"),
        }
    }
}

impl From<&SearchError> for ApiError {
    fn from(error: &SearchError) -> Self {
        match error.kind() {
            SearchErrorKind::Model { source, .. } => Self::of_model(source),
            SearchErrorKind::Config(source) => Self::invalid("invalid_search", source.to_string()),
            SearchErrorKind::Refused(verdict) => {
                let message = format!("the best answer found is {verdict}, and this server does not show it");
                Self::invalid("content_filter", message)
            }
            SearchErrorKind::Halted(StopReason::Cancelled) => Self::late(),
            _ => Self::server(500, "search_failed", "the search failed"),
        }
    }
}

impl From<&SchedulerError> for ApiError {
    fn from(error: &SchedulerError) -> Self {
        match error {
            SchedulerError::Settings(error) => error.into(),
            SchedulerError::Full { .. } => {
                let message = String::from("too many requests wait: try again later");
                Self { status: 429, kind: ErrorKind::RateLimit, message, param: None, code: "queue_full" }
            }
            SchedulerError::Closed => Self::shutting_down(),
            SchedulerError::Broken { .. } => {
                Self::server(503, "model_failed", "a model of this server has failed: it must be started again")
            }
            _ => Self::server(500, "scheduler_failed", "the server could not take the request"),
        }
    }
}

/// The most characters of a value that an error repeats.
const SHOWN: usize = 40;

/// A value as an error repeats it: a text or a list may be the user's, so of these the kind alone.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(_) => String::from("a string"),
        Value::Array(_) => String::from("an array"),
        Value::Object(_) => String::from("an object"),
        other => other.to_string().chars().take(SHOWN).collect(),
    }
}

/// A name that a request used, as an error repeats it.
pub(super) fn shown_name(name: &str) -> String {
    let cut: String = name.chars().take(SHOWN).collect();
    format!("{cut:?}")
}
