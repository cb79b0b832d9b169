//! Which plan a forward pass takes: a cost model weighs bytes and launches.

use crate::reserve::{Reservation, Segment};

use super::AttentionShape;
use super::path::{Window, common_prefix, length};
use super::plan::PIECE;

/// The ways of attending. All give the same rows but for rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlanKind {
    /// Straight from the pools in tiles of rows; `flex` in float32 only. Elsewhere the cascade
    /// takes its place.
    Tiles,
    /// The trunk that all short chains share once, as a view; the rest of each gathered.
    Cascade,
    /// Every context gathered, as far as its window reaches: for sequences that share nothing.
    Gather,
    /// One product with all slots up to the highest in use, and a mask: the fewest operations, the
    /// most arithmetic. It reads what other sequences wrote, so that a NaN of one reaches all; the
    /// other plans keep branches apart (tiles: those of different tiles).
    Flat,
}

impl PlanKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tiles, Self::Cascade, Self::Gather, Self::Flat];
}

/// What a plan's cost depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// Rows to compute.
    pub rows: usize,
    /// Chains of them.
    pub chains: usize,
    /// Tokens before the first row that all chains share.
    pub trunk: usize,
    /// Longest rest of a chain, its rows included.
    pub suffix: usize,
    /// Slots up to the highest in use.
    pub bound: usize,
}

impl Frontier {
    /// The figures of a reservation.
    #[must_use]
    pub fn new(reservation: &Reservation) -> Self {
        let segments: Vec<&Segment> = reservation.segments().iter().collect();
        let trunk = length(&common_prefix(&segments));
        let rest = |segment: &&Segment| segment.prefix_len() - trunk + segment.rows.len();
        Self {
            rows: reservation.tokens().len(),
            chains: segments.len(),
            trunk,
            suffix: segments.iter().map(rest).max().unwrap_or(0),
            bound: reservation.slot_bound(),
        }
    }

    /// The same for layers with a window (of [`PlanOptions::window`](super::PlanOptions::window)):
    /// trunk and suffix as far as the rows of the longest chain see them. A long chain is attended
    /// in pieces: it counts with what its last piece sees. Unchanged without a window, or with one
    /// that is no narrower than the longest context.
    ///
    /// ```
    /// use saffron_kvtrie::attention::Frontier;
    /// let beam = Frontier { rows: 16, chains: 16, trunk: 4000, suffix: 96, bound: 6000 };
    /// let seen = beam.within(Some(512));
    /// assert_eq!((seen.trunk, seen.suffix), (416, 96));
    /// assert_eq!(beam.within(None), beam);
    /// ```
    #[must_use]
    pub fn within(self, window: Option<usize>) -> Self {
        let reach = Window::new(window).reach();
        let new = self.rows.div_ceil(self.chains.max(1)).min(PIECE).min(self.suffix);
        let own = (self.suffix - new).min(reach);
        Self { trunk: self.trunk.min(reach - own), suffix: own + new, ..self }
    }
}

/// Picks a plan for every forward pass.
pub trait AttentionPlanner: std::fmt::Debug + Send {
    /// The plan for a frontier.
    fn pick(&self, frontier: &Frontier, shape: AttentionShape) -> PlanKind;
}

/// Always the same plan.
impl AttentionPlanner for PlanKind {
    fn pick(&self, _: &Frontier, _: AttentionShape) -> PlanKind {
        *self
    }
}

/// Time as bytes over bandwidth and operations times their launch.
///
/// With `kv` the bytes of a token in one layer: the cascade reads the trunk once and moves every
/// suffix three times (read, write, read), gathering does the latter with everything, flat
/// attention reads every slot once and passes several times over a score for each slot and row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostModel {
    /// Bytes per second that memory delivers.
    pub bandwidth: f64,
    /// Seconds that an operation costs before it moves a byte.
    pub launch: f64,
    /// What a score costs, in passes over it: those of the softmax, and on a CPU the products that
    /// make and use it, which take far longer.
    pub score_passes: f64,
}

impl CostModel {
    /// A CPU: operations are calls, and arithmetic is what costs.
    ///
    /// Fitted on 2026-11-25 to the 84 times of `storage/T3` (benchmark `storage` of the examples,
    /// which prints the fit): burn 0.22.1 `flex` with AVX-512, float32, two cores of an AMD EPYC
    /// virtual machine. Of the 28 frontiers there its pick is the fastest for 24, within 10 % of it
    /// for 27, and at worst 11 % slower. The cost of a call did not show beside the rest.
    #[must_use]
    pub fn cpu() -> Self {
        Self { bandwidth: 44e9, launch: 0.0, score_passes: 122.0 }
    }

