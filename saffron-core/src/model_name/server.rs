//! Where a model is served.

use std::fmt;
use std::str::FromStr;

use super::ModelNameError;

/// The engines that serve models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// llama.cpp's server.
    LlamaCpp,
    /// vLLM's OpenAI-compatible server.
    Vllm,
    /// SGLang's native server.
    Sglang,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LlamaCpp, Self::Vllm, Self::Sglang];

    /// What an address calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LlamaCpp => "llamacpp",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An engine and the endpoints that serve one model with it: `llamacpp:http://127.0.0.1:8080`, `vllm:http://a:8000,http://b:8000`.
///
/// ```
/// use saffron_core::{EngineKind, ServerAddress};
/// let address: ServerAddress = "vllm:http://a:8000,http://b:8000/".parse()?;
/// assert_eq!((address.engine(), address.endpoints()), (EngineKind::Vllm, &["http://a:8000".to_owned(), "http://b:8000".to_owned()][..]));
/// assert!("vllm:http://me:secret@a".parse::<ServerAddress>().is_err());
/// # Ok::<(), saffron_core::ModelNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    engine: EngineKind,
    endpoints: Vec<String>,
}

impl ServerAddress {
    /// The engine.
    #[must_use]
    pub fn engine(&self) -> EngineKind {
        self.engine
    }

    /// The endpoints, without a closing slash.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Whether a text begins like an address, so that it is no path.
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        EngineKind::ALL.iter().any(|engine| text.strip_prefix(engine.name()).is_some_and(|rest| rest.starts_with(':')))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.engine, self.endpoints.join(","))
    }
}

impl FromStr for ServerAddress {
    type Err = ModelNameError;

    fn from_str(text: &str) -> Result<Self, ModelNameError> {
        let refuse = |reason| Err(ModelNameError::Server { found: without_secrets(text), reason });
        let parts = text.split_once(':');
        let engine = parts.and_then(|(name, _)| EngineKind::ALL.into_iter().find(|engine| engine.name() == name));
        let (Some((_, urls)), Some(engine)) = (parts, engine) else {
            return refuse("expected llamacpp:URL, vllm:URL or sglang:URL");
        };
        let mut endpoints: Vec<String> = urls.split(',').map(|url| url.trim().to_owned()).collect();
        for url in &mut endpoints {
            let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
                return refuse("an endpoint must begin with http:// or https://");
            };
            let host = rest.split('/').next().unwrap_or_default();
            if host.is_empty() {
                return refuse("an endpoint has no host");
            }
            if host.contains('@') || rest.contains('?') {
                return refuse("an endpoint must hold no credentials and no query: a key belongs in the settings");
            }
            if rest.contains('#') {
                return refuse("an endpoint must hold no fragment (`#`): no server would see it");
            }
            *url = url.trim_end_matches('/').to_owned();
        }
        Ok(Self { engine, endpoints })
    }
}

/// A text without what may be credentials, a query or a fragment: an error must not repeat them.
fn without_secrets(text: &str) -> String {
    let before = text.split(['@', '?', '#']).next().unwrap_or_default();
    match (before.len() < text.len(), before.find("://")) {
        (false, _) => text.to_owned(),
        (true, Some(place)) if text[before.len()..].starts_with('@') => format!("{}://…", &before[..place]),
        (true, _) => format!("{before}…"),
    }
}
