//! A model of pseudo-random distributions, at hand and behind each engine's way of saying things.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, ModelError, PlainVocabulary, Policy, PromptLayout, Reply as Answer, Session, Token,
    Vocabulary,
};
use saffron_search::remote::EngineKind;
use serde_json::{Value, json};

use super::scripted::{Reply, Seen};

pub(super) const VOCAB: usize = 40;
pub(super) const END: Token = 0;
pub(super) const NAME: &str = "fake-40";

/// Logits of a context: a function of its tokens.
pub(super) fn logits(context: &[Token]) -> Vec<f32> {
    let mut state = context.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, token| mixed(state ^ u64::from(*token)));
    let mut next = || {
        state = mixed(state);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..VOCAB).map(|_| 8.0 * next()).collect()
}

fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state ^ (state >> 27)
}

/// Tokens and log-probabilities, most probable first.
pub(super) fn ranked(context: &[Token]) -> Vec<(Token, f64)> {
    let everything = CandidateFilter::default().apply(&logits(context), &[], 0).unwrap();
    everything.ranked.iter().map(|candidate| (candidate.token, f64::from(candidate.logprob))).collect()
}

/// The same model at hand.
pub(super) struct Local(pub(super) PromptLayout);

impl Policy for Local {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(VOCAB)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![END]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Answer<Vec<Candidates>>, ModelError> {
        let one = |session: &Session| {
            let answer = [session.prefill(), session.response()].concat();
            let context = self.0.render(session.prompt(), &answer, usize::MAX)?;
            filter.apply(&logits(&context), session.response(), 0)
        };
        Ok(Answer::free(sessions.iter().map(one).collect::<Result<_, _>>()?, sessions.len()))
    }
}

/// A server of the model.
#[derive(Clone)]
pub(super) struct FakeEngine {
    pub(super) kind: EngineKind,
    /// The most log-probabilities that it gives.
    pub(super) most: usize,
    /// Whether it says what its cache saved.
    pub(super) tells_cached: bool,
}

impl FakeEngine {
    pub(super) fn new(kind: EngineKind) -> Self {
        Self { kind, most: usize::MAX, tells_cached: true }
    }

    pub(super) fn reply(&self, seen: &Seen) -> Reply {
        match &seen.path[..] {
            "/v1/models" => Reply::Json(json!({ "data": [{ "id": NAME, "max_model_len": 64 }] })),
            "/completion" | "/v1/completions" | "/generate" => Reply::Json(self.step(&seen.body)),
            "/tokenize" => {
                let begin = if seen.body["add_special"] == json!(true) { "b" } else { "" };
                Reply::Json(json!({ "tokens": tokens(&format!("{begin}{}", text_of(&seen.body))) }))
            }
            "/detokenize" => {
                let text: String = ids(&seen.body["tokens"]).iter().map(|id| word(*id)).collect();
                Reply::Json(json!({ "content": text, "prompt": text, "text": text }))
            }
            // As llama.cpp does: without the token that begins a sequence, which the tokeniser then adds.
            "/apply-template" => {
                let turn = |message: &Value| {
                    let end = if message["role"] == json!("user") { "cd" } else { "" };
                    format!("{}{end}", message["content"].as_str().unwrap())
                };
                let turns = seen.body["messages"].as_array().unwrap().iter().map(turn);
                Reply::Json(json!({ "prompt": turns.collect::<String>() }))
            }
            "/props" => Reply::Json(json!({ "eos_token": "a", "build_info": "b1-one" })),
            "/version" => Reply::Json(json!({ "version": "0.1" })),
            _ => Reply::Status(404, Vec::new(), String::from("no such page")),
        }
    }

    /// The answer to a step.
    pub(super) fn step(&self, body: &Value) -> Value {
        let sequences = match self.kind {
            EngineKind::Sglang => &body["input_ids"],
            _ => &body["prompt"],
        };
        let sequences: Vec<Vec<Token>> = sequences.as_array().unwrap().iter().map(ids).collect();
        let count = |value: &Value| (value.as_u64().unwrap() as usize).min(self.most);
        match self.kind {
            EngineKind::LlamaCpp => {
                assert_eq!(body["logit_bias"][0][0], json!(0), "what is generated is a whole letter");
                let top = count(&body["n_probs"]);
                // The last first, so that only its place says whose it is.
                let one = |(place, context): (usize, &Vec<Token>)| self.llama_cpp(place, context, top);
                let answers: Vec<Value> = sequences.iter().enumerate().rev().map(one).collect();
                if answers.len() == 1 { answers[0].clone() } else { json!(answers) }
            }
            EngineKind::Vllm => self.vllm(&sequences, count(&body["logprobs"]), &ids(&body["logprob_token_ids"])),
            EngineKind::Sglang => {
                let (top, wanted) = (count(&body["top_logprobs_num"]), ids(&body["token_ids_logprob"]));
                json!(sequences.iter().map(|context| self.sglang(context, top, &wanted)).collect::<Vec<_>>())
            }
        }
    }

