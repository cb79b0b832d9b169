//! The decoder's sizes from metadata.

use super::Shapes;
use super::metadata::Metadata;
use super::names::FREQUENCIES;
use super::rope::refuse_scaled;
use crate::config::{Biases, Choices, DecoderConfig, Layer, Layers, RopeScaling, Rotary};
use crate::error::LoadError;

/// How far stored divisors of the rotary frequencies may lie from those of the rule that they follow, relatively.
const ROUNDING: f64 = 1e-4;

/// The sizes, checked. `frequencies` are the divisors of the rotary frequencies, where the file has some.
pub(super) fn config(
    metadata: &Metadata<'_>,
    shapes: &Shapes,
    frequencies: Option<&[f32]>,
) -> Result<DecoderConfig, LoadError> {
    refuse_others(metadata)?;
    let count = |key: &str| metadata.need(key, metadata.count(key));
    let (hidden, heads) = (count("llama.embedding_length")?, count("llama.attention.head_count")?);
    let kv_heads = metadata.count("llama.attention.head_count_kv")?.unwrap_or(heads);
    let head_dim = metadata.count("llama.attention.key_length")?.unwrap_or(hidden / heads.max(1));
    same(metadata, "llama.attention.value_length", head_dim)?;
    same(metadata, "llama.rope.dimension_count", head_dim)?;
    let eps = "llama.attention.layer_norm_rms_epsilon";
    let embedding = shapes.get("token_embd.weight").unwrap_or_default();
    let vocab_size = embedding.first().copied().unwrap_or_default();
    let has = |tensor: &str| shapes.get(tensor).is_some();
    let theta = metadata.real("llama.rope.freq_base")?.unwrap_or(10_000.0);
    let mut config = DecoderConfig {
        hidden_size: hidden,
        intermediate_size: count("llama.feed_forward_length")?,
        num_hidden_layers: count("llama.block_count")?,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim,
        vocab_size,
        max_position_embeddings: count("llama.context_length")?,
        rms_norm_eps: metadata.need(eps, metadata.real(eps))?,
        tie_word_embeddings: !has("output.weight"),
        eos_token_ids: ends(metadata)?,
        choices: Choices { biases: biases(has), ..Choices::llama(theta) },
    };
    config.check(metadata.path())?;
    if let Some(divisors) = frequencies {
        let scaling = scaling(metadata, theta, head_dim, divisors)?;
        let rotary = Some(Rotary { scaling, ..Rotary::plain(theta) });
        config.choices.layers = Layers::Alike(Layer { rotary, window: None });
    }
    Ok(config)
}

/// Which linear layers have biases, by whether the file has a tensor.
fn biases(has: impl Fn(&str) -> bool) -> Biases {
    Biases { qkv: has("blk.0.attn_q.bias"), output: has("blk.0.attn_output.bias"), mlp: has("blk.0.ffn_gate.bias") }
}

/// Refuses models that are not of the family, or are stretched in a way that is not known here.
pub(super) fn refuse_others(metadata: &Metadata<'_>) -> Result<(), LoadError> {
    let key = "general.architecture";
    let found = metadata.need(key, metadata.text(key))?;
    if found != "llama" {
        return Err(metadata.refuse(key, "llama", found));
    }
    for key in ["llama.expert_count", "llama.attention.sliding_window"] {
        if let Some(found) = metadata.count(key)?.filter(|count| *count > 0) {
            return Err(metadata.refuse(key, "0 or nothing", found));
        }
    }
    refuse_scaled(metadata)
}

fn same(metadata: &Metadata<'_>, key: &str, expected: usize) -> Result<(), LoadError> {
    match metadata.count(key)?.filter(|found| *found != expected) {
        Some(found) => Err(metadata.refuse(key, format!("the width of a head, {expected}"), found)),
        None => Ok(()),
    }
}

/// Tokens that end a reply by their names, whatever else a file names: some files name the end of the sequence alone.
const ENDS: [&str; 3] = ["<|eot_id|>", "<|eom_id|>", "<|im_end|>"];

/// The tokens that end a reply: the end of the sequence, of a turn, of a message.
fn ends(metadata: &Metadata<'_>) -> Result<Vec<u32>, LoadError> {
    let mut ends = Vec::new();
    for name in ["eos", "eot", "eom"] {
        if let Some((token, _)) = metadata.token(name)?.filter(|(token, _)| !ends.contains(token)) {
            ends.push(token);
        }
    }
    let tokens = metadata.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
    for (id, _) in tokens.iter().enumerate().filter(|(_, token)| ENDS.contains(token)) {
        let token = id as u32;
        if !ends.contains(&token) {
            ends.push(token);
        }
    }
    Ok(ends)
}

/// Llama 3's stretching, which the file holds as the divisors that come of it. All models that have been released with one share the bounds of the
/// blended waves; the factor is the largest divisor, and the context before stretching follows from a divisor that is blended.
fn scaling(metadata: &Metadata<'_>, theta: f64, head_dim: usize, divisors: &[f32]) -> Result<RopeScaling, LoadError> {
    let (low, high) = (1.0, 4.0);
    let factor = f64::from(divisors.iter().copied().fold(1.0, f32::max));
    if divisors.len() != head_dim / 2 {
        return Err(metadata.refuse(FREQUENCIES, format!("{} values", head_dim / 2), divisors.len()));
    }
    let frequency = |place: usize| theta.powf(-2.0 * place as f64 / head_dim as f64);
    let blend = |divisor: f32| (1.0 / f64::from(divisor) - 1.0 / factor) / (1.0 - 1.0 / factor);
    let blends = divisors.iter().map(|divisor| blend(*divisor)).enumerate();
    let halfway = blends
        .filter(|(_, blend)| *blend > 0.0 && *blend < 1.0)
        .min_by(|(_, one), (_, other)| (one - 0.5).abs().total_cmp(&(other - 0.5).abs()));
    let original = halfway.map_or(8192.0, |(place, blend)| {
        let waves = low + blend * (high - low);
        (waves * 2.0 * std::f64::consts::PI / frequency(place)).round()
    });
    let scaling = RopeScaling::Llama3 {
        factor,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
    };
    for (place, found) in divisors.iter().enumerate() {
        let (plain, found) = (frequency(place), f64::from(*found));
        let expected = plain / scaling.stretch(plain);
        let near = (found - expected).abs() <= ROUNDING * expected;
        if !near {
            let expected = format!("{expected} at {place}, as of Llama 3's scaling by {factor} from {original}");
            return Err(metadata.refuse(FREQUENCIES, expected, found));
        }
    }
    Ok(scaling)
}
