//! A server that speaks as llama.cpp's does, of a model of pseudo-random distributions.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::web::{Asked, Web};

/// Token ids: as many as the fixture `tiny-b` has.
const VOCAB: u64 = 190;
/// The key that the server wants.
pub(crate) const KEY: &str = "hunter2-hunter2";

/// What it says while it loads its model.
pub(super) const LOADING: &[u8] = br#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;

/// The server.
pub(crate) struct LlamaCpp {
    web: Web,
    build: Arc<Mutex<&'static str>>,
    steps: Arc<Mutex<usize>>,
}

impl LlamaCpp {
    pub(crate) fn serve() -> Self {
        Self::serve_after(|| true)
    }

    /// Serves once its model is loaded; it is asked at every request whether it is.
    pub(super) fn serve_after(loaded: impl Fn() -> bool + Send + 'static) -> Self {
        let (build, steps) = (Arc::new(Mutex::new("b1-one")), Arc::new(Mutex::new(0)));
        let (now, count) = (build.clone(), steps.clone());
        let web = Web::serve(move |asked| {
            if asked.authorization.as_deref() != Some(&format!("Bearer {KEY}")[..]) {
                return (401, b"no key".to_vec());
            }
            if !loaded() {
                return (503, LOADING.to_vec());
            }
            *count.lock().unwrap() += usize::from(asked.path == "/completion");
            match reply(asked, *now.lock().unwrap()) {
                Some(body) => (200, body.to_string().into_bytes()),
                None => (404, Vec::new()),
            }
        });
        Self { web, build, steps }
    }

    /// What programs call it.
    pub(crate) fn name(&self) -> String {
        format!("llamacpp:{}", self.web.url())
    }

    /// Another build answers from now on.
    pub(super) fn rebuild(&self, build: &'static str) {
        *self.build.lock().unwrap() = build;
    }

    /// Requests for steps so far.
    pub(crate) fn steps(&self) -> usize {
        *self.steps.lock().unwrap()
    }
}

fn reply(asked: &Asked, build: &str) -> Option<Value> {
    let body = &asked.body;
    Some(match &asked.path[..] {
        "/v1/models" => json!({ "data": [{ "id": "tiny.gguf", "meta": { "n_vocab": VOCAB, "n_ctx": 2048 } }] }),
        "/props" => json!({ "eos_token": "<|eos|>", "build_info": build }),
        "/tokenize" => json!({ "tokens": tokens(body["content"].as_str()?) }),
        "/detokenize" => json!({ "content": words(&body["tokens"]) }),
        "/apply-template" => {
            json!({ "prompt": body["messages"].as_array()?.iter().map(turn).collect::<Option<String>>()? })
        }
        "/completion" => {
            let top = body["n_probs"].as_u64()?.min(VOCAB) as usize;
            let sequences = body["prompt"].as_array()?;
            json!(sequences.iter().enumerate().map(|(place, ids)| step(place, ids, top)).collect::<Vec<_>>())
        }
        _ => return None,
    })
}

/// A turn in the chat template.
fn turn(message: &Value) -> Option<String> {
    let text = message["content"].as_str()?;
    Some(match message["role"].as_str()? {
        "system" => format!("S {text} "),
        "user" => format!("Q {text} A"),
        _ => format!("{text} "),
    })
}

/// A token a byte; the end of a sequence is one token.
fn tokens(text: &str) -> Vec<u64> {
    let token = |byte: u8| 4 + u64::from(byte) % (VOCAB - 4);
    let parts = text.split("<|eos|>").map(|part| part.bytes().map(token).collect::<Vec<_>>());
    parts.collect::<Vec<_>>().join(&1)
}

fn words(tokens: &Value) -> String {
    let letter = |id: &Value| char::from(b'a' + (id.as_u64().unwrap_or(0) % 26) as u8);
    tokens.as_array().map(|ids| ids.iter().map(letter).collect()).unwrap_or_default()
}

fn step(place: usize, ids: &Value, top: usize) -> Value {
    let mixed = |state: u64| (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(27);
    let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_u64);
    let state = ids.fold(0x9e37_79b9_7f4a_7c15_u64, |state, id| mixed(state ^ id));
    let logits: Vec<f64> = (0..VOCAB)
        .map(|id| 8.0 * (mixed(mixed(state.wrapping_add(id))) >> 40) as f64 / f64::from(1u32 << 24))
        .collect();
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    let mut listed: Vec<(u64, f64)> = (0..VOCAB).zip(logits.iter().map(|logit| logit - sum.ln())).collect();
    listed.sort_by(|one, other| other.1.total_cmp(&one.1));
    let listed: Vec<Value> = listed
        .into_iter()
        .take(top)
        .map(|(id, logprob)| json!({ "id": id, "token": "?", "logprob": logprob }))
        .collect();
    json!({
        "index": place,
        "model": "tiny.gguf",
        "timings": { "cache_n": 0 },
        "completion_probabilities": [{ "id": 1, "logprob": -3.0, "top_logprobs": listed }],
    })
}
