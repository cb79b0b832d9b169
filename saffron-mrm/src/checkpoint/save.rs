//! A decoder as a Hugging Face checkpoint: what [`load_decoder`](super::load_decoder) reads.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{DType, Tensor};
use safetensors::Dtype;
use safetensors::tensor::View;

use super::peft::Projection;
use crate::LoadError;
use crate::config::DecoderConfig;
use crate::nn::{Block, Decoder, Linear};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

impl Decoder {
    /// Writes the decoder into a directory, which is made if need be, as Hugging Face's Llama: `model.safetensors`, with the projections
    /// each on its own and a tied unembedding left out, and `config.json`. Each file appears whole or not at all. Weights are float32, or
    /// rounded to bf16 or f16, to the nearest. An adapter beside the weights is added to them.
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
        let kind = Kind::of(dtype)
            .ok_or_else(|| LoadError::field(&dir.join(WEIGHTS), "dtype", "F32, BF16 or F16", format!("{dtype:?}")))?;
        std::fs::create_dir_all(dir).map_err(LoadError::io(dir))?;
        let decoder = self.clone().folded();
        let config = DecoderConfig { tie_word_embeddings: decoder.head().is_none(), ..decoder.config().clone() };
        let path = dir.join(WEIGHTS);
        let format = HashMap::from([(String::from("format"), String::from("pt"))]);
        safetensors::serialize_to_file(parts(&decoder, kind), Some(format), &path)
            .map_err(|source| LoadError::Safetensors { path: path.clone(), source: source.into() })?;
        config.save(&dir.join(CONFIG), kind.name)
    }
}

/// A type of weights, as each library spells it.
#[derive(Clone, Copy)]
struct Kind {
    burn: DType,
    file: Dtype,
    name: &'static str,
}

impl Kind {
    fn of(dtype: DType) -> Option<Self> {
        let (file, name) = match dtype {
            DType::F32 => (Dtype::F32, "float32"),
            DType::BF16 => (Dtype::BF16, "bfloat16"),
            DType::F16 => (Dtype::F16, "float16"),
            _ => return None,
        };
        Some(Self { burn: dtype, file, name })
    }
}

/// A tensor of the file. It is read back and rounded when it is written, so that no more than one is on the host.
struct Part {
    tensor: Tensor<2>,
    shape: Vec<usize>,
    kind: Kind,
}

impl Part {
    fn matrix(tensor: Tensor<2>, kind: Kind) -> Self {
        Self { shape: tensor.dims().to_vec(), tensor, kind }
    }

    /// Of a tensor of one column.
    fn vector(tensor: Tensor<2>, kind: Kind) -> Self {
        Self { shape: vec![tensor.dims()[0]], tensor, kind }
    }
}

impl View for Part {
    fn dtype(&self) -> Dtype {
        self.kind.file
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = self.tensor.to_data().convert_dtype(self.kind.burn);
        Cow::Owned(data.bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.kind.burn.size()
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
