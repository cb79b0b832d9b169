//! The tensors of a reward model as those of one checkpoint: what an adapter adds is added, and a
//! reference token's row of the unembedding is zero. One matrix is in memory at a time, with the
//! adapter's factors for it.

use std::collections::BTreeMap;
use std::path::Path;

use saffron_core::Token;

use crate::checkpoint::modules::{EMBEDDING, HEAD};
use crate::checkpoint::peft::{AdapterFile, Factors};
use crate::checkpoint::source::Checkpoint;
use crate::checkpoint::tensors::TensorSource;
use crate::checkpoint::weights::{Stored, checked_tensors, expected};
use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::family::is_always_tied;
use crate::nn::lora::Projection;

#[derive(Debug)]
pub(super) struct Merged {
    source: Box<dyn TensorSource>,
    adapter: Option<AdapterFile>,
    /// The adapted layers by the names of their weights.
    adapted: BTreeMap<String, (usize, Projection)>,
    shapes: BTreeMap<String, Vec<usize>>,
    /// The name that the source has for the embedding.
    embedding: &'static str,
    /// The name of the unembedding, if the source has one of its own.
    head: Option<&'static str>,
    reference: Option<Token>,
    config: DecoderConfig,
}

impl Merged {
    /// The tensors of a checkpoint with an adapter, and with the row of a token of the unembedding
    /// set to zero. Where engines let a family have one, the unembedding becomes a matrix of its
    /// own for that; elsewhere the row of the embedding is zero, too.
    ///
    /// # Errors
    ///
    /// Tensors that do not fit the configuration; an unembedding of its own in a family whose
    /// engines have no place for one.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        adapter: Option<AdapterFile>,
        reference: Option<Token>,
    ) -> Result<Self, LoadError> {
        let (mut config, mut source) = (checkpoint.config()?, checkpoint.tensors()?);
        checked_tensors(&*source, &config)?;
        let (embedding, head) = matrices(&config, &mut *source)?;
        let layers = adapter.iter().flat_map(AdapterFile::layers);
        let adapted: BTreeMap<String, _> =
            layers.map(|place| (format!("{}.weight", place.1.full_name(place.0)), place)).collect();
        let own_head = head.is_some() || adapted.contains_key(HEAD);
        let always_tied = is_always_tied(config.choices.family);
        if own_head && always_tied {
            let expected = format!("none: engines take the embedding of a {} for it", config.choices.family);
            return Err(LoadError::field(checkpoint.path(), HEAD, expected, "a matrix of its own"));
        }
        config.tie_word_embeddings = !(own_head || reference.is_some() && !always_tied);
        let shapes = expected(&config, if config.tie_word_embeddings { Stored::Embedding } else { Stored::Both });
        Ok(Self { source, adapter, adapted, shapes, embedding, head, reference, config })
    }

    /// The description of the model that these are the tensors of.
    pub(super) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The row of a token of the unembedding.
    pub(super) fn unembedding_row(&mut self, token: Token) -> Result<Vec<f32>, LoadError> {
        let (rows, width) = (self.unembedding()?, self.config.hidden_size);
        Ok(rows.chunks_exact(width).nth(token as usize).unwrap_or_default().to_vec())
    }

    fn unembedding(&mut self) -> Result<Vec<f32>, LoadError> {
        self.read_f32(if self.config.tie_word_embeddings { EMBEDDING } else { HEAD })
    }

    /// Adds what the adapter has for a tensor.
    fn adapt(&mut self, name: &str, values: &mut [f32]) -> Result<(), LoadError> {
        let (Some(adapter), Some(place)) = (&mut self.adapter, self.adapted.get(name)) else { return Ok(()) };
        if let Some(factors) = adapter.factors(*place)? {
            add(values, &factors, place.1.shape(&self.config)[1]);
        }
        Ok(())
    }
}

/// The names that a source has for the embedding, and for an unembedding of its own. Of two that a
/// tied checkpoint has, the second counts if it is another matrix.
fn matrices(
    config: &DecoderConfig,
    source: &mut dyn TensorSource,
) -> Result<(&'static str, Option<&'static str>), LoadError> {
    match Stored::of(config, source) {
        Stored::Embedding => Ok((EMBEDDING, None)),
        Stored::Head => Ok((HEAD, None)),
        Stored::Both if !config.tie_word_embeddings => Ok((EMBEDDING, Some(HEAD))),
        Stored::Both => {
            let (one, other) = (source.read_f32(EMBEDDING)?, source.read_f32(HEAD)?);
            let equal = one.iter().zip(&other).all(|(one, other)| one.to_bits() == other.to_bits());
            Ok((EMBEDDING, (!equal).then_some(HEAD)))
        }
    }
}

/// `W + scale · B A`, row by row.
fn add(weights: &mut [f32], factors: &Factors, columns: usize) {
    let scale = factors.scale as f32;
    let mut change = vec![0.0f32; columns];
    for (row, b) in weights.chunks_exact_mut(columns).zip(factors.b.chunks_exact(factors.rank)) {
        change.fill(0.0);
        for (b, a) in b.iter().zip(factors.a.chunks_exact(columns)) {
            change.iter_mut().zip(a).for_each(|(sum, a)| *sum += b * a);
        }
        row.iter_mut().zip(&change).for_each(|(weight, change)| *weight += scale * change);
    }
}

impl TensorSource for Merged {
    fn path(&self) -> &Path {
        self.source.path()
    }

    fn names(&self) -> Vec<&str> {
        self.shapes.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.shapes.get(name).cloned()
    }

    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        let stored = match name {
            EMBEDDING => self.embedding,
            HEAD => self.head.unwrap_or(self.embedding),
            other => other,
        };
        let mut values = self.source.read_f32(stored)?;
        self.adapt(name, &mut values)?;
        let unembeds = name == HEAD || name == EMBEDDING && self.config.tie_word_embeddings;
        if let Some(token) = self.reference.filter(|_| unembeds)
            && let Some(row) = values.chunks_exact_mut(self.config.hidden_size).nth(token as usize)
        {
            row.fill(0.0);
        }
        Ok(values)
    }
}
