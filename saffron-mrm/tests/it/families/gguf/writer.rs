//! GGUFs of the fixtures, as llama.cpp's converter would write them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use saffron_mrm::checkpoint::safetensors::SafetensorsFile;
use saffron_mrm::{DecoderConfig, NormPlaces, NormWeights, RopeScaling, Rotary};
use serde_json::Value as Json;

use crate::gguf::{Parts, number, quantised, side_by_side, texts};

/// The metadata of a file that is being written, its keys under an architecture.
struct Keys {
    architecture: &'static str,
    metadata: BTreeMap<String, Value>,
}

impl Keys {
    fn own(&mut self, key: &str, value: Value) {
        self.metadata.insert(format!("{}.{key}", self.architecture), value);
    }

    fn real(&mut self, key: &str, value: f64) {
        self.own(key, Value::F32(value as f32));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.own(key, Value::String(value.to_owned()));
    }
}

/// A directory's model.
pub(crate) fn parts(dir: &Path) -> Parts {
    let config = DecoderConfig::from_dir(dir).unwrap();
    let mut keys = Keys { architecture: architecture(&config), metadata: BTreeMap::new() };
    keys.metadata.insert(String::from("general.architecture"), Value::String(keys.architecture.to_owned()));
    sizes(&mut keys, &config);
    positions(&mut keys, &config);
    windows(&mut keys, &config);
    choices(&mut keys, &config);
    tokenizer(&mut keys.metadata, dir, config.vocab_size);
    let permuted = ["llama", "granite", "smollm3"].contains(&keys.architecture);
    let parts = Parts::new(keys.metadata, tensors(dir, &config, permuted));
    divisors(parts, &config)
}

pub(crate) fn architecture(config: &DecoderConfig) -> &'static str {
    match config.choices.family.name() {
        "mistral" => "llama",
        "gemma3_text" => "gemma3",
        other => other,
    }
}

fn sizes(keys: &mut Keys, config: &DecoderConfig) {
    let sizes = [
        ("embedding_length", config.hidden_size),
        ("feed_forward_length", config.intermediate_size),
        ("block_count", config.num_hidden_layers),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.num_key_value_heads),
        ("context_length", config.max_position_embeddings),
        ("vocab_size", config.vocab_size),
    ];
    sizes.into_iter().for_each(|(key, size)| keys.own(key, number(size)));
    // Absent in files of models whose heads share the width of the residual stream.
    if config.head_dim * config.num_attention_heads != config.hidden_size {
        keys.own("attention.key_length", number(config.head_dim));
        keys.own("attention.value_length", number(config.head_dim));
    }
    keys.real("attention.layer_norm_rms_epsilon", config.rms_norm_eps);
}

/// The positions of a layer with a window, or of one without.
fn rotary(config: &DecoderConfig, windowed: bool) -> Option<&Rotary> {
    let layers = (0..config.num_hidden_layers).map(|layer| config.layer(layer));
    layers.filter(|layer| layer.window.is_some() == windowed).find_map(|layer| layer.rotary.as_ref())
}

fn positions(keys: &mut Keys, config: &DecoderConfig) {
    let Some(full) = rotary(config, false).or_else(|| rotary(config, true)) else { return };
    keys.own("rope.dimension_count", number(full.width_of(config.head_dim)));
    keys.real("rope.freq_base", full.theta);
    if let Some(windowed) = rotary(config, true).filter(|_| keys.architecture == "gemma3") {
        keys.real("rope.freq_base_swa", windowed.theta);
    }
    match &full.scaling {
        RopeScaling::Plain | RopeScaling::Llama3 { .. } => {}
        RopeScaling::Linear { factor } => {
            keys.text("rope.scaling.type", "linear");
            keys.real("rope.scaling.factor", *factor);
        }
        RopeScaling::Yarn(yarn) => {
            keys.text("rope.scaling.type", "yarn");
            keys.real("rope.scaling.factor", yarn.factor);
            let original = yarn.original_max_position_embeddings as usize;
            keys.own("rope.scaling.original_context_length", number(original));
            if (yarn.attention_factor - (0.1 * yarn.factor.ln() + 1.0)).abs() > 1e-9 {
                keys.real("rope.scaling.yarn_attn_factor", yarn.attention_factor);
            }
            if (yarn.beta_fast, yarn.beta_slow) != (32.0, 1.0) {
                keys.real("rope.scaling.yarn_beta_fast", yarn.beta_fast);
                keys.real("rope.scaling.yarn_beta_slow", yarn.beta_slow);
            }
        }
        RopeScaling::LongRope(scaling) => {
            let original = scaling.original_max_position_embeddings as usize;
            keys.own("rope.scaling.original_context_length", number(original));
            keys.real("rope.scaling.attn_factor", scaling.attention_factor);
        }
    }
}

fn windows(keys: &mut Keys, config: &DecoderConfig) {
    let sliding: Vec<bool> = (0..config.num_hidden_layers).map(|layer| config.layer(layer).window.is_some()).collect();
    let window = (0..config.num_hidden_layers).find_map(|layer| config.layer(layer).window);
    let pattern = match keys.architecture {
        "gemma2" => Some(2),
        "gemma3" => Some(6),
        "phi3" => {
            keys.own("attention.sliding_window", number(window.unwrap_or(0)));
            return;
        }
        "llama" => None,
        _ => return,
    };
    let Some(window) = window else { return };
    keys.own("attention.sliding_window", number(window));
    let Some(usual) = pattern else { return };
    let is = |period: usize| sliding.iter().enumerate().all(|(layer, slides)| *slides == (layer % period < period - 1));
    if !is(usual) {
        let period = (2..=sliding.len() + 1).find(|period| is(*period));
        keys.own("attention.sliding_window_pattern", number(period.unwrap_or(usual)));
    }
}

