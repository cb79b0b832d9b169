//! How the rows of a reservation attend, exactly and without expanding shared rows.
//!
//! Rows are taken in groups. The short chains of a frontier form one group: what all of them have
//! as prefix (the trunk) is read once, the rest of each (the suffix) is gathered and padded. A long
//! chain, a prompt say, is a group of its own: its trunk is all that is stored before it, its
//! suffix the new rows themselves. Scores over trunk and suffix are joined before one softmax.
//!
//! The group of query heads that share a key head is folded into the query rows, so keys and values
//! are never repeated.
//!
//! A layer with a sliding window has a plan of its own, which reads what some row's window holds:
//! the trunk begins with the earliest window of its group, suffixes and tiles likewise, and a row
//! whose window begins later hides the keys before it. Those it multiplies by zero, so that a NaN
//! in a row's own past may reach it there.
//!
//! Where a backend pays for every new shape, sizes are rounded up ([`Buckets`]): rows, chains,
//! their lengths, trunks and suffixes. What is added reads the null row, is masked, writes nothing,
//! and its outputs are dropped.

mod buckets;
mod fit;
mod group;
mod hidden;
mod options;
mod path;
mod plan;
mod planner;
#[cfg(test)]
mod seen;
#[cfg(feature = "flex")]
mod tiles;

use std::borrow::Cow;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::index::Extent;
use crate::pool::KvPools;
use crate::reserve::Reservation;
pub use buckets::Buckets;
pub use fit::PlanTime;
use group::{Group, LayerRows};
pub use options::PlanOptions;
use plan::Sizes;
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

/// The plan of one forward pass; made once, used by every layer of one window and cap.
#[derive(Debug)]
pub struct AttentionPlan {
    shape: AttentionShape,
    /// Rows of the pass, padding included.
    rows: usize,
    writes: Vec<(usize, Extent)>,
    groups: Vec<Group>,
    #[cfg(feature = "flex")]
    tiles: Option<tiles::Tiles>,
    /// Where the groups' rows, joined, are to be found in row order; none when they are in order
    /// already.
    reorder: Option<Tensor<1, Int>>,
}

impl AttentionPlan {
    /// Plans the rows of a reservation. [`PlanKind::Tiles`] needs pools of the `flex` backend in
    /// float32; the cascade stands in for it.
    #[must_use]
    pub fn new(reservation: &Reservation, shape: AttentionShape, kind: PlanKind, pools: &KvPools) -> Self {
        Self::with_options(reservation, shape, PlanOptions::new(kind), pools)
    }

    /// The same with a window, capped scores, or sizes rounded up. Of rounded sizes the pass has
    /// [`rows`](Self::rows) rows, those of the reservation first. Tiles have exact sizes always.
    #[must_use]
    pub fn with_options(
        reservation: &Reservation,
        shape: AttentionShape,
        options: PlanOptions,
        pools: &KvPools,
    ) -> Self {
        let (device, writes) = (&pools.device(), reservation.writes());
        #[cfg(feature = "flex")]
        let tiles = tiles::plan(reservation, shape.group, options, pools);
        #[cfg(feature = "flex")]
        if tiles.is_some() {
            let rows = reservation.tokens().len();
            return Self { shape, rows, writes, groups: Vec::new(), reorder: None, tiles };
        }
        let sizes = Sizes::new(reservation, options, pools.slots());
        let plans = plan::groups(reservation, options.kind, &sizes);
        let reorder = plan::reorder(&plans, &sizes).map(|places| indices(&places, device));
        let group = |plan| Group::new(plan, &sizes, (shape, options.cap()), device);
        let groups = plans.iter().map(group).collect();
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
        if let Some(output) = self.tiles.as_ref().and_then(|tiles| tiles.attend(self.shape, pools, layer, &queries)) {
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

fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
    Tensor::from_data(TensorData::from(values.as_slice()), device)
}