    /// A data-centre GPU: operations are launches, and bytes are cheap.
    #[must_use]
    pub fn gpu() -> Self {
        Self { bandwidth: 3e12, launch: 3e-6, score_passes: 6.0 }
    }

    /// Seconds of a layer's attention.
    #[must_use]
    pub fn seconds(&self, kind: PlanKind, frontier: &Frontier, shape: AttentionShape) -> f64 {
        let kv = (2 * shape.kv_heads * shape.head_dim * 4) as f64;
        let heads = (shape.kv_heads * shape.group) as f64;
        let Frontier { rows, chains, trunk, suffix, bound } = *frontier;
        let (rows, chains, trunk) = (rows as f64, chains as f64, trunk as f64);
        let (suffix, bound) = (suffix as f64, bound as f64);
        let scores = |columns: f64| 4.0 * self.score_passes * heads * rows * columns;
        let (bytes, operations) = match kind {
            PlanKind::Tiles => (kv * (trunk + chains * suffix), 1.0),
            PlanKind::Cascade => (kv * (trunk + 3.0 * chains * suffix) + scores(trunk + suffix), 13.0),
            PlanKind::Gather => (3.0 * kv * chains * (trunk + suffix) + scores(trunk + suffix), 7.0),
            PlanKind::Flat => (kv * bound + scores(bound), 5.0),
        };
        bytes / self.bandwidth + operations * self.launch
    }
}

impl AttentionPlanner for CostModel {
    /// The cheapest plan that every backend has; the first of [`PlanKind::ALL`] among equals.
    fn pick(&self, frontier: &Frontier, shape: AttentionShape) -> PlanKind {
        let cost = |kind: &PlanKind| self.seconds(*kind, frontier, shape);
        let portable = [PlanKind::Cascade, PlanKind::Gather, PlanKind::Flat];
        let cheapest = portable.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
        cheapest.unwrap_or(PlanKind::Cascade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: AttentionShape = AttentionShape { kv_heads: 8, group: 4, head_dim: 64 };

    fn frontier(chains: usize, trunk: usize, suffix: usize) -> Frontier {
        Frontier { rows: chains, chains, trunk, suffix, bound: trunk + chains * suffix }
    }

    #[test]
    fn a_cpu_shares_the_trunk_of_a_frontier() {
        assert_eq!(CostModel::cpu().pick(&frontier(16, 1000, 50), SHAPE), PlanKind::Cascade);
    }

    #[test]
    fn a_cpu_takes_the_cascade_for_every_beam_that_was_measured() {
        for shape in [SHAPE, AttentionShape { kv_heads: 3, group: 3, head_dim: 64 }] {
            for trunk in [96, 1024] {
                for chains in [2, 4, 8, 16, 32, 64] {
                    assert_eq!(CostModel::cpu().pick(&frontier(chains, trunk, 48), shape), PlanKind::Cascade);
                }
            }
        }
    }

    #[test]
    fn a_cpu_masks_no_sequences_that_share_nothing() {
        let unrelated = Frontier { rows: 4, chains: 4, trunk: 0, suffix: 200, bound: 800 };
        assert_ne!(CostModel::cpu().pick(&unrelated, SHAPE), PlanKind::Flat);
    }

    #[test]
    fn a_gpu_saves_operations_while_scores_are_few() {
        assert_eq!(CostModel::gpu().pick(&frontier(16, 100, 20), SHAPE), PlanKind::Flat);
        assert_ne!(CostModel::gpu().pick(&frontier(128, 1000, 200), SHAPE), PlanKind::Flat);
    }

    #[test]
    fn nothing_is_read_beyond_its_use_when_the_pool_holds_much_else() {
        let crowded = Frontier { bound: 1_000_000, ..frontier(4, 100, 10) };
        assert_ne!(CostModel::gpu().pick(&crowded, SHAPE), PlanKind::Flat);
    }

    #[test]
    fn one_chain_with_nothing_shared_needs_no_cascade() {
        let kind = CostModel::gpu().pick(&frontier(1, 0, 40), SHAPE);
        assert_ne!(kind, PlanKind::Cascade);
    }
}
