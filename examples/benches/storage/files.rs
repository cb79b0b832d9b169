//! Bytes moved at large: pools that grow, snapshots, and memory copied for comparison.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use saffron_kvtrie::evict::Lru;
use saffron_kvtrie::{KvPools, KvTrie, PoolShape, Reuse, Want};

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
        pools.ensure((TOKENS as usize).div_ceil(2)).unwrap_or_else(|error| panic!("{error}"));
        pools
    };
    group.bench_function("grow", |bench| {
        bench.iter_batched_ref(half, |pools| pools.ensure(TOKENS as usize + 1).is_ok(), BatchSize::PerIteration);
    });
    let (from, mut to) = (vec![1u8; bytes() as usize], vec![0u8; bytes() as usize]);
    group.bench_function("memcpy", |bench| bench.iter(|| black_box(&mut to).copy_from_slice(black_box(&from))));
    group.finish();
}

/// 16 stored prompts that fill the pools.
fn full() -> KvTrie<KvPools> {
    let mut cache = KvTrie::new(full_pools(shape(), TOKENS));
    let stored = rows([3, 1023, 64]);
    for prompt in 0..16u32 {
        let tokens: Vec<u32> = (0..1023).map(|place| prompt * 1023 + place).collect();
        let step = cache.step(&[Want::keep(&tokens)], Reuse::Cached, |rows, pools| {
            (0..8).for_each(|layer| pools.write(layer, &rows.writes(), &stored, &stored));
            Ok::<_, std::convert::Infallible>(())
        });
        step.unwrap_or_else(|error| panic!("{error}"));
    }
    cache
}

/// A beam of eight that grew token by token to half of the pools, then brought together.
pub(crate) fn compact(criterion: &mut Criterion) {
    let stored = rows([3, 8, 64]);
    let grown = || {
        let mut cache = KvTrie::new(full_pools(shape(), TOKENS));
        let mut held = vec![cache.root(); 8];
        for place in 0..TOKENS / 16 {
            let next: Vec<[u32; 1]> = (0..8).map(|leaf| [place * 8 + leaf]).collect();
            let wants: Vec<Want<'_>> = held.iter().zip(&next).map(|(seq, token)| Want::after(seq, token)).collect();
            let step = cache.step(&wants, Reuse::Cached, |rows, pools| {
                (0..8).for_each(|layer| pools.write(layer, &rows.writes(), &stored, &stored));
                Ok::<_, std::convert::Infallible>(())
            });
            held = step.unwrap_or_else(|error| panic!("{error}")).seqs;
        }
        cache
    };
    let moved = grown().compact().unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("storage/T7");
    group.throughput(Throughput::Bytes(shape().bytes_per_token() * moved as u64));
    group.bench_function("compact", |bench| {
        bench.iter_batched_ref(grown, |cache| cache.compact().is_ok(), BatchSize::PerIteration);
    });
    group.finish();
}

/// To a file and back.
pub(crate) fn snapshots(criterion: &mut Criterion) {
    let cache = full();
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = dir.path().join("snapshot");
    cache.save(&path, b"bench").unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("storage/T7");
    group.throughput(Throughput::Bytes(shape().bytes_per_token() * 16 * 1023));
    group.bench_function("snapshot_save", |bench| {
        bench.iter(|| cache.save(&path, b"bench").unwrap_or_else(|error| panic!("{error}")));
    });
    group.bench_function("snapshot_load", |bench| {
        let empty = || KvPools::new(shape(), TOKENS, &bench_device());
        bench.iter(|| black_box(KvTrie::<KvPools>::restore(&path, b"bench", empty(), Lru::default())).is_ok());
    });
    group.finish();
}
