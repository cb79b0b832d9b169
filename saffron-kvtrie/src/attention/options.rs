//! What a caller chooses about a plan.

use super::{Buckets, PlanKind};

/// How the rows of a pass attend: the kind of plan, and what the model's layers ask for. Layers
/// that differ in window or cap have a plan each; both have the same rows where kind and buckets
/// are the same.
///
/// ```
/// use saffron_kvtrie::attention::{AttentionPlan, AttentionShape, PlanKind, PlanOptions};
/// use saffron_kvtrie::{KvPools, PoolShape, Reuse, Trie, Want};
/// use burn::tensor::{DType, Device};
///
/// let shape = AttentionShape { kv_heads: 2, group: 1, head_dim: 8 };
/// let pools = PoolShape { layers: 2, kv_heads: 2, head_dim: 8, dtype: DType::F32 };
/// let pools = KvPools::new(pools, 100, &Device::flex());
/// let tokens: Vec<u32> = (0..50).collect();
/// let reservation = Trie::new(100).reserve(&[Want::keep(&tokens)], Reuse::Cached)?;
///
/// let full = PlanOptions::new(PlanKind::Cascade);
/// let sliding = PlanOptions { window: Some(16), score_cap: Some(50.0), ..full };
/// for options in [full, sliding] {
///     assert_eq!(AttentionPlan::with_options(&reservation, shape, options, &pools).rows(), 50);
/// }
/// # Ok::<(), saffron_kvtrie::CacheError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanOptions {
    /// The way of attending.
    pub kind: PlanKind,
    /// How sizes are rounded up.
    pub buckets: Buckets,
    /// Tokens of its context that a row sees, counted back from itself and itself included: the row
    /// at position `p` sees the keys at positions above `p - window`. `None`: the whole context.
    /// Zero counts as one, since a row always sees itself.
    pub window: Option<usize>,
    /// Soft cap `c` on scores: a score `s` becomes `c · tanh(s / c)` before keys are hidden and the
    /// softmax is taken. `None`: scores stay as they are. A cap must be finite and above zero; with
    /// any other every output is NaN.
    pub score_cap: Option<f32>,
}

impl PlanOptions {
    /// Exact sizes, the whole context, no cap.
    #[must_use]
    pub fn new(kind: PlanKind) -> Self {
        Self { kind, buckets: Buckets::Exact, window: None, score_cap: None }
    }

    /// The cap; NaN if it is not finite and above zero.
    pub(super) fn cap(self) -> Option<f32> {
        self.score_cap.map(|cap| if cap.is_finite() && cap > 0.0 { cap } else { f32::NAN })
    }
}
