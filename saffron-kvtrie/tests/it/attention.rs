//! Planned attention against a dense float64 reference.

use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use saffron_kvtrie::attention::{AttentionPlan, AttentionShape, Buckets, PlanKind, PlanOptions};
use saffron_kvtrie::{Extent, KvPools, PoolShape, Reservation, Reuse, Trie, Want};

const QUERIES: u64 = 1;
const KEYS: u64 = 2;
const VALUES: u64 = 3;

const BUCKETS: [Buckets; 2] = [Buckets::Exact, Buckets::Powers];

/// A number that depends on what it is of, and on nothing else.
fn number(kind: u64, head: usize, path: &[u32], index: usize) -> f64 {
    let mut hash = kind.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (head as u64) << 32 ^ index as u64;
    for token in path {
        hash = (hash ^ u64::from(*token)).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    }
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (hash >> 40) as f64 / f64::from(1u32 << 24) * 4.0 - 2.0;
    // Queries come scaled, so that scores keep to the size that they have in models.
    if kind == QUERIES { value / 8.0 } else { value }
}

pub(crate) struct Bench {
    shape: AttentionShape,
    options: PlanOptions,
    device: Device,
    pub(crate) trie: Trie,
    pub(crate) pools: KvPools,
    /// A path whose rows are NaN, and all that descends from it.
    pub(crate) poisoned: Option<Vec<u32>>,
}

/// Output of a pass: `[kv_heads · group · head_dim, padded]`, and the path of every row.
pub(crate) struct Attended {
    pub(crate) output: Vec<f32>,
    padded: usize,
    paths: Vec<Vec<u32>>,
}

impl Bench {
    /// Exact sizes, on `flex`.
    pub(crate) fn new(shape: AttentionShape, kind: PlanKind) -> Self {
        Self::with(shape, PlanOptions::new(kind))
    }

    /// On `flex`.
    pub(crate) fn with(shape: AttentionShape, options: PlanOptions) -> Self {
        Self::on(DType::F32, shape, options, &Device::flex())
    }

    fn on(dtype: DType, shape: AttentionShape, options: PlanOptions, device: &Device) -> Self {
        let pool = PoolShape { layers: 1, kv_heads: shape.kv_heads, head_dim: shape.head_dim, dtype };
        let pools = KvPools::new(pool, 600, device);
        Self { shape, options, device: device.clone(), trie: Trie::new(600), pools, poisoned: None }
    }

    /// Attends for contexts and compares every output row with the reference.
    pub(crate) fn check(&mut self, contexts: &[Vec<u32>], reuse: Reuse) -> Attended {
        let attended = self.attend(contexts, reuse);
        let AttentionShape { kv_heads, group, .. } = self.shape;
        for row in 0..attended.paths.len() {
            for head in 0..kv_heads {
                (0..group).for_each(|member| self.check_row(&attended, row, head, member));
            }
        }
        let null = self.pools.view(0, Extent { base: 0, len: 1 });
        for rows in [null.0, null.1] {
            assert_eq!(rows.abs().sum().into_scalar::<f32>(), 0.0, "nothing is written to the null row");
        }
        attended
    }

    fn check_row(&self, attended: &Attended, row: usize, head: usize, member: usize) {
        let AttentionShape { group, head_dim, .. } = self.shape;
        let Attended { output, padded, paths } = attended;
        let tolerance = if self.pools.shape().dtype == DType::F32 { 1e-5 } else { 2e-2 };
        let start = (head * group + member) * head_dim;
        let found = (start..start + head_dim).map(|feature| output[feature * padded + row]);
        let path = &paths[row];
        if self.is_poisoned(path) {
            assert!(found.into_iter().all(f32::is_nan), "what attends to NaN is NaN");
            return;
        }
        for (found, expected) in found.zip(&self.dense(path, head, member)) {
            let gap = (f64::from(found) - expected).abs();
            assert!(gap < tolerance, "{found} for {expected}, {:?}, row {path:?}", self.options);
        }
    }

