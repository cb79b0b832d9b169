//! How the rows of a reservation attend, exactly and without expanding shared rows.
//!
//! Rows are taken in groups. The short chains of a frontier form one group: what all of them have as prefix (the trunk) is read
//! once, the rest of each (the suffix) is gathered and padded. A long chain, a prompt say, is a group of its own: its trunk is all
//! that is stored before it, its suffix the new rows themselves. Scores over trunk and suffix are joined before one softmax.
//!
//! The group of query heads that share a key head is folded into the query rows, so keys and values are never repeated.

mod plan;
mod planner;
#[cfg(feature = "flex")]
mod tiles;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, DType, Device, Int, Tensor};

use crate::index::Extent;
use crate::pool::KvPools;
use crate::reserve::Reservation;
use plan::{GroupPlan, KeySource};
pub use planner::{AttentionPlanner, CostModel, Frontier, PlanKind};

/// Heads of the attention that a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Key heads.
    pub kv_heads: usize,
    /// Query heads per key head.
    pub group: usize,
    /// Width of a head.
    pub head_dim: usize,
}

/// The plan of one forward pass; made once, used by every layer.
#[derive(Debug)]
pub struct AttentionPlan {
    shape: AttentionShape,
    writes: Vec<(usize, Extent)>,
    groups: Vec<Group>,
    #[cfg(feature = "flex")]
    tiles: Option<Vec<tiles::Tile>>,
    /// Where the groups' rows, joined, are to be found in row order; none when they are in order already.
    reorder: Option<Tensor<1, Int>>,
}

/// Rows that are attended together: `chains` times `len` of them.
#[derive(Debug)]
struct Group {
    chains: usize,
    len: usize,
    rows: Rows,
    trunk: Trunk,
    suffix: Suffix,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a few of them a forward pass")]
enum Rows {
    All,
    Range(std::ops::Range<usize>),
    Gather(Tensor<1, Int>),
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a few of them a forward pass")]
enum Trunk {
    None,
    View(Extent),
    Gather(Tensor<1, Int>),
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a few of them a forward pass")]
enum SuffixKeys {
    /// The new rows are the suffix.
    NewRows,
    /// Slots of every chain's suffix, padded.
    Gather(Tensor<1, Int>),
    View(Extent),
}

#[derive(Debug)]
struct Suffix {
    keys: SuffixKeys,
    len: usize,
    /// `[1, chains, len · group, suffix]`, true where a row must not look.
    hidden: Option<Tensor<4, Bool>>,
}

/// One layer's rows, and where those of earlier passes are.
struct LayerRows<'a> {
    pools: &'a KvPools,
    layer: usize,
    queries: Tensor<4>,
    keys: Tensor<3>,
    values: Tensor<3>,
}

impl AttentionPlan {
    /// Plans the rows of a reservation. [`PlanKind::Tiles`] needs pools of the `flex` backend in float32; the cascade stands in for it.
    #[must_use]
    pub fn new(reservation: &Reservation, shape: AttentionShape, kind: PlanKind, pools: &KvPools) -> Self {
        let device = &pools.device();
        #[cfg(feature = "flex")]
        let tiles = if kind == PlanKind::Tiles { tiles::plan(reservation, shape.group, pools) } else { None };
        #[cfg(feature = "flex")]
        if tiles.is_some() {
            return Self { shape, writes: reservation.writes(), groups: Vec::new(), reorder: None, tiles };
        }
        let plans = plan::groups(reservation, kind);
        let order: Vec<usize> = plans.iter().flat_map(GroupPlan::real_rows).collect();
        let total: usize = plans.iter().map(|plan| plan.rows.len()).sum();
        let reorder = (total != order.len() || order.iter().enumerate().any(|(place, row)| place != *row))
            .then(|| indices(&plan::places_in_order(&plans), device));
        let alone = plans.len() == 1;
        let groups = plans.into_iter().map(|plan| Group::new(plan, alone, shape, device)).collect();
        Self {
            shape,
            writes: reservation.writes(),
            groups,
            reorder,
            #[cfg(feature = "flex")]
            tiles,
        }
    }

