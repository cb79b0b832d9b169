//! A decoder's description as a GGUF's metadata, by the keys that `read` reads.

use std::collections::BTreeMap;

use candle_core::quantized::gguf_file::Value;

use super::keys;
use super::layers::{PATTERN, WINDOW};
use super::read::Architecture;
use super::rope::{
    ATTENTION, BETA_FAST, BETA_SLOW, FACTOR, FREQUENCIES, KIND, LONG, ORIGINAL, SHORT, THETA, WIDTH, YARN_ATTENTION,
};
use crate::config::{DecoderConfig, Family, RopeScaling, Rotary, Yarn};
use crate::family::{entry, llama};

/// The metadata of a file that is being written, by keys without the architecture's name.
#[derive(Debug)]
pub(in crate::family) struct Written {
    architecture: &'static str,
    fields: BTreeMap<String, Value>,
}

impl Written {
    /// Whole numbers have 32 bits in the format. [Sizes](DecoderConfig::validate) are far below
    /// that.
    pub(in crate::family) fn count(&mut self, key: &str, count: usize) {
        self.own(key, Value::U32(u32::try_from(count).unwrap_or(u32::MAX)));
    }

    pub(in crate::family) fn real(&mut self, key: &str, value: f64) {
        self.own(key, Value::F32(value as f32));
    }

    /// A number that need not be there.
    pub(in crate::family) fn real_if_there(&mut self, key: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.real(key, value);
        }
    }

    /// The width of the layers' windows, and which layers have one unless all but the last of every
    /// `usual` have. Without a window nothing.
    pub(in crate::family) fn window(&mut self, config: &DecoderConfig, usual: Option<usize>) {
        let sliding: Vec<bool> =
            (0..config.num_hidden_layers).map(|layer| config.layer(layer).window.is_some()).collect();
        let Some(window) = (0..sliding.len()).find_map(|layer| config.layer(layer).window) else { return };
        self.count(WINDOW, window);
        let is =
            |period: usize| sliding.iter().enumerate().all(|(layer, slides)| *slides == (layer % period < period - 1));
        if let Some(usual) = usual.filter(|usual| !is(*usual)) {
            let period = (2..=sliding.len() + 1).find(|period| is(*period));
            self.count(PATTERN, period.unwrap_or(usual));
        }
    }

    /// The width of the layers' windows, 0 where they have none.
    pub(in crate::family) fn window_or_none(&mut self, config: &DecoderConfig) {
        let window = (0..config.num_hidden_layers).find_map(|layer| config.layer(layer).window);
        self.count(WINDOW, window.unwrap_or(0));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.own(key, Value::String(value.to_owned()));
    }

    fn own(&mut self, key: &str, value: Value) {
        self.fields.insert(format!("{}.{key}", self.architecture), value);
    }

    fn sizes(&mut self, config: &DecoderConfig) {
        let sizes = [
            (keys::HIDDEN, config.hidden_size),
            (keys::INTERMEDIATE, config.intermediate_size),
            (keys::LAYERS, config.num_hidden_layers),
            (keys::HEADS, config.num_attention_heads),
            (keys::KEY_HEADS, config.num_key_value_heads),
            (keys::POSITIONS, config.max_position_embeddings),
            (keys::ROWS, config.vocab_size),
        ];
        sizes.into_iter().for_each(|(key, size)| self.count(key, size));
        // Absent in files of models whose heads share the width of the residual stream.
        if config.query_width() != config.hidden_size {
            self.count(keys::KEY_WIDTH, config.head_dim);
            self.count(keys::VALUE_WIDTH, config.head_dim);
        }
        self.real(keys::EPS, config.rms_norm_eps);
    }

    fn positions(&mut self, config: &DecoderConfig) {
        let Some(full) = full_rotary(config) else { return };
        self.count(WIDTH, full.width_of(config.head_dim));
        self.real(THETA, full.theta);
        match &full.scaling {
            RopeScaling::Plain | RopeScaling::Llama3 { .. } => {}
            RopeScaling::Linear { factor } => {
                self.text(KIND, "linear");
                self.real(FACTOR, *factor);
            }
            RopeScaling::Yarn(yarn) => self.yarn(yarn),
            RopeScaling::LongRope(scaling) => {
                self.count(ORIGINAL, scaling.original_max_position_embeddings as usize);
                self.real(ATTENTION, scaling.attention_factor);
            }
        }
    }

    fn yarn(&mut self, yarn: &Yarn) {
        self.text(KIND, "yarn");
        self.real(FACTOR, yarn.factor);
        self.count(ORIGINAL, yarn.original_max_position_embeddings as usize);
        if !yarn.has_natural_attention() {
            self.real(YARN_ATTENTION, yarn.attention_factor);
        }
        if !yarn.has_usual_betas() {
            self.real(BETA_FAST, yarn.beta_fast);
            self.real(BETA_SLOW, yarn.beta_slow);
        }
    }
}

impl Architecture {
    /// The architecture whose files a family's decoders are written as.
    pub(crate) fn of_family(family: Family) -> Self {
        Self(entry(family).gguf.as_ref().unwrap_or(&llama::FILES))
    }

    /// The metadata of a decoder's file, without what it says of a tokenizer.
    pub(crate) fn fields(self, config: &DecoderConfig) -> BTreeMap<String, Value> {
        let mut written = Written { architecture: self.0.architecture, fields: BTreeMap::new() };
        written.sizes(config);
        written.positions(config);
        (self.0.written)(config, &mut written);
        let name = Value::String(self.0.architecture.to_owned());
        written.fields.insert(keys::ARCHITECTURE.to_owned(), name);
        written.fields
    }

    /// The divisors of rotary frequencies that a decoder's file has, by their tensors' names.
    pub(crate) fn written_divisors(self, config: &DecoderConfig) -> BTreeMap<String, Vec<f32>> {
        let Some(rotary) = full_rotary(config) else { return BTreeMap::new() };
        let named = |name: &str, values: &[f64]| (name.to_owned(), values.iter().map(|value| *value as f32).collect());
        let found = match &rotary.scaling {
            RopeScaling::Llama3 { .. } => {
                let plain = Rotary { width: rotary.width, ..Rotary::plain(rotary.theta) }.frequencies(config.head_dim);
                let used = rotary.frequencies(config.head_dim);
                let values: Vec<f64> = plain.iter().zip(&used).map(|(plain, used)| plain / used).collect();
                vec![named(FREQUENCIES, &values)]
            }
            RopeScaling::LongRope(scaling) => {
                vec![named(SHORT, &scaling.short_factor), named(LONG, &scaling.long_factor)]
            }
            _ => Vec::new(),
        };
        found.into_iter().filter(|(name, _)| self.0.divisors.contains(&&name[..])).collect()
    }
}

/// The positions of layers without a window, else of those with one.
fn full_rotary(config: &DecoderConfig) -> Option<&Rotary> {
    let of = |windowed: bool| {
        let layers = (0..config.num_hidden_layers).map(|layer| config.layer(layer));
        layers.filter(|layer| layer.window.is_some() == windowed).find_map(|layer| layer.rotary.as_ref())
    };
    of(false).or_else(|| of(true))
}
