//! Bytes moved at large: pools that grow, snapshots, and memory copied for comparison.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use saffron_kvtrie::snapshot::{load, save};
use saffron_kvtrie::{Extent, KvPools, PoolShape, Reuse, Trie, Want};

use crate::step::{bench_device, full_pools, pool_shape, rows};

/// Tokens of the pools; 12 KiB each in eight layers.
const TOKENS: u32 = 16_383;

fn shape() -> PoolShape {
    pool_shape(8, 3, 64)
}

fn bytes() -> u64 {
    shape().bytes_per_token() * u64::from(TOKENS + 1)
}

/// Pools that double to 201 MB, and as many bytes copied from warm memory to warm memory.
pub(crate) fn grow(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("storage/T7");
    group.throughput(Throughput::Bytes(bytes()));
    let half = || {
        let mut pools = KvPools::new(shape(), TOKENS, &bench_device());
        pools.ensure((TOKENS as usize + 1) / 2);
        pools
    };
    group.bench_function("grow", |bench| {
        bench.iter_batched_ref(half, |pools| pools.ensure(TOKENS as usize + 1), BatchSize::PerIteration);
    });
    let (from, mut to) = (vec![1u8; bytes() as usize], vec![0u8; bytes() as usize]);
    group.bench_function("memcpy", |bench| bench.iter(|| black_box(&mut to).copy_from_slice(black_box(&from))));
    group.finish();
}

/// 16 stored prompts that fill the pools, to a file and back.
pub(crate) fn snapshots(criterion: &mut Criterion) {
    let (mut trie, mut pools) = (Trie::new(TOKENS), full_pools(shape(), TOKENS));
    let stored = rows([3, TOKENS as usize, 64]);
    (0..8).for_each(|layer| pools.write(layer, &[(0, Extent { base: 1, len: TOKENS })], &stored, &stored));
    for prompt in 0..16u32 {
        let tokens: Vec<u32> = (0..1023).map(|place| prompt * 1023 + place).collect();
        let reservation = trie.reserve(&[Want::keep(&tokens)], Reuse::Cached).unwrap_or_else(|error| panic!("{error}"));
        drop(trie.commit(reservation));
    }
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = dir.path().join("snapshot");
    save(&path, b"bench", &trie, &pools).unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("storage/T7");
    group.throughput(Throughput::Bytes(shape().bytes_per_token() * 16 * 1023));
    group.bench_function("snapshot_save", |bench| {
        bench.iter(|| save(&path, b"bench", &trie, &pools).unwrap_or_else(|error| panic!("{error}")));
    });
    group.bench_function("snapshot_load", |bench| {
        bench.iter(|| black_box(load(&path, b"bench", shape(), TOKENS, &bench_device())).is_ok());
    });
    group.finish();
}
