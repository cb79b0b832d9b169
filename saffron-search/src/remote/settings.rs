//! How a server is asked.

use std::fmt;
use std::time::Duration;

use saffron_core::Token;

use super::RemoteError;

/// A bearer token for a server. It is never written anywhere but into the request's header.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key as the server knows it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// A text without the key, as it is or as a quoted text shows it.
    pub(super) fn blotted(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let text = text.replace(&self.0, "…");
        let quoted: String = self.0.escape_debug().collect();
        text.replace(&quoted, "…")
    }

    /// Whether a text holds the key.
    pub(super) fn is_in(&self, text: &str) -> bool {
        !self.0.is_empty() && text.contains(&self.0)
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Settings of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSettings {
    /// The most that one request may take, tries and waits between them together.
    pub timeout: Duration,
    /// How often a request is tried again after a refused or broken connection, a 429, or a 502 to 504.
    pub retries: u32,
    /// The wait before the first new try; each further one waits twice as long. A server's `Retry-After` in seconds counts where it is longer.
    pub backoff: Duration,
    /// The longest wait for a server that is still loading its model: one that refuses connections
    /// or answers 502 to 504. It applies when connecting; zero does not wait.
    pub wait: Duration,
    /// The largest answer that is read, in bytes.
    pub max_answer: u64,
    /// The most sequences of a request; more are sent in further requests.
    pub max_batch: usize,
    /// The most requests that are in flight together. A server that batches continuously works on
    /// them at the same time.
    pub in_flight: usize,
    /// How many of the most probable tokens are asked for. Where they hold too little mass, twice
    /// as many are asked for once; the server must be able to give these, and is never asked for
    /// more, but for a guard on llama.cpp, which limits nothing.
    pub top: usize,
    /// The key that the server wants, if it wants one.
    pub api_key: Option<ApiKey>,
    /// The name of the model, where a server has several.
    pub model: Option<String>,
    /// Number of token ids, where the server does not say.
    pub vocab_size: Option<usize>,
    /// Tokens that end a reply, where the server does not say or is to be overruled.
    pub end_tokens: Option<Vec<Token>>,
}

impl Default for RemoteSettings {
    /// Two minutes a request and two for a server that loads, three new tries, 64 MiB, 64
    /// sequences a request, eight requests in flight, the 64 most probable tokens.
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(2),
            retries: 3,
            backoff: Duration::from_millis(250),
            wait: Duration::from_mins(2),
            max_answer: 64 << 20,
            max_batch: 64,
            in_flight: 8,
            top: 64,
            api_key: None,
            model: None,
            vocab_size: None,
            end_tokens: None,
        }
    }
}

impl RemoteSettings {
    /// Refuses settings that no server can be asked with.
    pub(super) fn check(&self) -> Result<(), RemoteError> {
        let refuse = |reason: &str| Err(RemoteError::Settings { reason: reason.to_owned() });
        match self {
            Self { top: 0, .. } => refuse("`RemoteSettings::top` must be at least 1"),
            Self { in_flight: 0, .. } => refuse("`RemoteSettings::in_flight` must be at least 1"),
            Self { max_batch: 0, .. } => refuse("`RemoteSettings::max_batch` must be at least 1"),
            _ => Ok(()),
        }
    }
}
