//! How the rows of a reservation attend, exactly and without expanding shared rows.
//!
//! Rows are taken in groups. The short chains of a frontier form one group: what all of them have as prefix (the trunk) is read
//! once, the rest of each (the suffix) is gathered and padded. A long chain, a prompt say, is a group of its own: its trunk is all
//! that is stored before it, its suffix the new rows themselves. Scores over trunk and suffix are joined before one softmax.
//!
//! The group of query heads that share a key head is folded into the query rows, so keys and values are never repeated.
//!
//! Where a backend pays for every new shape, sizes are rounded up ([`Buckets`]): rows, chains, their lengths, trunks and suffixes. What is
//! added reads the null row, is masked, writes nothing, and its outputs are dropped.

mod buckets;
mod fit;
mod plan;
mod planner;
#[cfg(feature = "flex")]
mod tiles;

use std::borrow::Cow;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use crate::index::Extent;
use crate::pool::KvPools;
use crate::reserve::Reservation;
pub use buckets::Buckets;
pub use fit::PlanTime;
use plan::{GroupPlan, KeySource, Sizes};
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
    /// Rows of the pass, padding included.
    rows: usize,
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
    /// Slots, and where they are padding: `[1, 1, 1, trunk]`.
    Gather(Tensor<1, Int>, Option<Tensor<4, Bool>>),
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
        Self::with_buckets(reservation, shape, kind, Buckets::Exact, pools)
    }

    /// The same with sizes rounded up. The pass then has [`rows`](Self::rows) rows, those of the reservation first. Tiles have exact
    /// sizes always.
    #[must_use]
    pub fn with_buckets(
        reservation: &Reservation,
        shape: AttentionShape,
        kind: PlanKind,
        buckets: Buckets,
        pools: &KvPools,
    ) -> Self {
        let (device, writes) = (&pools.device(), reservation.writes());
        #[cfg(feature = "flex")]
        let tiles = if kind == PlanKind::Tiles { tiles::plan(reservation, shape.group, pools) } else { None };
        #[cfg(feature = "flex")]
        if tiles.is_some() {
            let rows = reservation.tokens().len();
            return Self { shape, rows, writes, groups: Vec::new(), reorder: None, tiles };
        }
        let sizes = Sizes::new(reservation, buckets, pools.slots());
        let plans = plan::groups(reservation, kind, &sizes);
        let reorder = plan::reorder(&plans, &sizes).map(|places| indices(&places, device));
        let groups = plans.into_iter().map(|plan| Group::new(plan, &sizes, shape, device)).collect();
        Self {
            shape,
            rows: sizes.padded,
            writes,
            groups,
            reorder,
            #[cfg(feature = "flex")]
            tiles,
        }
    }

    /// Rows of the pass, padding included: what the tensors of [`attend`](Self::attend) have.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// One value a row, tokens or positions, with zeros for the padding rows.
    #[must_use]
    pub fn padded<'a>(&self, values: &'a [u32]) -> Cow<'a, [u32]> {
        buckets::padded(values, self.rows)
    }

    /// Writes the new rows of a layer into the pools and attends.
    ///
    /// # Shapes
    ///
    /// `rows` as [`rows`](Self::rows) says.
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
    fn new(plan: GroupPlan, sizes: &Sizes, shape: AttentionShape, device: &Device) -> Self {
        let (chains, len) = (plan.chains, plan.len);
        let hidden = plan.hidden(shape.group).map(|hidden| {
            let size = [1, chains, len * shape.group, plan.suffix_len];
            Tensor::from_data(TensorData::new(hidden, size), device)
        });
        let trunk = Trunk::new(&plan, sizes.buckets, device);
        let keys = match &plan.suffix {
            KeySource::NewRows => SuffixKeys::NewRows,
            KeySource::Slots(slots) => SuffixKeys::Gather(indices(slots, device)),
            KeySource::View(extent) => SuffixKeys::View(*extent),
        };
        let suffix = Suffix { keys, len: plan.suffix_len, hidden };
        let in_order = plan.rows.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let rows = match (in_order, plan.rows.first()) {
            (true, Some(0)) if plan.rows.len() == sizes.padded => Rows::All,
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
        let scores = masked(scores, self.suffix.hidden.as_ref());
        let folded = queries.reshape([kv_heads, rows * group, head_dim]);
        let output = match self.trunk.rows(layer) {
            None => softmax_f32(scores).matmul(suffix_values),
            Some((trunk_keys, trunk_values)) => {
                let trunk_len = trunk_keys.dims()[1];
                let trunk = folded.matmul(trunk_keys.swap_dims(1, 2));
                let trunk = trunk.reshape([kv_heads, self.chains, self.len * group, trunk_len]);
                let trunk = masked(trunk, self.trunk.hidden());
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
    /// A view where slots are contiguous and sizes exact. Rounded up it is gathered: beyond a view lies what others wrote, and zero
    /// times that is not always zero.
    fn new(plan: &GroupPlan, buckets: Buckets, device: &Device) -> Self {
        match (plan.trunk.as_slice(), buckets) {
            ([], _) => Self::None,
            ([whole], Buckets::Exact) => Self::View(*whole),
            _ => {
                let (slots, real) = (plan.trunk_slots(buckets), plan.trunk_len());
                let hidden: Vec<bool> = (0..slots.len()).map(|place| place >= real).collect();
                let hidden = TensorData::new(hidden, [1, 1, 1, slots.len()]);
                let hidden = (real < slots.len()).then(|| Tensor::from_data(hidden, device));
                Self::Gather(indices(&slots, device), hidden)
            }
        }
    }

    /// Which of its keys are padding.
    fn hidden(&self) -> Option<&Tensor<4, Bool>> {
        if let Self::Gather(_, hidden) = self { hidden.as_ref() } else { None }
    }

    fn rows(&self, layer: &LayerRows<'_>) -> Option<(Tensor<3>, Tensor<3>)> {
        match self {
            Self::None => None,
            Self::View(extent) => Some(layer.pools.view(layer.layer, *extent)),
            Self::Gather(slots, _) => Some(layer.pools.gather(layer.layer, slots)),
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

/// Scores with those of hidden keys so low that they vanish.
fn masked(scores: Tensor<4>, hidden: Option<&Tensor<4, Bool>>) -> Tensor<4> {
    let lowest = lowest(scores.dtype());
    match hidden {
        Some(hidden) => scores.mask_fill(hidden.clone(), lowest),
        None => scores,
    }
}

/// A score that vanishes in the softmax and is finite in the type.
fn lowest(dtype: DType) -> f32 {
    if dtype == DType::F16 { -6e4 } else { -1e30 }
}

fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
    Tensor::from_data(TensorData::from(values.as_slice()), device)
}
