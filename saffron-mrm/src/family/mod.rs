//! The families of decoders that are known: a table of recombined choices.
//!
//! A family is a file here with one [`Entry`]: how its `config.json` names it, what it takes where
//! a file is silent, which [choices](Choices) its fields come to, and how these are written again.
//! Other rooms see choices and no families. docs/families.md shows how one is added.

mod gemma2;
mod gemma3;
#[cfg(feature = "gguf")]
mod gguf;
mod granite;
mod harmless;
mod kind;
mod llama;
mod mistral;
mod model;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod read;
mod rope;
mod smollm3;
mod write;

use serde_json::{Map, Value};

#[cfg(feature = "gguf")]
use self::gguf::Gguf;
use self::model::Model;
use crate::config::{Choices, DecoderConfig, Family};
use crate::error::LoadError;

#[cfg(feature = "gguf")]
pub(crate) use gguf::{Architecture, Otherwise, Pairs, Tensors};
pub(crate) use kind::{is_multimodal, text_alone};
#[cfg(feature = "gguf")]
pub(crate) use write::ids_json;

/// All families, by name.
const TABLE: [&Entry; 10] = [
    &gemma2::GEMMA2,
    &gemma3::GEMMA3,
    &granite::GRANITE,
    &llama::LLAMA,
    &mistral::MISTRAL,
    &olmo2::OLMO2,
    &phi3::PHI3,
    &qwen2::QWEN2,
    &qwen3::QWEN3,
    &smollm3::SMOLLM3,
];

/// A family.
struct Entry {
    /// Its `model_type`.
    name: Family,
    /// What `architectures` has for a causal language model of it.
    architecture: &'static str,
    /// What it takes where a file is silent.
    defaults: Defaults,
    /// Whether engines take its embedding as the unembedding whatever a file says: vLLM and
    /// llama.cpp give it no matrix of its own.
    always_tied: bool,
    /// The choices that a file's fields come to.
    choices: fn(&Model<'_>) -> Result<Choices, LoadError>,
    /// The fields that these choices are written as, beside those of sizes.
    fields: fn(&DecoderConfig) -> Map<String, Value>,
    /// How its checkpoints look as GGUF; none where they look like another family's.
    #[cfg(feature = "gguf")]
    gguf: Option<Gguf>,
}

/// What transformers takes where a `config.json` is silent.
struct Defaults {
    /// Sizes by their fields' names. One that is not here must be in the file.
    sizes: &'static [(&'static str, usize)],
    /// `rms_norm_eps`
    eps: f64,
    /// `tie_word_embeddings`
    tied: bool,
}

impl Defaults {
    /// The default of a size, if it has one.
    fn size(&self, field: &str) -> Option<usize> {
        self.sizes.iter().find(|(name, _)| *name == field).map(|(_, size)| *size)
    }
}

/// The entry of a family that was made by one.
fn entry(family: Family) -> &'static Entry {
    TABLE.into_iter().find(|entry| entry.name == family).unwrap_or(&llama::LLAMA)
}

/// Whether engines have no place for an unembedding of the family that is not its embedding.
pub(crate) fn is_always_tied(family: Family) -> bool {
    entry(family).always_tied
}

/// The names of all families, as errors list them.
fn supported() -> String {
    TABLE.map(|entry| entry.name.name()).join(", ")
}
