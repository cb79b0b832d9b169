//! Requests, read and checked.

use serde_json::{Map, Value};

use super::error::{ApiError, shown_name};
use super::message;
use super::parameter::{Endpoint, Parameter};
use super::prompt::Prompt;
use super::search_wishes::{self, SearchWishes, refuse_others};
use super::shape::{MOST_STOPS, Shape, whole};
use crate::json::{Meter, from_slice};

/// How much a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a body. 1 MiB by default.
    pub body_bytes: usize,
    /// Messages of a conversation. 256 by default.
    pub messages: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { body_bytes: 1 << 20, messages: 256 }
    }
}

/// The most bytes of a stop string.
const LONGEST_STOP: usize = 256;

/// Bytes of memory that the values of a body may take, a byte of the body.
const VALUE_BYTES: u64 = 16;

/// A request for a completion.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRequest {
    /// Which kind.
    pub endpoint: Endpoint,
    /// The model that is asked for.
    pub model: String,
    /// What is to be answered.
    pub prompt: Prompt,
    /// What the reply begins with: a trailing message of the assistant.
    pub prefill: Option<String>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<usize>,
    /// The answer ends before the first of these texts. None of them is empty.
    pub stop: Vec<String>,
    /// Seed of the search's random numbers.
    pub seed: Option<u64>,
    /// Whether the temperature must be that of an answer without chance.
    pub without_chance: bool,
    /// Whether the delivered tokens come with their log-probabilities.
    pub logprobs: bool,
    /// Whether the answer is sent piece by piece.
    pub stream: bool,
    /// Whether a stream ends with a chunk of the usage.
    pub include_usage: bool,
    /// How the search is to be changed.
    pub search: SearchWishes,
}

impl CompletionRequest {
    /// Reads the body of a request. What takes memory out of proportion to the body, and keys that
    /// stand twice, are refused.
    ///
    /// # Errors
    ///
    /// A body that is no JSON, a parameter that is unknown or refused, or has a value that is not
    /// accepted.
    pub fn read(endpoint: Endpoint, body: &[u8], limits: &RequestLimits) -> Result<Self, ApiError> {
        if body.len() > limits.body_bytes {
            return Err(ApiError::too_large(limits.body_bytes));
        }
        let meter = Meter::new((limits.body_bytes as u64).saturating_mul(VALUE_BYTES));
        let value = from_slice(body, &meter).map_err(|error| {
            // The parser's own words may repeat a value.
            let (line, column) = (error.line(), error.column());
            ApiError::invalid(
                "invalid_json",
                format!("the body is not acceptable JSON at line {line}, column {column}"),
            )
        })?;
        let Value::Object(fields) = value else {
            return Err(ApiError::expected("the body", "an object", &value));
        };
        let fields: Map<String, Value> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
        for (name, value) in &fields {
            let Some(parameter) = Parameter::find(endpoint, name) else { return Err(unknown(name)) };
            parameter.check(value)?;
        }
        Self::of_fields(endpoint, &fields, limits)
    }

    fn of_fields(endpoint: Endpoint, fields: &Map<String, Value>, limits: &RequestLimits) -> Result<Self, ApiError> {
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or_default();
        let stream = flag("stream");
        let (prompt, prefill) = match endpoint {
            Endpoint::Chat => message::read(required(fields, "messages")?, limits.messages)?,
            Endpoint::Completions => (text_prompt(required(fields, "prompt")?)?, None),
        };
        let search = match fields.get("saffron") {
            Some(Value::Object(wishes)) => search_wishes::read(wishes)?,
            _ => SearchWishes::default(),
        };
        Ok(Self {
            endpoint,
            model: required(fields, "model")?.as_str().unwrap_or_default().to_owned(),
            prompt,
            prefill,
            max_tokens: max_tokens(fields)?,
            stop: fields.get("stop").map_or(Ok(Vec::new()), stops)?,
            seed: fields.get("seed").and_then(whole),
            without_chance: fields.get("temperature").and_then(Value::as_f64) == Some(0.0),
            logprobs: match endpoint {
                Endpoint::Chat => flag("logprobs"),
                Endpoint::Completions => fields.contains_key("logprobs"),
            },
            stream,
            include_usage: include_usage(fields.get("stream_options"), stream)?,
            search,
        })
    }
}

fn unknown(name: &str) -> ApiError {
    let message = format!("unknown parameter {}", shown_name(name));
    ApiError::invalid("unknown_parameter", message).of(name.chars().take(64).collect::<String>())
}

fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a Value, ApiError> {
    fields.get(name).ok_or_else(|| ApiError::invalid("missing_parameter", format!("{name} is missing")).of(name))
}

fn text_prompt(value: &Value) -> Result<Prompt, ApiError> {
    let text = match value {
        Value::String(text) => text,
        Value::Array(texts) => match &texts[..] {
            [Value::String(text)] => text,
            _ => return Err(ApiError::expected("prompt", &Shape::Prompt.words(), value)),
        },
        _ => return Err(ApiError::expected("prompt", &Shape::Prompt.words(), value)),
    };
    match text.is_empty() {
        true => Err(ApiError::invalid("empty_prompt", "the prompt has no text").of("prompt")),
        false => Ok(Prompt::Text(text.clone())),
    }
}

/// Both names of one limit; where both stand, they must agree.
fn max_tokens(fields: &Map<String, Value>) -> Result<Option<usize>, ApiError> {
    let limit = |name: &str| fields.get(name).and_then(whole).and_then(|limit| usize::try_from(limit).ok());
    match (limit("max_tokens"), limit("max_completion_tokens")) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("max_tokens is {one} and max_completion_tokens {other}: leave one out");
            Err(ApiError::invalid("invalid_value", message).of("max_tokens"))
        }
        (one, other) => Ok(one.or(other)),
    }
}

fn stops(value: &Value) -> Result<Vec<String>, ApiError> {
    let refused = |message: String| Err(ApiError::invalid("invalid_value", message).of("stop"));
    let texts: Option<Vec<String>> = match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(texts) => texts.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let Some(texts) = texts else { return Err(ApiError::expected("stop", &Shape::Stops.words(), value)) };
    if texts.len() > MOST_STOPS {
        return refused(format!("stop: expected up to {MOST_STOPS} texts, found {}", texts.len()));
    }
    match texts.iter().position(|text| text.is_empty() || text.len() > LONGEST_STOP) {
        Some(place) => refused(format!("stop: text {place} must have between 1 and {LONGEST_STOP} bytes")),
        None => Ok(texts),
    }
}

fn include_usage(options: Option<&Value>, stream: bool) -> Result<bool, ApiError> {
    let Some(Value::Object(options)) = options else { return Ok(false) };
    if !stream {
        let message = "stream_options is for streams: set stream to true";
        return Err(ApiError::invalid("invalid_value", message).of("stream_options"));
    }
    refuse_others(options, "stream_options", &["include_usage", "include_obfuscation"])?;
    let flag = |name: &str| match options.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => Shape::Flag.check(&format!("stream_options.{name}"), value).map(|()| value == true),
    };
    if flag("include_obfuscation")? {
        let message = "stream_options.include_obfuscation is not supported: chunks have no padding";
        return Err(ApiError::invalid("unsupported_value", message).of("stream_options"));
    }
    flag("include_usage")
}
