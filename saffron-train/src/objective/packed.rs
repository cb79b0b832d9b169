//! Sequences side by side in one forward pass.

use burn::tensor::{Device, Int, Tensor, TensorData};
use saffron_core::Token;
use saffron_mrm::DecoderConfig;
use saffron_mrm::nn::{CausalAttention, Decoder};

use crate::error::TrainError;

/// Rows of a forward pass: sequences padded at their ends to one length. A sequence is a trunk, and branches that leave it: each sees the
/// trunk up to where it leaves and itself, and no other branch.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// Number of sequences.
    pub sequences: usize,
    /// Rows a sequence, padding included.
    pub length: usize,
    /// Rows that are no padding.
    pub real: usize,
    /// The tokens, sequence by sequence.
    pub tokens: Vec<Token>,
    /// Their positions.
    pub positions: Vec<u32>,
    /// The branches of each sequence; none anywhere means that plain causality holds.
    branches: Vec<Vec<Branch>>,
}

/// Rows of one branch within its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Branch {
    /// Its first row.
    start: usize,
    /// The first row after it.
    end: usize,
    /// Rows of the trunk that it sees.
    leaves: usize,
}

/// A sequence before it is laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    tokens: Vec<Token>,
    positions: Vec<u32>,
    branches: Vec<Branch>,
}

impl Tree {
    /// A trunk without branches.
    pub(super) fn new(trunk: Vec<Token>) -> Self {
        Self { positions: (0..trunk.len() as u32).collect(), tokens: trunk, branches: Vec::new() }
    }

    /// Adds a branch that leaves the trunk after `leaves` of its tokens; gives the row of its last token, or of the trunk's where the
    /// branch is empty.
    pub(super) fn branch(&mut self, leaves: usize, tokens: &[Token]) -> usize {
        let start = self.tokens.len();
        let end = start + tokens.len();
        self.tokens.extend(tokens);
        self.positions.extend((leaves..leaves + tokens.len()).map(|at| at as u32));
        self.branches.push(Branch { start, end, leaves });
        if tokens.is_empty() { leaves - 1 } else { end - 1 }
    }
}

impl Packed {
    /// Sequences without branches.
    ///
    /// # Errors
    ///
    /// No sequences.
    pub(crate) fn causal<'a>(sequences: impl Iterator<Item = &'a [Token]>) -> Result<Self, TrainError> {
        Self::trees(sequences.map(|tokens| Tree::new(tokens.to_vec())).collect())
    }

    pub(super) fn trees(trees: Vec<Tree>) -> Result<Self, TrainError> {
        let length = trees.iter().map(|tree| tree.tokens.len()).max().ok_or(TrainError::EmptyBatch)?;
        let real = trees.iter().map(|tree| tree.tokens.len()).sum();
        let (mut tokens, mut positions) = (Vec::new(), Vec::new());
        for tree in &trees {
            let padding = length - tree.tokens.len();
            tokens.extend(tree.tokens.iter().copied().chain(std::iter::repeat_n(0, padding)));
            positions.extend(tree.positions.iter().copied().chain(std::iter::repeat_n(0, padding)));
        }
        let branches = trees.into_iter().map(|tree| tree.branches).collect::<Vec<_>>();
        let branches = if branches.iter().all(Vec::is_empty) { Vec::new() } else { branches };
        Ok(Self { sequences: positions.len() / length.max(1), length, real, tokens, positions, branches })
    }

    /// Whether a row of a sequence may look at another.
    fn sees(&self, sequence: usize, row: usize, key: usize) -> bool {
        let branch = self.branches.get(sequence).and_then(|all| all.iter().find(|b| (b.start..b.end).contains(&row)));
        key <= row && branch.is_none_or(|branch| key < branch.leaves || key >= branch.start)
    }

    /// Runs the rows through a decoder.
    ///
    /// # Shapes
    ///
    /// - output: `[hidden, sequences · length]`, before the last norm
    #[must_use]
    pub fn forward(&self, decoder: &Decoder) -> Tensor<2> {
        decoder.forward(&self.tokens, &self.positions, &mut self.attention(decoder))
    }

    /// The same for an output of some rows alone.
    ///
    /// # Shapes
    ///
    /// - output: `[hidden, rows]`, before the last norm
    pub(crate) fn forward_rows(&self, decoder: &Decoder, rows: &[u32]) -> Tensor<2> {
        let rows = indices(rows, &decoder.device());
        decoder.forward_rows(&self.tokens, &self.positions, &rows, &mut self.attention(decoder))
    }

    fn attention(&self, decoder: &Decoder) -> CausalAttention {
        let (device, config) = (decoder.device(), decoder.config());
        match self.branches.is_empty() {
            true => CausalAttention::new(config, self.sequences, self.length, &device),
            false => {
                let sees = |sequence, row, key| self.sees(sequence, row, key);
                let position = |sequence, row| self.positions[sequence * self.length + row] as usize;
                CausalAttention::with_view(config, [self.sequences, self.length], position, sees, &device)
            }
        }
    }
}

/// Refuses tokens that the model does not have, and more of them than it has room for.
pub(super) fn check(sample: usize, tokens: &[Token], model: &DecoderConfig) -> Result<(), TrainError> {
    let (size, limit) = (model.vocab_size, model.context_limit());
    if tokens.len() > limit {
        return Err(TrainError::TooLong { sample, length: tokens.len(), limit });
    }
    match tokens.iter().find(|token| **token as usize >= size) {
        Some(token) => Err(TrainError::Token { sample, token: *token, size }),
        None => Ok(()),
    }
}

/// Host numbers as an index tensor.
pub(super) fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
    Tensor::from_data(TensorData::from(values.as_slice()), device)
}

/// Host numbers as a tensor.
pub(super) fn numbers(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::from(values), device)
}
