//! Rows into the pools and out of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use burn::tensor::{Int, Tensor};
use criterion::Criterion;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_kvtrie::{Extent, KvPools};

use crate::step::{bench_device, full_pools, pool_shape, rows};

/// Bytes of a slot's keys: three heads of 64 float32 numbers, SmolLM2's.
const SLOT: usize = 3 * 64 * 4;

/// 16 rows of keys and of values, written side by side.
pub(crate) fn write(criterion: &mut Criterion) {
    for megabytes in [3, 50, 500] {
        let slots = (megabytes << 20) / SLOT;
        let mut pools = full_pools(pool_shape(1, 3, 64), slots as u32);
        let new = rows([3, 16, 64]);
        let mut next = 0;
        let mut once = |pools: &mut KvPools| {
            next = (next + 16) % (slots - 16);
            let begun = Instant::now();
            pools.write(0, &[(0, Extent { base: 1 + next as u32, len: 16 })], &new, &new);
            begun.elapsed()
        };
        let name = format!("storage/T1/write_16/{megabytes}MB");
        criterion.bench_function(&name, |bench| {
            bench.iter_custom(|count| (0..count).map(|_| once(&mut pools)).sum());
        });
        assert_eq!(pools.copied_writes(), 0, "written in place");
        criterion.bench_function(&format!("{name}/view_held"), |bench| {
            bench.iter_custom(|count| {
                let with_view = |_| {
                    let view = pools.view(0, Extent { base: 1, len: 16 });
                    let elapsed = once(&mut pools);
                    drop(view);
                    elapsed
                };
                (0..count).map(with_view).sum()
            });
        });
    }
}

/// Keys and values of 2,560 slots, side by side and all over pools of 50 MB.
pub(crate) fn gather(criterion: &mut Criterion) {
    let slots = (50 << 20) / SLOT;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let adjacent: Vec<i32> = (1..=2560).collect();
    let scattered: Vec<i32> = (0..2560).map(|_| 1 + (rng.next_u32() as usize % slots) as i32).collect();
    let pools = full_pools(pool_shape(1, 3, 64), slots as u32);
    for (name, slots) in [("adjacent", adjacent), ("scattered", scattered)] {
        let slots = Tensor::<1, Int>::from_data(slots.as_slice(), &bench_device());
        criterion.bench_function(&format!("storage/T2/gather_2560/{name}"), |bench| {
            bench.iter_custom(|count| {
                let once = |_| {
                    let begun = Instant::now();
                    black_box(pools.gather(0, &slots));
                    begun.elapsed()
                };
                (0..count).map(once).sum::<Duration>()
            });
        });
    }
}
