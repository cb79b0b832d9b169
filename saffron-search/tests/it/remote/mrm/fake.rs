//! A multifurcation reward model of pseudo-random rows and hidden states, at hand and behind each
//! route.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use saffron_core::{
    Candidates, ChildReward, HeadLayout, ModelError, MultifurcationRewardModel, PromptLayout, Reply as Answer,
    RewardHead, RewardProbe, ServedHead, Session, Token, Unembedding,
};
use saffron_search::remote::{EngineKind, RewardRoute};
use serde_json::{Value, json};

use crate::remote::fake::{FakeEngine, NAME, VOCAB};
use crate::remote::scripted::{Reply, Seen};

/// Its logit is 0.
pub(super) const REFERENCE: Token = 39;
pub(super) const UNSEEN: [Token; 2] = [5, 9];
const WIDTH: usize = 4;

/// A route of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    VllmLogits,
    VllmPooling,
    VllmReference,
    LlamaCpp,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::VllmLogits, Self::VllmPooling, Self::VllmReference, Self::LlamaCpp];

    pub(super) fn engine(self) -> EngineKind {
        if self == Self::LlamaCpp { EngineKind::LlamaCpp } else { EngineKind::Vllm }
    }

    pub(super) fn route(self) -> RewardRoute {
        match self {
            Self::VllmLogits => RewardRoute::Logits,
            Self::VllmPooling => RewardRoute::Pooling,
            Self::VllmReference | Self::LlamaCpp => RewardRoute::Reference,
        }
    }
}

