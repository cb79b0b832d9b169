//! A decoder as a Hugging Face checkpoint: what [`load_decoder`](super::load_decoder) reads.

use std::path::Path;

use burn::tensor::{DType, Tensor};

use super::folder::update;
use super::modules::{self, EMBEDDING, HEAD, NORM};
use super::parts::{Kind, Part, write_parts};
use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::nn::Decoder;
use crate::nn::lora::Projection;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

impl Decoder {
    /// Writes the decoder into a directory, which is made if need be, as a Hugging Face checkpoint
    /// of its family:
    /// `model.safetensors`, with the projections as the family has them and a tied unembedding left out,
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
        (String::from(EMBEDDING), Part::matrix(decoder.embedding().clone(), kind)),
        (String::from(NORM), Part::vector(decoder.norm().weight().clone(), kind)),
    ];
    parts.extend(decoder.head().map(|head| (String::from(HEAD), Part::matrix(head.clone(), kind))));
    let config = decoder.config();
    for (layer, block) in decoder.blocks().iter().enumerate() {
        for (place, norm) in block.norms.each() {
            parts.push((modules::norm(layer, place, config), Part::vector(norm.weight().clone(), kind)));
        }
        for projection in Projection::of_block(config) {
            let Some((linear, first)) = block.linear(*projection, config) else { continue };
            let rows = first..first + projection.shape(config)[0];
            let part = |tensor: &Tensor<2>| tensor.clone().slice_dim(0, rows.clone());
            let module = projection.full_name(layer);
            let bias = linear.bias().map(|bias| (format!("{module}.bias"), Part::vector(part(bias), kind)));
            parts.push((format!("{module}.weight"), Part::matrix(part(linear.weight()), kind)));
            parts.extend(bias);
        }
    }
    parts
}
