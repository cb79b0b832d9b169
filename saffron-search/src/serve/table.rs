//! Every parameter that OpenAI's clients send, and what becomes of it.

use super::parameter::Endpoint::{Chat, Completions};
use super::parameter::Treatment::{Honoured, Ignored, Neutral, Refused};
use super::parameter::{Endpoint, Parameter, Treatment};
use super::shape::Shape;

const CHAT: &[Endpoint] = &[Chat];
const TEXT: &[Endpoint] = &[Completions];
const BOTH: &[Endpoint] = &[Chat, Completions];

/// The most tokens that a request may name; what the server offers is less.
const MOST_TOKENS: u64 = 1 << 20;

const fn row(
    name: &'static str,
    endpoints: &'static [Endpoint],
    treatment: Treatment,
    about: &'static str,
) -> Parameter {
    Parameter { name, endpoints, treatment, about }
}

const SAMPLER: &str = "the search chooses among the server's own candidates";
const TOOLS: &str = "answers are text";
const BOOKS: &str = "nothing is kept beyond the answer";

/// The table of parameters. What is not in it is refused by name.
#[rustfmt::skip]
pub const PARAMETERS: &[Parameter] = &[
    row("model", BOTH, Honoured(Shape::Text), "must be the served model's name"),
    row("messages", CHAT, Honoured(Shape::Messages), "the conversation; a trailing assistant message is the beginning of the reply"),
    row("prompt", TEXT, Honoured(Shape::Prompt), "the text to continue"),
    row("stream", BOTH, Honoured(Shape::Flag), "sends what can no longer change as server-sent events"),
    row("stream_options", BOTH, Honoured(Shape::StreamOptions), "include_usage: a last chunk with the usage"),
    row("max_tokens", BOTH, Honoured(Shape::Whole { least: 1, most: MOST_TOKENS }), "longest answer, within the server's limit, which is the default"),
    row("max_completion_tokens", CHAT, Honoured(Shape::Whole { least: 1, most: MOST_TOKENS }), "the same under its newer name"),
    row("stop", BOTH, Honoured(Shape::Stops), "the answer ends before the first of these texts"),
    row("seed", BOTH, Honoured(Shape::Whole { least: 0, most: u64::MAX }), "seed of the search's random numbers; the server's by default"),
    row("logprobs", CHAT, Honoured(Shape::Flag), "the policy's log-probabilities of the delivered tokens, at the server's temperature"),
    row("logprobs", TEXT, Honoured(Shape::Whole { least: 0, most: 0 }), "0: the policy's log-probabilities of the delivered tokens, at the server's temperature"),
    row("saffron", BOTH, Honoured(Shape::Search), "changes the search within the server's limits"),
    row("temperature", BOTH, Neutral(&["1", "0"]), "1 leaves the server's setting; 0 is accepted where the search draws no random numbers"),
    row("top_p", BOTH, Neutral(&["1"]), SAMPLER),
    row("n", BOTH, Neutral(&["1"]), "a search gives one answer"),
    row("best_of", TEXT, Neutral(&["1"]), "a search gives one answer"),
    row("presence_penalty", BOTH, Neutral(&["0"]), SAMPLER),
    row("frequency_penalty", BOTH, Neutral(&["0"]), SAMPLER),
    row("logit_bias", BOTH, Neutral(&["{}"]), SAMPLER),
    row("top_logprobs", CHAT, Neutral(&["0"]), "tokens that were not taken are not told"),
    row("echo", TEXT, Neutral(&["false"]), "the answer is the continuation alone"),
    row("suffix", TEXT, Neutral(&["\"\""]), "nothing can be put before a text that is given"),
    row("response_format", CHAT, Neutral(&["{\"type\":\"text\"}"]), TOOLS),
    row("modalities", CHAT, Neutral(&["[\"text\"]"]), TOOLS),
    row("tool_choice", CHAT, Neutral(&["\"none\"", "\"auto\""]), TOOLS),
    row("function_call", CHAT, Neutral(&["\"none\"", "\"auto\""]), TOOLS),
    row("service_tier", BOTH, Neutral(&["\"auto\"", "\"default\""]), "there is one tier"),
    row("verbosity", CHAT, Neutral(&["\"medium\""]), "the policy is not told how long to write"),
    row("store", CHAT, Neutral(&["false"]), BOOKS),
    row("parallel_tool_calls", CHAT, Ignored(Shape::Flag), TOOLS),
    row("user", BOTH, Ignored(Shape::Text), BOOKS),
    row("safety_identifier", CHAT, Ignored(Shape::Text), BOOKS),
    row("prompt_cache_key", CHAT, Ignored(Shape::Text), "equal beginnings share the cache without it"),
    row("prompt_cache_retention", CHAT, Ignored(Shape::Text), "equal beginnings share the cache without it"),
    row("metadata", CHAT, Ignored(Shape::Object), BOOKS),
    row("tools", CHAT, Refused, TOOLS),
    row("functions", CHAT, Refused, TOOLS),
    row("audio", CHAT, Refused, TOOLS),
    row("prediction", CHAT, Refused, "a search writes token by token"),
    row("reasoning_effort", CHAT, Refused, "the policy is not told how long to think; --template-option sets what its template has"),
    row("web_search_options", CHAT, Refused, "the policy sees nothing but the conversation"),
];
