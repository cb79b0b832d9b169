//! Families as llama.cpp's GGUF has them: an architecture's name, what its keys come to, and how
//! its tensors are stored. Names and meanings of keys are llama.cpp's.

mod keys;
mod layers;
mod llama3;
mod read;
mod rope;
mod said;
mod write;

use std::collections::BTreeMap;

use self::keys::Keys;
use crate::config::{Choices, DecoderConfig};
use crate::error::LoadError;

pub(super) use keys::{EMBEDDING_SCALE, LOGIT_CAP, LOGIT_SCALE, RESIDUAL_SCALE, SCORE_CAP, SCORE_SCALE};
pub(crate) use read::Architecture;
pub(super) use rope::{FACTORS, LONG, SHORT, WINDOWED_THETA};
pub(crate) use said::Otherwise;
pub(super) use write::Written;

/// How a family's checkpoints look as GGUF.
pub(super) struct Gguf {
    /// `general.architecture`, which its keys begin with.
    pub(super) architecture: &'static str,
    /// The choices that a file's keys come to.
    pub(super) choices: fn(&Model<'_>) -> Result<Choices, LoadError>,
    /// Writes the keys that `choices` reads and that not every architecture has.
    pub(super) written: fn(&DecoderConfig, &mut Written),
    /// How the rows of queries and keys stand.
    pub(super) pairs: Pairs,
    /// Tensors with divisors of rotary frequencies that its files may have.
    pub(super) divisors: &'static [&'static str],
    /// Whether a token drops the white space behind it, by its text and whether it is a control
    /// token, in a SentencePiece vocabulary. The format does not say so.
    pub(super) strips: fn(&str, bool) -> bool,
}

/// How the rows of queries and keys stand that are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// Half a head apart, as in Hugging Face's layout.
    Apart,
    /// Side by side.
    SideBySide,
}

impl Gguf {
    /// An architecture that stores its tensors as Hugging Face's layout does.
    pub(super) const fn new(architecture: &'static str, choices: fn(&Model<'_>) -> Result<Choices, LoadError>) -> Self {
        Self { architecture, choices, written: |_, _| {}, pairs: Pairs::Apart, divisors: &[], strips: |_, _| false }
    }

    /// The same with keys of its own.
    pub(super) const fn writing(self, written: fn(&DecoderConfig, &mut Written)) -> Self {
        Self { written, ..self }
    }

    /// The same of Llama's converter, which reorders queries and keys.
    pub(super) const fn side_by_side(self, divisors: &'static [&'static str]) -> Self {
        Self { pairs: Pairs::SideBySide, divisors, ..self }
    }
}

/// What is known of a file's tensors when its keys are read.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    /// Shapes by the names that they have in the file.
    pub(crate) shapes: BTreeMap<String, Vec<usize>>,
    /// Divisors of rotary frequencies, by name.
    pub(crate) divisors: BTreeMap<String, Vec<f32>>,
    /// Whether there may be more: the file is still being fetched.
    pub(crate) more: bool,
}

impl Tensors {
    fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }
}

/// What a family is asked about: a file's keys, with the sizes that have been read.
pub(super) struct Model<'a> {
    pub(super) keys: Keys<'a>,
    tensors: &'a Tensors,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) hidden: usize,
    positions: usize,
}

impl Model<'_> {
    /// Whether queries, keys, values and what attention gives have biases.
    pub(super) fn attention_bias(&self) -> bool {
        self.tensors.has("blk.0.attn_q.bias")
    }

    /// Whether what attention gives has biases.
    pub(super) fn output_bias(&self) -> bool {
        self.tensors.has("blk.0.attn_output.bias")
    }

    /// Whether the MLP has biases.
    pub(super) fn mlp_bias(&self) -> bool {
        self.tensors.has("blk.0.ffn_gate.bias")
    }
}