fn choices(keys: &mut Keys, config: &DecoderConfig) {
    let choices = &config.choices;
    if let Some(cap) = choices.score_cap {
        keys.real("attn_logit_softcapping", cap);
    }
    if let Some(cap) = choices.logit_cap {
        keys.real("final_logit_softcapping", cap);
    }
    if keys.architecture == "granite" {
        keys.real("attention.scale", config.score_scale());
        keys.real("embedding_scale", choices.scales.embedding);
        keys.real("residual_scale", choices.scales.residual);
        keys.real("logit_scale", choices.scales.logit_divisor);
    }
}

fn tensors(dir: &Path, config: &DecoderConfig, permuted: bool) -> BTreeMap<String, candle_core::quantized::QTensor> {
    let mut file = SafetensorsFile::open(&dir.join("model.safetensors")).unwrap();
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let untied = names.iter().any(|name| name.ends_with("embed_tokens.weight")) && !config.tie_word_embeddings;
    let mut tensors = BTreeMap::new();
    for name in names {
        let Some(own) = own_name(&name, config) else { continue };
        let own = if own == "output.weight" && !untied { String::from("token_embd.weight") } else { own };
        let (shape, mut values) = (file.shape(&name).unwrap().to_vec(), file.read_f32(&name).unwrap());
        let heads = match () {
            () if name.contains(".q_proj.") => Some(config.num_attention_heads),
            () if name.contains(".k_proj.") => Some(config.num_key_value_heads),
            () => None,
        };
        if let Some(heads) = heads.filter(|_| permuted) {
            values = side_by_side(&values, heads, config.head_dim);
        }
        if config.choices.norm_weights == NormWeights::OnePlus && own.ends_with("norm.weight") {
            values.iter_mut().for_each(|value| *value += 1.0);
        }
        tensors.insert(own, quantised(values, &shape, GgmlDType::F32));
    }
    tensors
}

/// The name of a tensor; none where it is of another part than text.
fn own_name(name: &str, config: &DecoderConfig) -> Option<String> {
    if name.contains("vision_tower") || name.contains("multi_modal_projector") {
        return None;
    }
    let name = name.replace("language_model.", "").replace("model.model.", "model.");
    let before = config.choices.norms == NormPlaces::Before;
    let pairs = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.", "blk."),
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.qkv_proj", "attn_qkv"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", if before { "ffn_norm" } else { "post_attention_norm" }),
        ("pre_feedforward_layernorm", "ffn_norm"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
        ("mlp.gate_up_proj", "ffn_up"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    Some(pairs.iter().fold(name, |name, (from, to)| name.replace(from, to)))
}

/// With the divisors of rotary frequencies, where they are stretched one by one.
fn divisors(parts: Parts, config: &DecoderConfig) -> Parts {
    let Some(rotary) = rotary(config, false).or_else(|| rotary(config, true)) else { return parts };
    let narrow = |factors: &[f64]| factors.iter().map(|factor| *factor as f32).collect::<Vec<f32>>();
    match &rotary.scaling {
        RopeScaling::Llama3 { .. } => {
            let plain = Rotary { width: rotary.width, ..Rotary::plain(rotary.theta) }.frequencies(config.head_dim);
            let used = rotary.frequencies(config.head_dim);
            let values: Vec<f64> = plain.iter().zip(&used).map(|(plain, used)| plain / used).collect();
            parts.with_tensor("rope_freqs.weight", narrow(&values), &[values.len()])
        }
        RopeScaling::LongRope(scaling) => {
            let shape = [scaling.short_factor.len()];
            let parts = parts.with_tensor("rope_factors_short.weight", narrow(&scaling.short_factor), &shape);
            parts.with_tensor("rope_factors_long.weight", narrow(&scaling.long_factor), &shape)
        }
        _ => parts,
    }
}

/// The fixtures' tokenizer, with a token for every row of the embedding.
fn tokenizer(metadata: &mut BTreeMap<String, Value>, dir: &Path, rows: usize) {
    let json: Json = serde_json::from_slice(&fs::read(dir.join("tokenizer.json")).unwrap()).unwrap();
    let mut tokens: Vec<String> = (0..rows).map(|id| format!("[PAD{id}]")).collect();
    let mut kinds = vec![5; rows];
    for (token, id) in json["model"]["vocab"].as_object().unwrap() {
        let id = id.as_u64().unwrap() as usize;
        (tokens[id], kinds[id]) = (token.clone(), 1);
    }
    for token in json["added_tokens"].as_array().unwrap() {
        kinds[token["id"].as_u64().unwrap() as usize] = 3;
    }
    let merges = json["model"]["merges"].as_array().unwrap().iter();
    let merges: Vec<String> =
        merges.map(|pair| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect();
    let text = |text: &str| Value::String(text.to_owned());
    let fields = [
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        ("tokenizer.ggml.tokens", texts(tokens.iter().map(String::as_str))),
        ("tokenizer.ggml.token_type", Value::Array(kinds.into_iter().map(Value::I32).collect())),
        ("tokenizer.ggml.merges", texts(merges.iter().map(String::as_str))),
        ("tokenizer.ggml.bos_token_id", number(0)),
        ("tokenizer.ggml.eos_token_id", number(1)),
        ("tokenizer.chat_template", text("{{ bos_token }}{{ messages[0].content }}")),
    ];
    metadata.extend(fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
}