    fn llama_cpp(&self, place: usize, context: &[Token], top: usize) -> Value {
        let listed = ranked(context).into_iter().take(top);
        let listed: Vec<Value> =
            listed.map(|(id, logprob)| json!({ "id": id, "token": "?", "logprob": logprob })).collect();
        let cached = if self.tells_cached { json!(context.len() - 1) } else { Value::Null };
        json!({
            "index": place,
            "model": NAME,
            "timings": { "cache_n": cached },
            "completion_probabilities": [{ "id": 1, "logprob": -3.0, "top_logprobs": listed }],
        })
    }

    fn vllm(&self, sequences: &[Vec<Token>], top: usize, wanted: &[Token]) -> Value {
        let choice = |(place, context): (usize, &Vec<Token>)| {
            let all = ranked(context);
            // Where ids are named, these and the generated one are all that is listed.
            let is_listed =
                |rank: usize, id| if wanted.is_empty() { rank < top } else { rank == 0 || wanted.contains(id) };
            let listed = all.iter().enumerate().filter(|(rank, (id, _))| is_listed(*rank, id));
            let listed: serde_json::Map<String, Value> =
                listed.map(|(_, (id, logprob))| (format!("token_id:{id}"), json!(logprob))).collect();
            json!({ "index": place, "text": "?", "logprobs": { "top_logprobs": [listed] } })
        };
        let choices: Vec<Value> = sequences.iter().enumerate().map(choice).collect();
        let cached = sequences.last().map(|context| context.len() - 1);
        let details = if self.tells_cached { json!({ "cached_tokens": cached }) } else { Value::Null };
        json!({ "model": NAME, "choices": choices, "usage": { "prompt_tokens": 1, "prompt_tokens_details": details } })
    }

    fn sglang(&self, context: &[Token], top: usize, wanted: &[Token]) -> Value {
        let all = ranked(context);
        let triple = |(id, logprob): &(Token, f64)| json!([logprob, id, null]);
        let listed: Vec<Value> = all.iter().take(top).map(triple).collect();
        let asked: Vec<Value> = all.iter().filter(|(id, _)| wanted.contains(id)).map(triple).collect();
        let cached = if self.tells_cached { json!(context.len() - 1) } else { Value::Null };
        json!({ "text": "?", "meta_info": {
            "prompt_tokens": context.len(),
            "cached_tokens": cached,
            "weight_version": "default",
            "output_top_logprobs": [listed],
            "output_token_ids_logprobs": [asked],
        } })
    }
}

fn ids(value: &Value) -> Vec<Token> {
    value.as_array().map(|ids| ids.iter().map(|id| id.as_u64().unwrap() as Token).collect()).unwrap_or_default()
}

/// What is to be tokenised, a conversation rendered.
fn text_of(body: &Value) -> String {
    match &body["messages"] {
        Value::Null => body["content"].as_str().or(body["prompt"].as_str()).unwrap().to_owned(),
        messages => {
            let said = |place: usize| messages[place]["content"].as_str().unwrap_or_default();
            format!("b{}cd{}", said(0), said(1))
        }
    }
}

/// One token a letter or digit: `a` is 0, `0` is 26. `<x>` is one special token, 36; its parts are ordinary ones.
fn tokens(text: &str) -> Vec<Token> {
    let token = |byte: u8| match byte {
        b'0'..=b'9' => Token::from(byte - b'0') + 26,
        b'<' => 37,
        b'>' => 38,
        byte => Token::from(byte - b'a'),
    };
    let parts = text.split("<x>").map(|part| part.bytes().map(token).collect::<Vec<_>>());
    parts.collect::<Vec<_>>().join(&36)
}

fn word(token: Token) -> char {
    char::from(if token < 26 { b'a' + token as u8 } else { b'0' + (token - 26) as u8 })
}
