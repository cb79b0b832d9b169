//! Rotary positions layer by layer.

use burn::tensor::{DType, Device};

use super::{Rope, RopeRows};
use crate::config::{DecoderConfig, Rotary};

/// The frequencies of a decoder's layers, each kind once.
#[derive(Clone, Debug)]
pub(super) struct Positions {
    kinds: Vec<Rope>,
    /// Which kind each layer has; none where it does not rotate.
    of_layer: Vec<Option<usize>>,
}

/// Tables for the rows of one forward pass.
#[derive(Debug)]
pub(super) struct PositionRows<'a> {
    kinds: Vec<RopeRows>,
    of_layer: &'a [Option<usize>],
}

impl Positions {
    pub(super) fn of(config: &DecoderConfig) -> Self {
        let mut kinds: Vec<&Rotary> = Vec::new();
        let mut kind = |rotary| {
            kinds.iter().position(|known| *known == rotary).unwrap_or_else(|| {
                kinds.push(rotary);
                kinds.len() - 1
            })
        };
        let layers = 0..config.num_hidden_layers;
        let of_layer = layers.map(|layer| config.layer(layer).rotary.as_ref().map(&mut kind)).collect();
        let kinds = kinds.into_iter().map(|rotary| Rope::new(rotary, config.head_dim)).collect();
        Self { kinds, of_layer }
    }

    pub(super) fn rows(&self, positions: &[u32], dtype: DType, device: &Device) -> PositionRows<'_> {
        let kinds = self.kinds.iter().map(|rope| rope.rows(positions, dtype, device)).collect();
        PositionRows { kinds, of_layer: &self.of_layer }
    }
}

impl PositionRows<'_> {
    /// The tables of a layer, if it rotates.
    pub(super) fn of(&self, layer: usize) -> Option<&RopeRows> {
        self.of_layer[layer].map(|kind| &self.kinds[kind])
    }
}
