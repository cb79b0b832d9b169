//! A decoder as a Hugging Face checkpoint: what [`load_decoder`](super::load_decoder) reads.

use std::path::Path;

use burn::tensor::{DType, Tensor};

use super::folder::update;
use super::parts::{Kind, Part, write_parts};
use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::nn::lora::Projection;
use crate::nn::{Block, Decoder, Linear};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

impl Decoder {
    /// Writes the decoder into a directory, which is made if need be, as Hugging Face's Llama:
    /// `model.safetensors`, with the projections each on its own and a tied unembedding left out,
    /// and `config.json`. Both appear [together](super::folder), whole or not at all; other files
    /// of the directory stay. Weights are float32, or rounded to bf16 or f16, to the nearest. An
    /// adapter beside the weights is added to them.
    ///
    /// Loading float32 weights again gives the same bits. A tokenizer's files are the caller's to add.
    ///
    /// # Errors
    ///
    /// Another type; what the file system says.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), saffron_mrm::LoadError> {
    /// use burn::tensor::{DType, Device};
    /// use saffron_mrm::nn::Decoder;
    /// let decoder = Decoder::from_dir("models/smollm2".as_ref(), DType::F32, &Device::flex())?;
    /// decoder.save("models/smaller".as_ref(), DType::BF16)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, dir: &Path, dtype: DType) -> Result<(), LoadError> {
        let kind = Kind::of(dtype, &dir.join(WEIGHTS))?;
        let decoder = self.clone().folded();
        let config = DecoderConfig { tie_word_embeddings: decoder.head().is_none(), ..decoder.config().clone() };
        update(dir, |dir| {
            write_parts(parts(&decoder, kind), &dir.join(WEIGHTS))?;
            config.save(&dir.join(CONFIG), kind.name)
        })
    }
}

/// All tensors, by their names in the file.
fn parts(decoder: &Decoder, kind: Kind) -> Vec<(String, Part)> {
    let mut parts = vec![
        (String::from("model.embed_tokens.weight"), Part::matrix(decoder.embedding().clone(), kind)),
        (String::from("model.norm.weight"), Part::vector(decoder.norm().weight().clone(), kind)),
    ];
    parts.extend(decoder.head().map(|head| (String::from("lm_head.weight"), Part::matrix(head.clone(), kind))));
    for (layer, block) in decoder.blocks().iter().enumerate() {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        for (norm, module) in [(&block.input_norm, "input_layernorm"), (&block.mlp_norm, "post_attention_layernorm")] {
            parts.push((name(&format!("{module}.weight")), Part::vector(norm.weight().clone(), kind)));
        }
        for (linear, projection, first) in split(block, decoder.config()) {
            let rows = first..first + projection.shape(decoder.config())[0];
            let part = |tensor: &Tensor<2>| tensor.clone().slice_dim(0, rows.clone());
            let module = name(projection.module());
            let bias = linear.bias().map(|bias| (format!("{module}.bias"), Part::vector(part(bias), kind)));
            parts.push((format!("{module}.weight"), Part::matrix(part(linear.weight()), kind)));
            parts.extend(bias);
        }
    }
    parts
}

/// Each projection, the layer that it is rows of, and the first of them.
fn split<'a>(block: &'a Block, config: &DecoderConfig) -> [(&'a Linear, Projection, usize); 7] {
    let (q, kv, wide) = (config.query_width(), config.key_width(), config.intermediate_size);
    [
        (&block.qkv, Projection::Query, 0),
        (&block.qkv, Projection::Key, q),
        (&block.qkv, Projection::Value, q + kv),
        (&block.output, Projection::Output, 0),
        (&block.gate_up, Projection::Gate, 0),
        (&block.gate_up, Projection::Up, wide),
        (&block.down, Projection::Down, 0),
    ]
}