    /// Writes the new rows of a layer into the pools and attends.
    ///
    /// # Shapes
    ///
    /// - queries: `[kv_heads, rows, group, head_dim]`, rotated and scaled
    /// - keys, values: `[kv_heads, rows, head_dim]`, keys rotated
    /// - output: `[kv_heads · group · head_dim, rows]`
    ///
    /// # Panics
    ///
    /// With pools of another backend or type than those it was planned for.
    #[must_use]
    pub fn attend(
        &self,
        pools: &mut KvPools,
        layer: usize,
        queries: Tensor<4>,
        keys: Tensor<3>,
        values: Tensor<3>,
    ) -> Tensor<2> {
        pools.write(layer, &self.writes, &keys, &values);
        #[cfg(feature = "flex")]
        if let Some(output) =
            self.tiles.as_ref().and_then(|tiles| tiles::attend(tiles, self.shape, pools, layer, &queries))
        {
            return output;
        }
        let rows = LayerRows { pools, layer, queries, keys, values };
        let outputs = self.groups.iter().map(|group| group.attend(self.shape, &rows));
        let joined = Tensor::cat(outputs.collect(), 1);
        let joined = match &self.reorder {
            Some(order) => joined.select(1, order.clone()),
            None => joined,
        };
        let [heads, rows, group, width] = joined.dims();
        joined.permute([0, 2, 3, 1]).reshape([heads * group * width, rows])
    }
}

impl Group {
    fn new(plan: GroupPlan, alone: bool, shape: AttentionShape, device: &Device) -> Self {
        let (chains, len) = (plan.chains, plan.len);
        let hidden = plan.hidden(shape.group).map(|hidden| {
            let size = [1, chains, len * shape.group, plan.suffix_len];
            Tensor::from_data(burn::tensor::TensorData::new(hidden, size), device)
        });
        let trunk = match plan.trunk.as_slice() {
            [] => Trunk::None,
            [whole] => Trunk::View(*whole),
            parts => Trunk::Gather(indices(&parts.iter().flat_map(|part| part.slots()).collect::<Vec<_>>(), device)),
        };
        let keys = match &plan.suffix {
            KeySource::NewRows => SuffixKeys::NewRows,
            KeySource::Slots(slots) => SuffixKeys::Gather(indices(slots, device)),
            KeySource::View(extent) => SuffixKeys::View(*extent),
        };
        let suffix = Suffix { keys, len: plan.suffix_len, hidden };
        let in_order = plan.rows.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let rows = match (in_order, plan.rows.first()) {
            (true, Some(_)) if alone => Rows::All,
            (true, Some(first)) => Rows::Range(*first..first + plan.rows.len()),
            _ => Rows::Gather(indices(&plan.rows.iter().map(|row| *row as u32).collect::<Vec<_>>(), device)),
        };
        Self { chains, len, rows, trunk, suffix }
    }

    fn attend(&self, shape: AttentionShape, layer: &LayerRows<'_>) -> Tensor<4> {
        let AttentionShape { kv_heads, group, head_dim } = shape;
        let rows = self.chains * self.len;
        let queries = self.rows.of(layer.queries.clone()).reshape([kv_heads, self.chains, self.len * group, head_dim]);
        let (suffix_keys, suffix_values) = self.suffix_rows(shape, layer);
        let scores = queries.clone().matmul(suffix_keys.swap_dims(2, 3));
        let scores = match &self.suffix.hidden {
            Some(hidden) => scores.mask_fill(hidden.clone(), lowest(queries.dtype())),
            None => scores,
        };
        let folded = queries.reshape([kv_heads, rows * group, head_dim]);
        let output = match self.trunk.rows(layer) {
            None => softmax_f32(scores).matmul(suffix_values),
            Some((trunk_keys, trunk_values)) => {
                let trunk_len = trunk_keys.dims()[1];
                let trunk = folded.matmul(trunk_keys.swap_dims(1, 2));
                let trunk = trunk.reshape([kv_heads, self.chains, self.len * group, trunk_len]);
                let weights = softmax_f32(Tensor::cat(vec![trunk, scores], 3));
                let own = weights.clone().slice_dim(3, trunk_len..trunk_len + self.suffix.len).matmul(suffix_values);
                let trunk = weights.slice_dim(3, 0..trunk_len).reshape([kv_heads, rows * group, trunk_len]);
                own + trunk.matmul(trunk_values).reshape([kv_heads, self.chains, self.len * group, head_dim])
            }
        };
        output.reshape([kv_heads, rows, group, head_dim])
    }

    /// Keys and values of the suffixes.
    ///
    /// # Shapes
    ///
    /// - each: `[kv_heads, chains, suffix, head_dim]`
    fn suffix_rows(&self, shape: AttentionShape, layer: &LayerRows<'_>) -> (Tensor<4>, Tensor<4>) {
        let (keys, values) = match &self.suffix.keys {
            SuffixKeys::Gather(slots) => layer.pools.gather(layer.layer, slots),
            SuffixKeys::View(extent) => layer.pools.view(layer.layer, *extent),
            SuffixKeys::NewRows => (self.rows.of(layer.keys.clone()), self.rows.of(layer.values.clone())),
        };
        let size = [shape.kv_heads, self.chains, self.suffix.len, shape.head_dim];
        (keys.reshape(size), values.reshape(size))
    }
}

impl Rows {
    /// The group's rows of a tensor that has the rows as its second axis.
    fn of<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        match self {
            Self::All => tensor,
            Self::Range(range) => tensor.slice_dim(1, range.clone()),
            Self::Gather(rows) => tensor.select(1, rows.clone()),
        }
    }
}

impl Trunk {
    fn rows(&self, layer: &LayerRows<'_>) -> Option<(Tensor<3>, Tensor<3>)> {
        match self {
            Self::None => None,
            Self::View(extent) => Some(layer.pools.view(layer.layer, *extent)),
            Self::Gather(slots) => Some(layer.pools.gather(layer.layer, slots)),
        }
    }
}

/// Softmax over the last axis in float32, whatever the scores' type.
fn softmax_f32(scores: Tensor<4>) -> Tensor<4> {
    match scores.dtype() {
        DType::F32 => softmax(scores, 3),
        other => softmax(scores.cast(DType::F32), 3).cast(other),
    }
}

/// A score that vanishes in the softmax and is finite in the type.
fn lowest(dtype: DType) -> f32 {
    if dtype == DType::F16 { -6e4 } else { -1e30 }
}

fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
    Tensor::from_data(burn::tensor::TensorData::from(values.as_slice()), device)
}
