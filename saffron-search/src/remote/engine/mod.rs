//! What each engine is told, and what it says.

mod llama_cpp;
mod sglang;
mod vllm;

use saffron_core::Token;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{AnswerProblem, EngineKind};

/// One step: what comes next after each of some sequences?
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// The model's name.
    pub(super) model: &'a str,
    /// The sequences.
    pub(super) sequences: &'a [Vec<Token>],
    /// How many of the most probable tokens are wanted.
    pub(super) top: usize,
    /// Tokens that are wanted besides, wherever they stand.
    pub(super) wanted: &'a [Token],
    /// The token to generate, for an engine that must be told.
    pub(super) steer: Option<Token>,
}

/// An engine's answer to a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// What it says of each sequence, in the order of the request.
    pub(super) rows: Vec<Row>,
    /// The model that answered, where it says.
    pub(super) model: Option<String>,
}

/// What an engine says of one sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Ids and log-probabilities, in any order; no number where there was none.
    pub(super) listed: Vec<(u64, Option<f64>)>,
    /// Tokens that were served from its cache, where it says.
    pub(super) cached: Option<u64>,
}

/// A request: its path and its body.
pub(super) type Request = (&'static str, Value);

/// How an engine is spoken to.
pub(super) trait Protocol: Sized {
    /// The path to ask whether the model is loaded.
    fn ready_path(self) -> &'static str;

    /// The request of a step.
    fn step(self, ask: Ask<'_>) -> Request;

    /// The answer to a step.
    fn answer(self, body: Value, ask: Ask<'_>) -> Result<Answer, AnswerProblem>;

    /// What to do where it gives fewer log-probabilities than were asked for, or refuses so many.
    fn more_logprobs(self) -> &'static str;

    /// What to do where it gives probabilities after its samplers rather than the model's own.
    fn raw_logprobs(self) -> &'static str;

    /// The request for the ids of a text.
    fn tokenize(self, model: &str, text: &str, markup: bool) -> Request;

    /// The request for the ids of a rendered conversation, of which llama.cpp has taken the
    /// beginning-of-sequence token away.
    fn tokenize_rendered(self, model: &str, text: &str) -> Request;

    /// Whether it can be told that special tokens in a text are just letters.
    fn tells_text_from_markup(self) -> bool;

    /// The request for the text of ids, and the field of the answer that holds it.
    fn detokenize(self, model: &str, tokens: &[Token]) -> (Request, &'static str);
}

impl Protocol for EngineKind {
    fn ready_path(self) -> &'static str {
        match self {
            // It lists its model while it loads, but without the sizes.
            Self::LlamaCpp => "/health",
            Self::Vllm | Self::Sglang => "/v1/models",
        }
    }

    fn step(self, ask: Ask<'_>) -> Request {
        match self {
            Self::LlamaCpp => llama_cpp::step(ask),
            Self::Vllm => vllm::step(ask),
            Self::Sglang => sglang::step(ask),
        }
    }

    fn answer(self, body: Value, ask: Ask<'_>) -> Result<Answer, AnswerProblem> {
        match self {
            Self::LlamaCpp => llama_cpp::answer(body, ask),
            Self::Vllm => vllm::answer(body, ask),
            Self::Sglang => sglang::answer(body, ask),
        }
    }

    fn more_logprobs(self) -> &'static str {
        match self {
            Self::LlamaCpp => {
                "ask for fewer (`RemoteSettings::top`), or use a llama.cpp whose `/completion` knows `n_probs`"
            }
            Self::Vllm => "start the server with a larger --max-logprobs, or ask for fewer (`RemoteSettings::top`)",
            Self::Sglang => "ask for fewer (`RemoteSettings::top`)",
        }
    }

    fn raw_logprobs(self) -> &'static str {
        match self {
            Self::LlamaCpp => "use a llama.cpp whose `/completion` knows `post_sampling_probs`",
            Self::Vllm => "start the server with --logprobs-mode raw_logprobs",
            Self::Sglang => "start the server without options that change its log-probabilities",
        }
    }

    fn tokenize(self, model: &str, text: &str, markup: bool) -> Request {
        match self {
            Self::LlamaCpp => llama_cpp::tokenize(text, markup, false),
            Self::Vllm | Self::Sglang => vllm::tokenize(model, text),
        }
    }

    fn tokenize_rendered(self, model: &str, text: &str) -> Request {
        match self {
            Self::LlamaCpp => llama_cpp::tokenize(text, true, true),
            Self::Vllm | Self::Sglang => vllm::tokenize(model, text),
        }
    }

    fn tells_text_from_markup(self) -> bool {
        self == Self::LlamaCpp
    }

    fn detokenize(self, model: &str, tokens: &[Token]) -> (Request, &'static str) {
        match self {
            Self::LlamaCpp => (llama_cpp::detokenize(tokens), "content"),
            Self::Vllm => (vllm::detokenize(model, tokens), "prompt"),
            Self::Sglang => (vllm::detokenize(model, tokens), "text"),
        }
    }
}

/// A body as a type.
pub(super) fn typed<T: DeserializeOwned>(body: Value) -> Result<T, AnswerProblem> {
    serde_json::from_value(body).map_err(|error| AnswerProblem::Malformed(error.to_string()))
}

/// A body as several of a type, or one alone.
pub(super) fn several<T: DeserializeOwned>(body: Value) -> Result<Vec<T>, AnswerProblem> {
    if body.is_array() { typed(body) } else { Ok(vec![typed(body)?]) }
}

/// Answers by the place that each says it is for.
pub(super) fn placed<T>(answers: Vec<(usize, T)>, expected: usize) -> Result<Vec<T>, AnswerProblem> {
    let found = answers.len();
    let mut places: Vec<Option<T>> = (0..expected).map(|_| None).collect();
    for (place, answer) in answers {
        if let Some(free @ None) = places.get_mut(place) {
            *free = Some(answer);
        }
    }
    let rows: Vec<T> = places.into_iter().flatten().collect();
    match rows.len() == expected && found == expected {
        true => Ok(rows),
        false => Err(AnswerProblem::Count { expected, found: rows.len() }),
    }
}
