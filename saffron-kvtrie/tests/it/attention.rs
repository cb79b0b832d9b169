//! Planned attention against a dense float64 reference.

use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use saffron_kvtrie::attention::{AttentionPlan, AttentionShape, PlanKind};
use saffron_kvtrie::{KvPools, PoolShape, Reservation, Reuse, Trie, Want};

const QUERIES: u64 = 1;
const KEYS: u64 = 2;
const VALUES: u64 = 3;

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
    kind: PlanKind,
    pub(crate) trie: Trie,
    pub(crate) pools: KvPools,
    /// A path whose rows are NaN, and all that descends from it.
    pub(crate) poisoned: Option<Vec<u32>>,
}

impl Bench {
    pub(crate) fn new(shape: AttentionShape, kind: PlanKind) -> Self {
        let pool = PoolShape { layers: 1, kv_heads: shape.kv_heads, head_dim: shape.head_dim, dtype: DType::F32 };
        Self { shape, kind, trie: Trie::new(600), pools: KvPools::new(pool, 600, &Device::flex()), poisoned: None }
    }

    /// Attends for contexts and compares every output row with the reference.
    pub(crate) fn check(&mut self, contexts: &[Vec<u32>], reuse: Reuse) {
        let AttentionShape { kv_heads, group, head_dim } = self.shape;
        let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
        let reservation = self.trie.reserve(&wants, reuse).unwrap();
        self.pools.ensure(reservation.slot_bound()).unwrap();
        let paths = row_paths(&reservation, contexts);
        let rows = paths.len();
        let fill = |kind: u64, inner: usize| -> Vec<f32> {
            let cell = |head: usize, row: usize, index: usize| {
                if self.is_poisoned(&paths[row]) { f32::NAN } else { number(kind, head, &paths[row], index) as f32 }
            };
            let cells = (0..kv_heads).flat_map(|head| (0..rows).map(move |row| (head, row)));
            cells.flat_map(|(head, row)| (0..inner).map(move |index| cell(head, row, index))).collect()
        };
        let device = Device::flex();
        let tensor = |values, width| Tensor::<3>::from_data(TensorData::new(values, [kv_heads, rows, width]), &device);
        let queries =
            tensor(fill(QUERIES, group * head_dim), group * head_dim).reshape([kv_heads, rows, group, head_dim]);
        let (keys, values) = (tensor(fill(KEYS, head_dim), head_dim), tensor(fill(VALUES, head_dim), head_dim));
        let plan = AttentionPlan::new(&reservation, self.shape, self.kind, &self.pools);
        let output = plan.attend(&mut self.pools, 0, queries, keys, values).into_data();
        let output: Vec<f32> = output.iter::<f32>().collect();
        for (row, path) in paths.iter().enumerate() {
            for head in 0..kv_heads {
                for member in 0..group {
                    let start = (head * group + member) * head_dim;
                    let found = (start..start + head_dim).map(|feature| &output[feature * rows + row]);
                    let expected = self.dense(path, head, member);
                    if self.is_poisoned(path) {
                        assert!(found.into_iter().all(|found| found.is_nan()), "what attends to NaN is NaN");
                        continue;
                    }
                    for (found, expected) in found.zip(&expected) {
                        assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} for {expected}, row {path:?}");
                    }
                }
            }
        }
        assert_eq!(self.pools.copied_writes(), 0, "writes are in place");
        self.trie.commit(reservation).unwrap();
    }

    fn is_poisoned(&self, path: &[u32]) -> bool {
        self.poisoned.as_ref().is_some_and(|poisoned| path.starts_with(poisoned))
    }

    /// One row's attention over its whole path, in float64.
    fn dense(&self, path: &[u32], head: usize, member: usize) -> Vec<f64> {
        let width = self.shape.head_dim;
        let query: Vec<f64> = (0..width).map(|i| narrow(number(QUERIES, head, path, member * width + i))).collect();
        let row = |kind, depth: usize| -> Vec<f64> {
            (0..width).map(|i| narrow(number(kind, head, &path[..=depth], i))).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let scores: Vec<f64> = (0..path.len()).map(|depth| dot(&query, &row(KEYS, depth))).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut mixed = vec![0.0; width];
        for (depth, weight) in weights.iter().enumerate() {
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

#[test]
fn every_kind_of_batch_agrees_with_float64() {
    let shapes = [(2, 1, 64), (1, 3, 80), (2, 4, 96), (1, 8, 128), (3, 3, 6), (1, 20, 8)];
    for (kind, (kv_heads, group, head_dim)) in
        PlanKind::ALL.into_iter().flat_map(|kind| shapes.map(|shape| (kind, shape)))
    {
        let mut bench = Bench::new(shape(kv_heads, group, head_dim), kind);
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
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_batches_agree_with_float64(
        steps in prop::collection::vec(prop::collection::vec(prop::collection::vec(0..3u32, 1..14), 1..6), 1..6),
        group in 1..4usize,
        kind in prop::sample::select(PlanKind::ALL.to_vec()),
    ) {
        let mut bench = Bench::new(shape(2, group, 4), kind);
        for mut contexts in steps {
            contexts.sort();
            contexts.dedup();
            bench.check(&contexts, Reuse::Cached);
        }
    }
}
