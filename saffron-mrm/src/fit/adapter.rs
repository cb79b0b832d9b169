//! What an adapter adds to the memory of a base that other models share.

use std::collections::BTreeSet;

use burn::tensor::DType;

use crate::checkpoint::{AdapterFile, Projection};
use crate::config::DecoderConfig;
use crate::engine::Merge;

impl AdapterFile {
    /// Bytes that the adapter adds to a base of type `dtype` whose weights other models hold, too.
    /// Merged, it brings a copy of every joint matrix that it changes; beside the weights, its
    /// factors. Reads headers alone.
    #[must_use]
    pub fn memory(&self, model: &DecoderConfig, dtype: DType, merge: Merge) -> u64 {
        match merge {
            Merge::IntoWeights => {
                let changed: BTreeSet<_> = self.layers().map(|(layer, part)| (layer, joint(part))).collect();
                let bytes =
                    |(_, parts): &(usize, &[Projection])| matrix(parts, model).saturating_mul(dtype.size() as u64);
                changed.iter().map(bytes).fold(0, u64::saturating_add)
            }
            Merge::Beside => {
                let rank = self.largest_rank() as u64 * DType::F32.size() as u64;
                let sides = |(_, part): (usize, Projection)| part.shape(model).iter().sum::<usize>() as u64;
                self.layers().map(sides).fold(0, |sum: u64, sides| sum.saturating_add(sides.saturating_mul(rank)))
            }
        }
    }
}

/// The projections whose rows stand in one matrix with those of this one.
fn joint(part: Projection) -> &'static [Projection] {
    use Projection::{Down, Gate, GateUp, Head, Key, Output, Query, QueryKeyValue, Up, Value};
    match part {
        Query | Key | Value => &[Query, Key, Value],
        Gate | Up => &[Gate, Up],
        Output => &[Output],
        Down => &[Down],
        QueryKeyValue => &[QueryKeyValue],
        GateUp => &[GateUp],
        Head => &[Head],
    }
}

fn matrix(parts: &[Projection], model: &DecoderConfig) -> u64 {
    parts.iter().map(|part| part.shape(model).map(|size| size as u64)).map(|[rows, columns]| rows * columns).sum()
}
