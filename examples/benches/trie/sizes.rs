//! What an operation costs when 10² to 10⁶ nodes are stored.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_kvtrie::{Seq, Trie};

use crate::beam::Beam;
use crate::store;

const SIZES: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// Operations that are timed together, so that reading the clock does not count.
const BATCH: u64 = 16;

/// A full trie of contexts of 64 tokens that share nothing, used in another order than stored, so that neighbours in age do not lie
/// side by side.
struct Forest {
    trie: Trie,
    /// Contexts by age, from `oldest` on and round.
    order: Vec<u32>,
    oldest: usize,
}

fn context(leaf: u32) -> Vec<u32> {
    (0..64).map(|place| leaf.wrapping_mul(64) + place).collect()
}

impl Forest {
    fn new(leaves: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut trie = Trie::new((leaves * 64) as u32);
        let mut order: Vec<u32> = (0..leaves as u32).collect();
        order.iter().for_each(|leaf| drop(store(&mut trie, &context(*leaf))));
        for place in (1..order.len()).rev() {
            order.swap(place, rng.next_u32() as usize % (place + 1));
        }
        order.iter().for_each(|leaf| assert_eq!(trie.stored(&context(*leaf)), 64));
        Self { trie, order, oldest: 0 }
    }

    /// The oldest contexts, which whatever comes next makes the youngest.
    fn oldest(&mut self, count: u64) -> Vec<u32> {
        let places = (self.oldest..).map(|place| place % self.order.len()).take(count as usize);
        let oldest = places.map(|place| self.order[place]).collect();
        self.oldest = (self.oldest + count as usize) % self.order.len();
        oldest
    }

    /// Evicts as many leaves; they are stored again off the clock.
    fn evict(&mut self, count: u64) -> Duration {
        let begun = Instant::now();
        (0..count).for_each(|_| assert_eq!(self.trie.evict(64), 64));
        let elapsed = begun.elapsed();
        self.oldest(count).iter().for_each(|leaf| drop(store(&mut self.trie, &context(*leaf))));
        elapsed
    }

    fn find(&mut self, count: u64) -> Duration {
        let contexts: Vec<Vec<u32>> = self.oldest(count).into_iter().map(context).collect();
        let begun = Instant::now();
        contexts.iter().for_each(|context| assert_eq!(self.trie.stored(context), 64));
        begun.elapsed()
    }

    /// Stores contexts that are new, each in the place of the oldest.
    fn insert(&mut self, count: u64) -> Duration {
        let first = self.oldest;
        let renamed: Vec<u32> = self.oldest(count).iter().map(|leaf| leaf ^ 1 << 24).collect();
        let contexts: Vec<Vec<u32>> = renamed.iter().map(|leaf| context(*leaf)).collect();
        let begun = Instant::now();
        contexts.iter().for_each(|context| drop(store(&mut self.trie, context)));
        let elapsed = begun.elapsed();
        let places = (first..).map(|place| place % self.order.len()).take(renamed.len()).collect::<Vec<_>>();
        places.into_iter().zip(renamed).for_each(|(place, leaf)| self.order[place] = leaf);
        elapsed
    }

    /// Handles of contexts all over the trie.
    fn hold(&mut self) -> Vec<Seq> {
        let count = self.order.len().min(4096) as u64;
        self.oldest(count).into_iter().map(|leaf| self.trie.match_prefix(&context(leaf)).seq).collect()
    }
}

/// Runs operations in batches until there are `count`.
fn in_batches(count: u64, mut batch: impl FnMut(u64) -> Duration) -> Duration {
    let sizes = (0..count.div_ceil(BATCH)).map(|done| BATCH.min(count - done * BATCH));
    sizes.map(&mut batch).sum()
}

type Operation = fn(&mut Forest, u64) -> Duration;

pub(crate) fn sizes(criterion: &mut Criterion) {
    let operations: [(&str, Operation); 3] = [
        ("trie/evict_64", Forest::evict),
        ("trie/size/match_64", Forest::find),
        ("trie/size/insert_64", Forest::insert),
    ];
    for size in SIZES {
        let mut forest = Forest::new(size);
        for (name, operation) in operations {
            criterion.bench_function(&format!("{name}/{size}"), |bench| {
                bench.iter_custom(|count| in_batches(count, |batch| operation(&mut forest, batch)));
            });
        }
        path(criterion, &mut forest);
    }
    for size in SIZES {
        let mut beam = Beam::new(100, 16, size);
        criterion.bench_function(&format!("trie/size/extend/{size}"), |bench| {
            bench.iter_custom(|count| beam.time(count));
        });
    }
}

fn path(criterion: &mut Criterion, forest: &mut Forest) {
    let (held, mut next) = (forest.hold(), 0);
    criterion.bench_function(&format!("trie/size/path/{}", forest.order.len()), |bench| {
        bench.iter(|| {
            next = (next + 1) % held.len();
            black_box(forest.trie.path(&held[next]))
        });
    });
}