    /// Attends for contexts and stores them.
    pub(crate) fn attend(&mut self, contexts: &[Vec<u32>], reuse: Reuse) -> Attended {
        let AttentionShape { kv_heads, group, head_dim } = self.shape;
        let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
        let reservation = self.trie.reserve(&wants, reuse).unwrap();
        self.pools.ensure(reservation.slot_bound()).unwrap();
        let paths = row_paths(&reservation, contexts);
        let rows = paths.len();
        let plan = AttentionPlan::with_options(&reservation, self.shape, self.options, &self.pools);
        let padded = plan.rows();
        assert!(padded == rows || self.options.buckets == Buckets::Powers);
        // Padding rows hold numbers that would show if they reached another row.
        let fill = |kind: u64, inner: usize| -> Vec<f32> {
            let cell = |head: usize, row: usize, index: usize| {
                let Some(path) = paths.get(row) else { return 1e4 };
                if self.is_poisoned(path) { f32::NAN } else { number(kind, head, path, index) as f32 }
            };
            let cells = (0..kv_heads).flat_map(|head| (0..padded).map(move |row| (head, row)));
            cells.flat_map(|(head, row)| (0..inner).map(move |index| cell(head, row, index))).collect()
        };
        let (device, dtype) = (self.device.clone(), self.pools.shape().dtype);
        let tensor = |values, width| {
            Tensor::<3>::from_data(TensorData::new(values, [kv_heads, padded, width]), &device).cast(dtype)
        };
        let queries =
            tensor(fill(QUERIES, group * head_dim), group * head_dim).reshape([kv_heads, padded, group, head_dim]);
        let (keys, values) = (tensor(fill(KEYS, head_dim), head_dim), tensor(fill(VALUES, head_dim), head_dim));
        let output = plan.attend(&mut self.pools, 0, queries, keys, values).into_data();
        self.trie.commit(reservation).unwrap();
        Attended { output: output.iter::<f32>().collect(), padded, paths }
    }

    fn is_poisoned(&self, path: &[u32]) -> bool {
        self.poisoned.as_ref().is_some_and(|poisoned| path.starts_with(poisoned))
    }

