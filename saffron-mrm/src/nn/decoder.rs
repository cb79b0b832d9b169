//! The whole decoder: embedding, blocks, unembedding.

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use saffron_core::ModelError;

use super::block::BlockContext;
use super::bound::Bound;
use super::lora::{LoraPair, LoraWeights, Projection};
use super::positions::Positions;
use super::{Attend, Block, HeadShape, Linear, RmsNorm, simd};
use crate::config::{ContextLength, DecoderConfig};

/// A decoder-only transformer of any family that is known. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct Decoder {
    config: Arc<DecoderConfig>,
    embedding: Tensor<2>,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Option<Tensor<2>>,
    positions: Positions,
    heads: HeadShape,
    bound: Bound,
    lora: Option<LoraWeights>,
}

impl Decoder {
    /// # Shapes
    ///
    /// - embedding, head: `[vocab, hidden]`; no head means that the embedding serves as one
    #[must_use]
    pub fn new(
        config: DecoderConfig,
        embedding: Tensor<2>,
        blocks: Vec<Block>,
        norm: RmsNorm,
        head: Option<Tensor<2>>,
    ) -> Self {
        let positions = Positions::of(&config);
        let (heads, bound) = (HeadShape::of(&config), Bound::of(&config.choices));
        Self { config: Arc::new(config), embedding, blocks, norm, head, positions, heads, bound, lora: None }
    }

    /// The decoder with the rotary frequencies for contexts of a length, where its description has
    /// [several](crate::LongRope); any other stays what it is.
    #[must_use]
    pub fn for_contexts(self, length: ContextLength) -> Self {
        let config = (*self.config).clone().for_contexts(length);
        Self { positions: Positions::of(&config), config: Arc::new(config), ..self }
    }

    /// The sizes.
    #[must_use]
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The rows of tokens.
    ///
    /// # Shapes
    ///
    /// - output: `[vocab, hidden]`
    #[must_use]
    pub fn embedding(&self) -> &Tensor<2> {
        &self.embedding
    }

    /// The blocks, from the first on.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The norm before the unembedding.
    #[must_use]
    pub fn norm(&self) -> &RmsNorm {
        &self.norm
    }

    /// The unembedding, if it is not the embedding.
    ///
    /// # Shapes
    ///
    /// - output: `[vocab, hidden]`
    #[must_use]
    pub fn head(&self) -> Option<&Tensor<2>> {
        self.head.as_ref()
    }

    /// Where the weights are.
    #[must_use]
    pub fn device(&self) -> Device {
        self.embedding.device()
    }

