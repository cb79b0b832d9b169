//! A decoder from a checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::modules::{self, EMBEDDING, HEAD, has_bias};
use super::source::Checkpoint;
use super::tensors::{TensorSource, check_tensors};
use crate::brief::cut;
use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::nn::lora::Projection;
use crate::nn::{Block, BlockNorms, Decoder, Linear, NormPlace, RmsNorm};

impl Decoder {
    /// Reads configuration and weights of a checkpoint, without its tokenizer. [`save`](Self::save) writes one.
    ///
    /// # Errors
    ///
    /// A checkpoint that does not load, or a type that the device does not support.
    pub fn from_dir(dir: &Path, dtype: DType, device: &Device) -> Result<Self, LoadError> {
        load_decoder(&Checkpoint::open(dir)?, dtype, device)
    }
}

/// Reads config and weights of a checkpoint. Weights are read tensor by tensor, so that the file is never in memory twice.
pub(crate) fn load_decoder(checkpoint: &Checkpoint, dtype: DType, device: &Device) -> Result<Decoder, LoadError> {
    if !device.supports_dtype(dtype) {
        let found = format!("{dtype:?}, which {device:?} does not support");
        return Err(LoadError::field(checkpoint.path(), "dtype", "a type of the device", found));
    }
    let begun = std::time::Instant::now();
    let config = checkpoint.config()?;
    let tensors = checkpoint.tensors()?;
    let stored = Stored::of(&config, &*tensors);
    checked_tensors(&*tensors, &config)?;
    let mut source = Source { tensors, dtype, device };
    let (embedding, head) = source.embedding_and_head(&config, stored)?;
    let norm = source.norm(modules::NORM, config.hidden_size, &config)?;
    let blocks = (0..config.num_hidden_layers).map(|layer| source.block(layer, &config)).collect::<Result<_, _>>()?;
    if config.tie_word_embeddings && head.is_some() {
        tracing::warn!(path = %checkpoint.path().display(), "tie_word_embeddings, but a head of its own is stored and serves");
    }
    let config = DecoderConfig { tie_word_embeddings: head.is_none(), ..config };
    tracing::info!(path = %checkpoint.path().display(), ?dtype, seconds = begun.elapsed().as_secs_f64(), "loaded");
    Ok(Decoder::new(config, embedding, blocks, norm, head))
}

/// The names and shapes of a decoder's tensors. Refuses a source that lacks one or holds another.
pub(crate) fn checked_tensors(
    source: &dyn TensorSource,
    config: &DecoderConfig,
) -> Result<BTreeMap<String, Vec<usize>>, LoadError> {
    let tensors = expected(config, Stored::of(config, source));
    match check_tensors(source, &tensors, is_ignored) {
        Ok(()) => Ok(tensors),
        Err(error) => Err(quantised(source).unwrap_or(error)),
    }
}

/// What a quantised weight is stored with, by the method: GPTQ and AWQ, bitsandbytes, FP8 and
/// compressed tensors.
const QUANTISED: [&str; 6] = [".qweight", ".absmax", ".SCB", ".weight_scale", ".weight_scale_inv", ".weight_packed"];

/// Why tensors do not fit whose configuration does not say that they are quantised.
fn quantised(source: &dyn TensorSource) -> Option<LoadError> {
    let names = source.names();
    let name = names.into_iter().find(|name| QUANTISED.iter().any(|ending| name.ends_with(ending)))?;
    Some(LoadError::Unsupported {
        path: source.path().to_path_buf(),
        field: cut(name.to_owned()),
        found: String::from("a quantised weight"),
        supported: String::new(),
    })
}

/// Which of embedding and unembedding a checkpoint stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The embedding, which serves as both.
    Embedding,
    /// The unembedding, which serves as both.
    Head,
    /// Both. In a tied checkpoint they are shared if they are equal; else the configuration is
    /// wrong and the weights count.
    Both,
}

impl Stored {
    pub(super) fn of(config: &DecoderConfig, tensors: &dyn TensorSource) -> Self {
        let has = |name| tensors.shape(name).is_some();
        match () {
            () if !config.tie_word_embeddings => Self::Both,
            () if !has(HEAD) => Self::Embedding,
            () if has(EMBEDDING) => Self::Both,
            () => Self::Head,
        }
    }
}