    /// One row's attention over what it sees of its path, in float64.
    fn dense(&self, path: &[u32], head: usize, member: usize) -> Vec<f64> {
        let width = self.shape.head_dim;
        let query: Vec<f64> = (0..width).map(|i| narrow(number(QUERIES, head, path, member * width + i))).collect();
        let row = |kind, depth: usize| -> Vec<f64> {
            (0..width).map(|i| narrow(number(kind, head, &path[..=depth], i))).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let capped = |score: f64| {
            let cap = self.options.score_cap.map(f64::from);
            cap.map_or(score, |cap| cap * (score / cap).tanh())
        };
        let start = self.options.window.map_or(0, |window| path.len().saturating_sub(window.max(1)));
        let scores: Vec<f64> = (start..path.len()).map(|depth| capped(dot(&query, &row(KEYS, depth)))).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut mixed = vec![0.0; width];
        for (depth, weight) in (start..).zip(&weights) {
            let value = row(VALUES, depth);
            mixed.iter_mut().zip(&value).for_each(|(sum, value)| *sum += weight / total * value);
        }
        mixed
    }
}

fn narrow(value: f64) -> f64 {
    f64::from(value as f32)
}

/// The path of every row: contexts are walked in order, each row belongs to the first context that passes through it.
fn row_paths(reservation: &Reservation, contexts: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut paths = vec![Vec::new(); reservation.tokens().len()];
    let segments = reservation.segments();
    for (context, (output, computed)) in contexts.iter().zip(reservation.outputs().zip(reservation.computed())) {
        if computed.is_empty() {
            continue;
        }
        let segment = segments.iter().find(|segment| segment.rows.contains(&output)).unwrap();
        for row in segment.rows.clone() {
            paths[row] = context[..=reservation.positions()[row] as usize].to_vec();
        }
    }
    paths
}

pub(crate) fn shape(kv_heads: usize, group: usize, head_dim: usize) -> AttentionShape {
    AttentionShape { kv_heads, group, head_dim }
}

/// Batches of every kind, one after the other; returns how many writes copied a pool.
fn every_kind_of_batch(shape: AttentionShape, options: PlanOptions, device: &Device) -> u64 {
    let mut bench = Bench::on(DType::F32, shape, options, device);
    let prompt: Vec<u32> = (0..40).map(|i| i % 11).collect();
    let with = |tail: &[u32]| [&prompt[..], tail].concat();
    bench.check(&[prompt[..1].to_vec()], Reuse::Cached); // one row, nothing before it
    bench.check(std::slice::from_ref(&prompt), Reuse::Cached); // a prefill behind one cached row
    bench.check(&[with(&[1]), with(&[2]), with(&[3])], Reuse::Cached); // a frontier
    bench.check(&[with(&[1, 5]), with(&[1, 6]), with(&[3, 5])], Reuse::Cached); // its children, gathered suffixes
    bench.check(&[with(&[1, 5]), with(&[1, 6, 2])], Reuse::Cached); // one stored whole, one not
    bench.check(&[with(&[1, 5, 4, 4, 4]), with(&[2, 9]), with(&[7; 20])], Reuse::Cached); // ragged, one long
    bench.check(&[(100..230).collect(), vec![100, 101, 9]], Reuse::Cached); // one in several pieces
    bench.check(&[vec![50, 51], vec![60], prompt[..7].to_vec()], Reuse::Cached); // nothing in common
    bench.check(&[vec![50, 51, 52], vec![50, 51, 53, 54]], Reuse::Nothing); // cold
    bench.pools.copied_writes()
}

pub(crate) fn combinations() -> impl Iterator<Item = PlanOptions> {
    let options = |kind| BUCKETS.map(|buckets| PlanOptions { buckets, ..PlanOptions::new(kind) });
    PlanKind::ALL.into_iter().flat_map(options)
}

#[test]
fn every_kind_of_batch_agrees_with_float64() {
    let shapes = [(2, 1, 64), (1, 3, 80), (2, 4, 96), (1, 8, 128), (3, 3, 6), (1, 20, 8)];
    for (options, (kv_heads, group, head_dim)) in
        combinations().flat_map(|options| shapes.map(|shape| (options, shape)))
    {
        let copied = every_kind_of_batch(shape(kv_heads, group, head_dim), options, &Device::flex());
        assert_eq!(copied, 0, "writes are in place");
    }
}

#[test]
fn half_precision_agrees_with_float64_as_far_as_it_goes() {
    for options in combinations() {
        let mut bench = Bench::on(DType::BF16, shape(2, 3, 64), options, &Device::flex());
        let prompt: Vec<u32> = (0..30).map(|i| i % 11).collect();
        let with = |tail: &[u32]| [&prompt[..], tail].concat();
        bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
        bench.check(&[with(&[1]), with(&[2]), with(&[3])], Reuse::Cached);
        bench.check(&[with(&[1, 5, 4]), with(&[1, 6]), with(&[3, 5, 2, 2])], Reuse::Cached);
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn every_kind_of_batch_agrees_with_float64_on_ndarray() {
    #[allow(deprecated, reason = "tested as long as it is offered")]
    let device = Device::ndarray();
    for options in combinations() {
        every_kind_of_batch(shape(2, 3, 20), options, &device);
    }
}

#[cfg(feature = "wgpu-plain")]
#[test]
#[ignore = "needs a Vulkan driver; cargo test -p saffron-kvtrie --features wgpu-plain --test it -- --ignored wgpu"]
fn every_kind_of_batch_agrees_with_float64_on_wgpu() {
    let device = Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
    for options in combinations() {
        let copied = every_kind_of_batch(shape(2, 3, 20), options, &device);
        assert_eq!(copied, 0, "writes are in place");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn any_batches_agree_with_float64(
        steps in prop::collection::vec(prop::collection::vec(prop::collection::vec(0..3u32, 1..14), 1..6), 1..6),
        group in 1..4usize,
        options in prop::sample::select(combinations().collect::<Vec<_>>()),
    ) {
        let mut bench = Bench::with(shape(2, group, 4), options);
        for mut contexts in steps {
            contexts.sort();
            contexts.dedup();
            bench.check(&contexts, Reuse::Cached);
        }
        assert_eq!(bench.pools.copied_writes(), 0, "writes are in place");
    }
}