    /// Type of weights and activations.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.embedding.dtype()
    }

    /// Whether passes of few rows take the kernels of the `flex` backend.
    #[must_use]
    pub(crate) fn has_kernels(&self) -> bool {
        simd::serves(&self.embedding)
    }

    /// The decoder with an adapter added to its weights.
    #[must_use]
    pub fn merged(mut self, lora: &LoraWeights) -> Self {
        for ((layer, projection), pair) in &lora.pairs {
            match projection {
                Projection::Head => self.merge_head(pair),
                _ => self.blocks[*layer].merge(*projection, pair, &self.config),
            }
        }
        self
    }

    /// Adds a pair to the unembedding. One that was the embedding, too, is a matrix of its own
    /// then.
    fn merge_head(&mut self, pair: &LoraPair) {
        let mut head = Linear::new(self.head_weight().clone(), None);
        head.merge(0, pair);
        self.head = Some(head.weight().clone());
        let config = DecoderConfig { tie_word_embeddings: false, ..(*self.config).clone() };
        self.config = Arc::new(config);
    }

    /// The decoder with an adapter beside its weights, in place of any that it had beside them.
    #[must_use]
    pub fn with_lora(self, lora: LoraWeights) -> Self {
        Self { lora: Some(lora), ..self }
    }

    /// The decoder on a device that records gradients; its own weights stay frozen.
    #[must_use]
    pub fn map_weights(&self, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            config: self.config.clone(),
            embedding: change(self.embedding.clone()),
            blocks: self.blocks.iter().map(|block| block.map(&change)).collect(),
            norm: self.norm.map(&change),
            head: self.head.clone().map(&change),
            positions: self.positions.clone(),
            heads: self.heads,
            bound: self.bound,
            lora: self.lora.clone(),
        }
    }

    /// The matrices: embedding, then block by block the joint projections (queries, keys and values; output; gate and up; down), then the
    /// unembedding, if it is one of its own. Norms and biases are none.
    pub fn matrices(&self) -> impl Iterator<Item = &Tensor<2>> {
        let blocks = self.blocks.iter().flat_map(Block::matrices);
        std::iter::once(&self.embedding).chain(blocks).chain(&self.head)
    }

    /// The decoder with other matrices, changed in the order of [`matrices`](Self::matrices). A tied unembedding changes with the embedding.
    #[must_use]
    pub fn map_matrices(&self, mut change: impl FnMut(Tensor<2>) -> Tensor<2>) -> Self {
        let embedding = change(self.embedding.clone());
        let blocks = self.blocks.iter().map(|block| block.map_matrices(&mut change)).collect();
        let head = self.head.clone().map(change);
        Self { embedding, blocks, head, ..self.clone() }
    }

    /// The decoder with the adapter that it has beside its weights, if any, added to them.
    #[must_use]
    pub fn folded(mut self) -> Self {
        match self.lora.take() {
            Some(lora) => self.merged(&lora),
            None => self,
        }
    }

    /// FLOPs that an unmerged adapter adds: per token in the blocks, and per output at the
    /// unembedding.
    pub(crate) fn lora_flops(&self) -> [u64; 2] {
        let pairs = self.lora.iter().flat_map(|lora| &lora.pairs);
        let (head, blocks): (Vec<_>, Vec<_>) = pairs.partition(|((_, projection), _)| *projection == Projection::Head);
        [blocks, head].map(|pairs| pairs.into_iter().map(|(_, pair)| pair.flops()).sum())
    }

    /// Runs rows through all blocks.
    ///
    /// # Shapes
    ///
    /// - tokens, positions: one a row
    /// - output: `[hidden, rows]`, before the last norm
    pub fn forward(&self, tokens: &[u32], positions: &[u32], attend: &mut dyn Attend) -> Tensor<2> {
        simd::beside_threads(&self.embedding, || self.through_blocks(tokens, positions, None, attend))
    }

    /// The same where only some rows of the output are wanted: what follows attention in the last block is done for these alone.
    ///
    /// # Shapes
    ///
    /// - tokens, positions: one a row
    /// - wanted: numbers of rows
    /// - output: `[hidden, wanted]`, before the last norm
    pub fn forward_rows(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: &Tensor<1, Int>,
        attend: &mut dyn Attend,
    ) -> Tensor<2> {
        simd::beside_threads(&self.embedding, || self.through_blocks(tokens, positions, Some(wanted), attend))
    }

    fn through_blocks(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: Option<&Tensor<1, Int>>,
        attend: &mut dyn Attend,
    ) -> Tensor<2> {
        let device = self.device();
        let rope = self.positions.rows(positions, self.dtype(), &device);
        let choices = &self.config.choices;
        let mut x = self.embedding.clone().select(0, row_indices(tokens, &device)).transpose();
        if choices.scales.embedding != 1.0 {
            x = x.mul_scalar(choices.scales.embedding);
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            let cx = BlockContext {
                layer,
                heads: &self.heads,
                rope: rope.of(layer),
                activation: choices.activation,
                residual: choices.scales.residual,
                lora: self.lora.as_ref(),
                wanted: wanted.filter(|_| layer + 1 == self.blocks.len()),
            };
            x = block.forward(x, &cx, attend);
        }
        x
    }

    /// Logits of all rows of a forward pass's output. Select the rows that are wanted first.
    ///
    /// # Shapes
    ///
    /// - x: `[hidden, rows]`
    /// - output: `[vocab, rows]`
    #[must_use]
    pub fn unembed(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.norm.forward(x);
        let logits = self.head_weight().clone().matmul(x.clone());
        let logits = match self.head_lora() {
            Some(LoraPair { a, b, scale }) => logits + b.matmul(a.matmul(x)).mul_scalar(scale),
            None => logits,
        };
        self.bound.tensor(logits)
    }

    /// Logits of all rows, read back: row after row.
    ///
    /// # Shapes
    ///
    /// - x: `[hidden, rows]`
    /// - output: `[rows, vocab]`
    ///
    /// # Errors
    ///
    /// A device that fails.
    pub(crate) fn read_logits(&self, x: Tensor<2>) -> Result<Vec<f32>, ModelError> {
        if self.head_lora().is_some() {
            return read_columns(self.unembed(x));
        }
        let x = self.norm.forward(x);
        let logits = match simd::logits(self.head_weight(), &x) {
            Some(logits) => logits,
            None => read_columns(self.head_weight().clone().matmul(x))?,
        };
        Ok(self.bound.host(logits))
    }

    /// Logits of some tokens only.
    ///
    /// # Shapes
    ///
    /// - x: `[hidden, rows]`
    /// - output: `[tokens, rows]`
    #[must_use]
    pub fn unembed_tokens(&self, x: Tensor<2>, tokens: &[u32]) -> Tensor<2> {
        let (x, tokens) = (self.norm.forward(x), row_indices(tokens, &self.device()));
        let logits = self.head_weight().clone().select(0, tokens.clone()).matmul(x.clone());
        let logits = match self.head_lora() {
            Some(LoraPair { a, b, scale }) => logits + b.select(0, tokens).matmul(a.matmul(x)).mul_scalar(scale),
            None => logits,
        };
        self.bound.tensor(logits)
    }

    /// For each row the logit of one token.
    ///
    /// # Shapes
    ///
    /// - x: `[hidden, rows]`
    /// - tokens, output: one a row, `[rows]`
    #[must_use]
    pub fn unembed_each(&self, x: Tensor<2>, tokens: Tensor<1, Int>) -> Tensor<1> {
        let x = self.norm.forward(x);
        let each = |weights: Tensor<2>, x: Tensor<2>| (weights.transpose() * x).sum_dim(0).squeeze_dim(0);
        let logits: Tensor<1> = each(self.head_weight().clone().select(0, tokens.clone()), x.clone());
        let logits = match self.head_lora() {
            Some(LoraPair { a, b, scale }) => logits + each(b.select(0, tokens), a.matmul(x)).mul_scalar(scale),
            None => logits,
        };
        self.bound.tensor(logits)
    }

    /// The rows of the unembedding, with what an adapter beside it adds: `[vocab, hidden]`.
    pub(crate) fn unembedding(&self) -> Tensor<2> {
        match self.head_lora() {
            Some(LoraPair { a, b, scale }) => self.head_weight().clone() + b.matmul(a).mul_scalar(scale),
            None => self.head_weight().clone(),
        }
    }

    /// An adapter of the unembedding that stands beside its weights, in the type of the
    /// activations.
    fn head_lora(&self) -> Option<LoraPair> {
        Some(self.lora.as_ref()?.pairs.get(&(0, Projection::Head))?.cast(self.dtype()))
    }

    fn head_weight(&self) -> &Tensor<2> {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}

/// The columns of a `[width, columns]` tensor, one after the other.
pub(crate) fn read_columns(tensor: Tensor<2>) -> Result<Vec<f32>, ModelError> {
    let data = tensor.transpose().cast(DType::F32).try_into_data();
    let data = data.map_err(|error| ModelError::other("reading logits", format!("{error:?}")))?;
    data.try_into_vec::<f32>().map_err(|error| ModelError::other("reading logits", format!("{error:?}")))
}

/// An index tensor of row numbers.
pub(crate) fn row_indices(rows: &[u32], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    Tensor::from_data(TensorData::from(rows.as_slice()), device)
}