fn noise(seed: u64) -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    for _ in 0..3 {
        state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// The hidden state of a context.
pub(super) fn hidden(context: &[Token]) -> Vec<f32> {
    let seed = context.iter().fold(7u64, |seed, token| seed.wrapping_mul(1009).wrapping_add(u64::from(*token) + 1));
    (0..WIDTH as u64).map(|place| 2.0 * noise(seed.wrapping_mul(31).wrapping_add(place))).collect()
}

fn row(token: Token) -> Vec<f32> {
    let of = |place| if token == REFERENCE { 0.0 } else { 2.0 * noise(u64::from(token) * 97 + place + 500) };
    (0..WIDTH as u64).map(of).collect()
}

pub(super) fn logit(context: &[Token], token: Token) -> f32 {
    let products = row(token).into_iter().zip(hidden(context));
    products.map(|(weight, value)| f64::from(weight) * f64::from(value)).sum::<f64>() as f32
}

/// The head of its export.
pub(super) fn head() -> ServedHead {
    let mut head = RewardHead::neutral(VOCAB);
    (0..VOCAB).for_each(|token| head.bias[token] = noise(token as u64 + 9000));
    UNSEEN.into_iter().chain([REFERENCE]).for_each(|token| assert!(head.unseen.insert(token)));
    let rows = (0..VOCAB as Token).flat_map(row).collect();
    let mut served = ServedHead::new(head);
    served.unembedding = Unembedding::new(rows, WIDTH);
    served.notes.reference = Some(REFERENCE);
    let ids = PromptLayout { prefix: vec![1], infix: vec![2, 3], suffix: Vec::new() };
    served.notes.layout = Some(HeadLayout { name: String::from("mrm"), ids, words: None, begin: None });
    let probe = |tokens: &[Token]| {
        let ids: Vec<Token> = vec![3, 4, 11, 30];
        let logits = ids.iter().map(|id| logit(tokens, *id)).collect();
        RewardProbe { tokens: tokens.to_vec(), ids, logits }
    };
    served.notes.probes = vec![probe(&[3, 4, 5]), probe(&[8; 20])];
    served
}

/// The same model at hand.
pub(super) struct Local(pub(super) PromptLayout);

impl MultifurcationRewardModel for Local {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Answer<Vec<Vec<ChildReward>>>, ModelError> {
        let head = head().head;
        let one = |(session, list): (&Session, &Candidates)| {
            let context = self.0.render(session.prompt(), session.response(), usize::MAX)?;
            Ok(list.tokens().map(|token| head.reward(token, logit(&context, token))).collect())
        };
        let value = sessions.iter().zip(candidates).map(one).collect::<Result<_, ModelError>>()?;
        Ok(Answer::free(value, sessions.len()))
    }
}

/// A server of the model.
#[derive(Clone)]
pub(super) struct FakeMrm {
    pub(super) way: Way,
    /// The most ids that a request may name.
    pub(super) most: usize,
    /// Added to every logit of every second sequence of a request, as half precision moves them.
    pub(super) moves: f32,
    /// Added to the logits of the token 3.
    pub(super) off: f32,
    /// Its models.
    pub(super) models: Vec<&'static str>,
    pub(super) caches: bool,
}

impl FakeMrm {
    pub(super) fn new(way: Way) -> Self {
        Self { way, most: 128, moves: 0.0, off: 0.0, models: vec![NAME], caches: true }
    }

    pub(super) fn reply(&self, seen: &Seen) -> Reply {
        match (&seen.path[..], self.way) {
            ("/v1/models", _) => {
                let models: Vec<Value> =
                    self.models.iter().map(|name| json!({ "id": name, "max_model_len": 400 })).collect();
                Reply::Json(json!({ "data": models }))
            }
            ("/v1/completions", Way::VllmPooling) | ("/v1/embeddings", Way::VllmLogits | Way::VllmReference) => {
                Reply::Status(404, Vec::new(), String::from("the model does not support this"))
            }
            ("/v1/completions", _) if ids(&seen.body["logprob_token_ids"]).len() > self.most => {
                Reply::Status(400, Vec::new(), String::from("too many logprob_token_ids"))
            }
            ("/v1/completions" | "/v1/embeddings" | "/completion", _) => Reply::Json(self.step(&seen.body)),
            _ => FakeEngine::new(self.way.engine()).reply(seen),
        }
    }

    /// The answer to a request for rewards.
    pub(super) fn step(&self, body: &Value) -> Value {
        let sequences = if self.way == Way::VllmPooling { &body["input"] } else { &body["prompt"] };
        let sequences: Vec<Vec<Token>> = sequences.as_array().unwrap().iter().map(ids).collect();
        let each = sequences.iter().enumerate();
        match self.way {
            Way::VllmPooling => {
                let one = |(place, context): (usize, &Vec<Token>)| {
                    let mut hidden = hidden(context);
                    hidden[0] += self.moved(place);
                    let bytes: Vec<u8> = hidden.iter().flat_map(|value| value.to_le_bytes()).collect();
                    json!({ "index": place, "embedding": STANDARD.encode(bytes) })
                };
                json!({ "model": body["model"], "data": each.map(one).collect::<Vec<_>>() })
            }
            Way::LlamaCpp => {
                let answers: Vec<Value> =
                    each.rev().map(|(place, context)| self.lifted(place, context, body)).collect();
                if answers.len() == 1 { answers[0].clone() } else { json!(answers) }
            }
            Way::VllmLogits | Way::VllmReference => {
                let choices: Vec<Value> = each.map(|(place, context)| self.listed(place, context, body)).collect();
                let cached = if self.caches { sequences.last().map(|context| context.len() - 1) } else { Some(0) };
                let usage = json!({ "prompt_tokens_details": { "cached_tokens": cached } });
                json!({ "model": body["model"], "choices": choices, "usage": usage })
            }
        }
    }

    fn moved(&self, place: usize) -> f32 {
        if place % 2 == 1 { self.moves } else { 0.0 }
    }

    fn logits(&self, place: usize, context: &[Token]) -> Vec<f64> {
        let off = |token| if token == 3 { self.off } else { 0.0 };
        (0..VOCAB as Token)
            .map(|token| {
                let moved = if token == REFERENCE { 0.0 } else { self.moved(place) + off(token) };
                f64::from(logit(context, token) + moved)
            })
            .collect()
    }

    /// vLLM: named ids, or the most probable ones, as logits or as log-probabilities.
    fn listed(&self, place: usize, context: &[Token], body: &Value) -> Value {
        let logits = self.logits(place, context);
        let whole = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        let less = if self.way == Way::VllmLogits { 0.0 } else { whole };
        let named = ids(&body["logprob_token_ids"]);
        let mut ranked: Vec<Token> = (0..VOCAB as Token).collect();
        ranked.sort_by(|one, other| logits[*other as usize].total_cmp(&logits[*one as usize]));
        ranked.truncate(body["logprobs"].as_u64().unwrap() as usize);
        let listed = if named.is_empty() { ranked } else { named };
        let listed: serde_json::Map<String, Value> =
            listed.into_iter().map(|id| (format!("token_id:{id}"), json!(logits[id as usize] - less))).collect();
        json!({ "index": place, "text": "?", "logprobs": { "top_logprobs": [listed] } })
    }

    /// llama.cpp: the most probable tokens after a bias.
    fn lifted(&self, place: usize, context: &[Token], body: &Value) -> Value {
        assert_eq!((&body["samplers"], &body["post_sampling_probs"]), (&json!([]), &json!(true)));
        let mut logits = self.logits(place, context);
        for pair in body["logit_bias"].as_array().unwrap() {
            logits[pair[0].as_u64().unwrap() as usize] += pair[1].as_f64().unwrap();
        }
        let most = logits.iter().copied().fold(f64::MIN, f64::max);
        let whole: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
        let mut probs: Vec<(Token, f64)> =
            (0..).zip(&logits).map(|(id, logit)| (id, (logit - most).exp() / whole)).collect();
        probs.sort_by(|one, other| other.1.total_cmp(&one.1));
        probs.truncate(body["n_probs"].as_u64().unwrap() as usize);
        let listed: Vec<Value> = probs.into_iter().map(|(id, prob)| json!({ "id": id, "prob": prob })).collect();
        let cached = if self.caches { context.len() - 1 } else { 0 };
        json!({
            "index": place,
            "model": NAME,
            "timings": { "cache_n": cached },
            "completion_probabilities": [{ "id": REFERENCE, "prob": 0.9, "top_probs": listed }],
        })
    }
}

fn ids(value: &Value) -> Vec<Token> {
    value.as_array().map(|ids| ids.iter().map(|id| id.as_u64().unwrap() as Token).collect()).unwrap_or_default()
}