/// All tensors that a checkpoint of this configuration has, with their shapes.
pub(super) fn expected(config: &DecoderConfig, stored: Stored) -> BTreeMap<String, Vec<usize>> {
    let (hidden, vocab) = (config.hidden_size, config.vocab_size);
    let mut tensors = BTreeMap::from([(String::from(modules::NORM), vec![hidden])]);
    if stored != Stored::Head {
        tensors.insert(String::from(EMBEDDING), vec![vocab, hidden]);
    }
    if stored != Stored::Embedding {
        tensors.insert(String::from(HEAD), vec![vocab, hidden]);
    }
    for layer in 0..config.num_hidden_layers {
        for (place, width) in NormPlace::of(config) {
            tensors.insert(modules::norm(layer, place, config), vec![width]);
        }
        for projection in Projection::of_block(config) {
            let (module, [rows, columns]) = (projection.full_name(layer), projection.shape(config));
            tensors.insert(format!("{module}.weight"), vec![rows, columns]);
            if has_bias(config, *projection) {
                tensors.insert(format!("{module}.bias"), vec![rows]);
            }
        }
    }
    tensors
}

/// Tensors that some checkpoints carry and that say nothing new: stored rotary frequencies.
fn is_ignored(name: &str) -> bool {
    name.ends_with("rotary_emb.inv_freq")
}

struct Source<'a> {
    tensors: Box<dyn TensorSource>,
    dtype: DType,
    device: &'a Device,
}

impl Source<'_> {
    /// The embedding, and the unembedding if it is another matrix.
    fn embedding_and_head(
        &mut self,
        config: &DecoderConfig,
        stored: Stored,
    ) -> Result<(Tensor<2>, Option<Tensor<2>>), LoadError> {
        let shape = [config.vocab_size, config.hidden_size];
        let first = if stored == Stored::Head { HEAD } else { EMBEDDING };
        let embedding = self.tensors.read_f32(first)?;
        if stored != Stored::Both {
            return Ok((self.tensor(embedding, shape), None));
        }
        if !config.tie_word_embeddings {
            let embedding = self.tensor(embedding, shape);
            let head = self.tensors.read_f32(HEAD)?;
            return Ok((embedding, Some(self.tensor(head, shape))));
        }
        let head = self.tensors.read_f32(HEAD)?;
        let equal = embedding.iter().zip(&head).all(|(one, other)| one.to_bits() == other.to_bits());
        let head = (!equal).then(|| self.tensor(head, shape));
        Ok((self.tensor(embedding, shape), head))
    }

    fn tensor(&self, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        let data = TensorData::new(values, shape).convert_dtype(self.dtype);
        Tensor::from_data(data, (self.device, self.dtype))
    }

    fn norm(&mut self, name: &str, width: usize, config: &DecoderConfig) -> Result<RmsNorm, LoadError> {
        let values = self.tensors.read_f32(name)?;
        // Norms stay in float32: they are small, and their arithmetic is.
        let weight = Tensor::from_data(TensorData::new(values, [width, 1]), (self.device, DType::F32));
        Ok(RmsNorm::stored(weight, config.choices.norm_weights, config.rms_norm_eps))
    }

    fn block(&mut self, layer: usize, config: &DecoderConfig) -> Result<Block, LoadError> {
        use Projection::{Down, Gate, GateUp, Key, Output, Query, QueryKeyValue, Up, Value};
        let norms =
            BlockNorms::build(config, |place, width| self.norm(&modules::norm(layer, place, config), width, config))?;
        let (qkv, gate_up): (&[_], &[_]) =
            if config.choices.fused { (&[QueryKeyValue], &[GateUp]) } else { (&[Query, Key, Value], &[Gate, Up]) };
        Ok(Block {
            norms,
            qkv: self.linear(layer, config, qkv)?,
            output: self.linear(layer, config, &[Output])?,
            gate_up: self.linear(layer, config, gate_up)?,
            down: self.linear(layer, config, &[Down])?,
        })
    }

    /// Projections of the same input as one linear layer, their rows one after the other.
    fn linear(
        &mut self,
        layer: usize,
        config: &DecoderConfig,
        projections: &[Projection],
    ) -> Result<Linear, LoadError> {
        let (mut weight, mut bias, mut rows) = (Vec::new(), Vec::new(), 0);
        for projection in projections {
            let name = projection.full_name(layer);
            weight.extend(self.tensors.read_f32(&format!("{name}.weight"))?);
            if has_bias(config, *projection) {
                bias.extend(self.tensors.read_f32(&format!("{name}.bias"))?);
            }
            rows += projection.shape(config)[0];
        }
        let columns = projections[0].shape(config)[1];
        let bias = (!bias.is_empty()).then(|| self.tensor(bias, [rows, 1]));
        Ok(Linear::new(self.tensor(weight, [rows, columns]), bias))
    }
}
