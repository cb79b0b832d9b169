//! How a group of rows attends, in burn's operations: for every backend and type.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use super::hidden::Mask;
use super::plan::{GroupPlan, KeySource, Sizes};
use super::{AttentionShape, Buckets, indices};
use crate::index::Extent;
use crate::pool::KvPools;

/// Rows that are attended together: `chains` times `len` of them.
#[derive(Debug)]
pub(super) struct Group {
    chains: usize,
    len: usize,
    rows: Rows,
    trunk: Option<Trunk>,
    suffix: Suffix,
    cap: Option<f32>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a few of them a forward pass")]
enum Rows {
    All,
    Range(std::ops::Range<usize>),
    Gather(Tensor<1, Int>),
}

#[derive(Debug)]
struct Trunk {
    keys: TrunkKeys,
    /// True where they are padding, `[1, 1, 1, trunk]`, or before a row's window,
    /// `[1, chains, len · group, trunk]`.
    hidden: Option<Tensor<4, Bool>>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a few of them a forward pass")]
enum TrunkKeys {
    View(Extent),
    /// Slots, padded.
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
pub(super) struct LayerRows<'a> {
    pub(super) pools: &'a KvPools,
    pub(super) layer: usize,
    pub(super) queries: Tensor<4>,
    pub(super) keys: Tensor<3>,
    pub(super) values: Tensor<3>,
}

impl Group {
    pub(super) fn new(
        plan: &GroupPlan,
        sizes: &Sizes,
        (shape, cap): (AttentionShape, Option<f32>),
        device: &Device,
    ) -> Self {
        let hidden = plan.hidden_suffix(shape.group).map(|mask| mask.on(device));
        let trunk = Trunk::new(plan, sizes.buckets, shape.group, device);
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
        Self { chains: plan.chains.len(), len: plan.len, rows, trunk, suffix, cap }
    }

    pub(super) fn attend(&self, shape: AttentionShape, layer: &LayerRows<'_>) -> Tensor<4> {
        let AttentionShape { kv_heads, group, head_dim } = shape;
        let rows = self.chains * self.len;
        let queries = self.rows.of(layer.queries.clone()).reshape([kv_heads, self.chains, self.len * group, head_dim]);
        let (suffix_keys, suffix_values) = self.suffix_rows(shape, layer);
        let scores = queries.clone().matmul(suffix_keys.swap_dims(2, 3));
        let scores = masked(capped(scores, self.cap), self.suffix.hidden.as_ref());
        let folded = queries.reshape([kv_heads, rows * group, head_dim]);
        let output = match &self.trunk {
            None => softmax_f32(scores).matmul(suffix_values),
            Some(shared) => {
                let (trunk_keys, trunk_values) = shared.rows(layer);
                let trunk_len = trunk_keys.dims()[1];
                let trunk = folded.matmul(trunk_keys.swap_dims(1, 2));
                let trunk = trunk.reshape([kv_heads, self.chains, self.len * group, trunk_len]);
                let trunk = masked(capped(trunk, self.cap), shared.hidden.as_ref());
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
    /// A view where slots are contiguous and sizes exact. Rounded up it is gathered: beyond a view
    /// lies what others wrote, and zero times that is not always zero.
    fn new(plan: &GroupPlan, buckets: Buckets, group: usize, device: &Device) -> Option<Self> {
        let (keys, len) = match (plan.trunk.as_slice(), buckets) {
            ([], _) => return None,
            ([whole], Buckets::Exact) => (TrunkKeys::View(*whole), whole.len as usize),
            _ => {
                let slots = plan.trunk_slots(buckets);
                (TrunkKeys::Gather(indices(&slots, device)), slots.len())
            }
        };
        let hidden = plan.hidden_trunk(group, len).map(|mask| mask.on(device));
        Some(Self { keys, hidden })
    }

    fn rows(&self, layer: &LayerRows<'_>) -> (Tensor<3>, Tensor<3>) {
        match &self.keys {
            TrunkKeys::View(extent) => layer.pools.view(layer.layer, *extent),
            TrunkKeys::Gather(slots) => layer.pools.gather(layer.layer, slots),
        }
    }
}

impl Mask {
    fn on(self, device: &Device) -> Tensor<4, Bool> {
        Tensor::from_data(TensorData::new(self.hidden, self.size), device)
    }
}

/// Softmax over the last axis in float32, whatever the scores' type.
fn softmax_f32(scores: Tensor<4>) -> Tensor<4> {
    match scores.dtype() {
        DType::F32 => softmax(scores, 3),
        other => softmax(scores.cast(DType::F32), 3).cast(other),
    }
}

/// Scores drawn softly into ±cap.
fn capped<const D: usize>(scores: Tensor<D>, cap: Option<f32>) -> Tensor<D> {
    match cap {
        Some(cap) => scores.div_scalar(cap).tanh().mul_scalar(cap),
        None => scores,
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
