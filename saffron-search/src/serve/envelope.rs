//! Answers and chunks of streams, in OpenAI's shape.

use serde_json::{Value, json};

use super::answer::{Answer, FinishReason, Piece};
use super::parameter::Endpoint;
use super::request::CompletionRequest;

/// What stands around the answer to one request.
#[derive(Clone, Debug)]
pub struct Envelope {
    endpoint: Endpoint,
    id: String,
    created: u64,
    model: String,
    logprobs: bool,
    include_usage: bool,
    flops_known: bool,
}

impl Envelope {
    /// The envelope of a request, with an id and the time in seconds since 1970.
    #[must_use]
    pub fn new(request: &CompletionRequest, id: impl Into<String>, created: u64) -> Self {
        let CompletionRequest { endpoint, ref model, logprobs, include_usage, .. } = *request;
        Self { endpoint, id: id.into(), created, model: model.clone(), logprobs, include_usage, flops_known: true }
    }

    /// The same where it is known whether FLOPs are counted; where they are not, none are told.
    #[must_use]
    pub fn flops_known(mut self, known: bool) -> Self {
        self.flops_known = known;
        self
    }

    /// A whole answer to a prompt of so many tokens.
    #[must_use]
    pub fn whole(&self, answer: &Answer, prompt_tokens: usize) -> Value {
        let logprobs = self.logprobs(&answer.pieces, answer.replacement.is_none());
        let finish = answer.finish.name();
        let choice = match self.endpoint {
            Endpoint::Chat => json!({
                "index": 0,
                "message": { "role": "assistant", "content": answer.text(), "refusal": null },
                "logprobs": logprobs,
                "finish_reason": finish,
            }),
            Endpoint::Completions => {
                json!({ "index": 0, "text": answer.text(), "logprobs": logprobs, "finish_reason": finish })
            }
        };
        let mut body = self.body(false, json!([choice]));
        body["usage"] = usage(answer, prompt_tokens);
        body["saffron"] = self.report(answer);
        body
    }

    /// The first chunk of a stream, which says who speaks; none where nobody does.
    #[must_use]
    pub fn opening(&self) -> Option<Value> {
        let opening = json!({ "role": "assistant", "content": "" });
        (self.endpoint == Endpoint::Chat).then(|| self.chunk(&opening, Value::Null, None))
    }

    /// A chunk with more of the text.
    #[must_use]
    pub fn text(&self, pieces: &[Piece]) -> Value {
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        self.content(&text, self.logprobs(pieces, true))
    }

    /// The chunks that end a stream: what was not sent yet, the reason with the search's report, and
    /// the usage if it was asked for.
    #[must_use]
    pub fn closing(&self, answer: &Answer, prompt_tokens: usize) -> Vec<Value> {
        let mut chunks = Vec::new();
        match &answer.replacement {
            Some((text, _)) => chunks.push(self.content(text, Value::Null)),
            None if answer.rest().is_empty() => {}
            None => chunks.push(self.text(answer.rest())),
        }
        let mut last = match self.endpoint {
            Endpoint::Chat => self.chunk(&json!({}), Value::Null, Some(answer.finish)),
            Endpoint::Completions => self.chunk(&Value::from(""), Value::Null, Some(answer.finish)),
        };
        last["saffron"] = self.report(answer);
        chunks.push(last);
        if self.include_usage {
            let mut body = self.body(true, json!([]));
            body["usage"] = usage(answer, prompt_tokens);
            chunks.push(body);
        }
        chunks
    }

    fn content(&self, text: &str, logprobs: Value) -> Value {
        match self.endpoint {
            Endpoint::Chat => self.chunk(&json!({ "content": text }), logprobs, None),
            Endpoint::Completions => self.chunk(&Value::from(text), logprobs, None),
        }
    }

    fn chunk(&self, content: &Value, logprobs: Value, finish: Option<FinishReason>) -> Value {
        let finish = finish.map(FinishReason::name);
        let key = if self.endpoint == Endpoint::Chat { "delta" } else { "text" };
        let choice = json!({ "index": 0, key: content, "logprobs": logprobs, "finish_reason": finish });
        let mut body = self.body(true, json!([choice]));
        if self.include_usage {
            body["usage"] = Value::Null;
        }
        body
    }

    fn body(&self, chunk: bool, choices: Value) -> Value {
        let object = match (self.endpoint, chunk) {
            (Endpoint::Chat, true) => "chat.completion.chunk",
            (Endpoint::Chat, false) => "chat.completion",
            (Endpoint::Completions, _) => "text_completion",
        };
        let Self { id, created, model, .. } = self;
        json!({ "id": id, "object": object, "created": created, "model": model, "choices": choices })
    }

    fn logprobs(&self, pieces: &[Piece], told: bool) -> Value {
        if !self.logprobs || !told {
            return Value::Null;
        }
        match self.endpoint {
            Endpoint::Chat => {
                let content = pieces.iter().map(|Piece { text, logprob, .. }| {
                    json!({ "token": text, "logprob": logprob, "bytes": text.as_bytes(), "top_logprobs": [] })
                });
                json!({ "content": content.collect::<Vec<_>>(), "refusal": null })
            }
            Endpoint::Completions => {
                let tokens: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
                let logprobs: Vec<Option<f32>> = pieces.iter().map(|piece| piece.logprob).collect();
                json!({ "tokens": tokens, "token_logprobs": logprobs, "top_logprobs": null, "text_offset": null })
            }
        }
    }

    /// What the search did.
    fn report(&self, answer: &Answer) -> Value {
        let outcome = &answer.outcome;
        let usage = &outcome.usage;
        let flops = |flops: u64| self.flops_known.then_some(flops);
        let reward = outcome.verdict.reward.or(outcome.best.reward).filter(|reward| reward.is_finite());
        json!({
            "verdict": answer.judged.then_some(outcome.verdict.safety),
            "reward": reward,
            "intervened": answer.intervened,
            "stop": outcome.stop.to_string(),
            "strategy": outcome.strategy,
            "compute": {
                "policy_calls": usage.policy.calls,
                "policy_tokens": usage.policy.attributed.tokens,
                "reward_calls": usage.reward.calls,
                "reward_tokens": usage.reward.attributed.tokens,
                "flops": flops(usage.attributed_flops()),
                "computed_flops": flops(usage.computed_flops()),
            },
        })
    }
}

fn usage(answer: &Answer, prompt_tokens: usize) -> Value {
    let completion_tokens = answer.tokens();
    json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    })
}
