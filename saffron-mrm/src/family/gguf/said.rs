//! Whether a file says what a decoder is, and what llama.cpp makes of it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value, VersionedMagic};

use super::Tensors;
use super::layers::WINDOW;
use super::read::Architecture;
use crate::config::{DecoderConfig, LongRope, Metadata, RopeScaling, Rotary};
use crate::error::LoadError;

/// How far numbers that pass through 32 bits may lie apart, relatively.
const ROUNDING: f64 = 1e-6;

impl Architecture {
    /// Refuses metadata and tensors that do not come to this decoder when they are read again.
    ///
    /// # Errors
    ///
    /// What the file cannot say, by name, with what it comes to.
    pub(crate) fn check_said(
        self,
        config: &DecoderConfig,
        fields: &BTreeMap<String, Value>,
        tensors: &Tensors,
        path: &Path,
    ) -> Result<(), LoadError> {
        let metadata: HashMap<String, Value> = fields
            .iter()
            .filter(|(key, _)| !key.starts_with("tokenizer."))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let content =
            Content { magic: VersionedMagic::GgufV3, metadata, tensor_infos: HashMap::new(), tensor_data_offset: 0 };
        let found = self.config(&Metadata::new(path, &content), tensors)?;
        match difference(&found, config) {
            None => Ok(()),
            Some((what, found, expected)) => {
                let format = format!("what a GGUF of {} can say, {found}", self.0.architecture);
                Err(LoadError::field(path, what, format, expected))
            }
        }
    }

    /// What llama.cpp computes otherwise than a file of this decoder says, as far as runs have
    /// shown it.
    pub(crate) fn computed_otherwise(self, config: &DecoderConfig) -> Vec<Otherwise> {
        let mut found = Vec::new();
        let layers = || (0..config.num_hidden_layers).map(|layer| config.layer(layer));
        if let Some(window) = layers().find_map(|layer| layer.window)
            && ["llama", "phi3"].contains(&self.0.architecture)
        {
            found.push(Otherwise::Window(window));
        }
        let yarn = layers().find_map(|layer| match &layer.rotary.as_ref()?.scaling {
            RopeScaling::Yarn(yarn) => Some(*yarn),
            _ => None,
        });
        if yarn.is_some_and(|yarn| !yarn.has_usual_betas() || !yarn.has_natural_attention()) {
            found.push(Otherwise::Yarn);
        }
        found
    }
}

/// Something that llama.cpp computes otherwise than a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It sees past the window of this width: contexts up to it are computed as they should be.
    Window(usize),
    /// It does not read the constants of YaRN.
    Yarn,
}

/// The first thing in which two decoders differ: its name, the one's and the other's.
fn difference(found: &DecoderConfig, config: &DecoderConfig) -> Option<(String, String, String)> {
    let sizes = |config: &DecoderConfig| {
        let DecoderConfig { hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, .. } = *config;
        let DecoderConfig { num_key_value_heads, head_dim, vocab_size, max_position_embeddings, .. } = *config;
        [
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            vocab_size,
            max_position_embeddings,
        ]
    };
    let shown = |config: &DecoderConfig| {
        let choices = &config.choices;
        [
            ("sizes", format!("{:?}", sizes(config))),
            ("tie_word_embeddings", config.tie_word_embeddings.to_string()),
            ("places of norms", format!("{:?}, {:?}", choices.norms, choices.norm_weights)),
            ("norms of queries and keys", format!("{:?}", choices.head_norms)),
            ("biases", format!("{:?}", choices.biases)),
            ("activation", format!("{:?}", choices.activation)),
            ("fused projections", choices.fused.to_string()),
        ]
    };
    let exact = shown(found).into_iter().zip(shown(config)).find(|((_, found), (_, expected))| found != expected);
    if let Some(((what, found), (_, expected))) = exact {
        return Some((what.to_owned(), found, expected));
    }
    let numbers = |config: &DecoderConfig| {
        let scales = config.choices.scales;
        [
            ("rms_norm_eps", Some(config.rms_norm_eps)),
            ("the embedding's multiplier", Some(scales.embedding)),
            ("the residual multiplier", Some(scales.residual)),
            ("the scale of scores", Some(config.score_scale())),
            ("the divisor of logits", Some(scales.logit_divisor)),
            ("the cap of scores", config.choices.score_cap),
            ("the cap of logits", config.choices.logit_cap),
        ]
    };
    let near = numbers(found).into_iter().zip(numbers(config)).find(|((_, one), (_, other))| match (one, other) {
        (Some(one), Some(other)) => !close(*one, *other),
        (one, other) => one != other,
    });
    if let Some(((what, found), (_, expected))) = near {
        return Some((what.to_owned(), format!("{found:?}"), format!("{expected:?}")));
    }
    (0..config.num_hidden_layers).find_map(|number| {
        let (found, expected) = (found.layer(number), config.layer(number));
        if found.window != expected.window {
            let what = format!("{WINDOW} of layer {number}");
            return Some((what, format!("{:?}", found.window), format!("{:?}", expected.window)));
        }
        match (&found.rotary, &expected.rotary) {
            (None, None) => None,
            (Some(one), Some(other)) if same_positions(one, other, config.head_dim) => None,
            (one, other) => Some((format!("positions of layer {number}"), format!("{one:?}"), format!("{other:?}"))),
        }
    })
}

/// Whether positions come to the same angles. What they are called may differ where a file holds
/// what comes of it.
fn same_positions(one: &Rotary, other: &Rotary, head_dim: usize) -> bool {
    let all = |one: &[f64], other: &[f64]| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| close(*one, *other))
    };
    if let (RopeScaling::LongRope(one), RopeScaling::LongRope(other)) = (&one.scaling, &other.scaling) {
        let LongRope { short_factor, long_factor, original_max_position_embeddings: original, .. } = one;
        if !all(short_factor, &other.short_factor)
            || !all(long_factor, &other.long_factor)
            || *original != other.original_max_position_embeddings
        {
            return false;
        }
    }
    one.width_of(head_dim) == other.width_of(head_dim)
        && close(one.magnitude(), other.magnitude())
        && all(&one.frequencies(head_dim), &other.frequencies(head_dim))
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= ROUNDING * other.abs()
}
