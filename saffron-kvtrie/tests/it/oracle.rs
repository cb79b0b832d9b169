//! The cache against a model of it: any interleaving of operations, everything checked after each.

use std::hash::{BuildHasher, Hasher};

use proptest::prelude::*;
use rustc_hash::FxBuildHasher;
use saffron_kvtrie::evict::{EvictionPolicy, Fifo, Lfu, Lru, NeverEvict, ScoreAware};
use saffron_kvtrie::{HostStore, Reuse, Trie, Want};

use crate::machine::canary::{HEADS, LAYERS, WIDTH};
use crate::machine::op::Op;
use crate::machine::world::World;

fn context() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![3 => 0..3u32, 1 => Just(u32::MAX)], 1..9)
}

fn contexts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(context(), 1..5)
}

/// What handles are extended by; nothing, too.
fn tail() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![3 => 0..3u32, 1 => Just(u32::MAX)], 0..4)
}

fn step() -> impl Strategy<Value = Op> {
    let cached = prop_oneof![5 => Just(true), 1 => Just(false)];
    let step = (contexts(), 0..3usize, cached);
    let after = (prop::collection::vec((0..8usize, tail()), 1..5), 0..3usize);
    prop_oneof![
        6 => step.prop_map(|(contexts, scratch, cached)| Op::Step { contexts, scratch, cached }),
        5 => after.prop_map(|(ends, scratch)| Op::After { ends, scratch }),
        1 => contexts().prop_map(Op::Abandon),
        1 => contexts().prop_map(Op::Fail),
        2 => (contexts(), contexts(), 0..9usize, 0..4u32).prop_map(|(a, b, evict, more)| Op::Interleave(a, b, evict, more)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        14 => step(),
        5 => (0..8usize).prop_map(Op::Drop),
        1 => (0..8usize).prop_map(Op::Fork),
        1 => context().prop_map(Op::Match),
        1 => (0..8usize, 0..9usize).prop_map(|(place, len)| Op::Truncate(place, len)),
        1 => (0..8usize, -2.0..2.0f32).prop_map(|(place, score)| Op::Score(place, score)),
        1 => (0..40usize).prop_map(Op::Evict),
        1 => Just(Op::Clear),
        2 => Just(Op::Compact),
        1 => (0..70u32).prop_map(Op::Capacity),
        1 => Just(Op::Restore),
    ]
}

/// A hasher that gives all keys one hash.
#[derive(Clone, Copy, Default)]
pub(crate) struct Constant;

impl BuildHasher for Constant {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

impl Hasher for Constant {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

/// Lives through the operations and checks everything after each.
fn live<E: EvictionPolicy + Clone, H: BuildHasher + Default>(capacity: u32, policy: E, ops: &[Op], evicts: bool) {
    let store = |tokens| HostStore::new(LAYERS, HEADS, WIDTH, tokens);
    let mut world: World<HostStore, E, H> = World::new(capacity, policy, evicts, store);
    for op in ops {
        world.apply(op).unwrap();
        world.check();
    }
    world.end();
}

proptest! {
    // Six policies and hashers, sixty operations on average: more than a hundred thousand a run.
    #![proptest_config(ProptestConfig { cases: 320, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_every_row_and_every_book_right(
        capacity in 4..60u32,
        ops in prop::collection::vec(op(), 1..120),
    ) {
        live::<_, FxBuildHasher>(capacity, Lru::default(), &ops, true);
        live::<_, FxBuildHasher>(capacity, Lfu::default(), &ops, true);
        live::<_, FxBuildHasher>(capacity, Fifo::default(), &ops, true);
        live::<_, FxBuildHasher>(capacity, ScoreAware::default(), &ops, true);
        live::<_, FxBuildHasher>(capacity, NeverEvict::default(), &ops, false);
        // Hashes that say nothing: tokens are compared, so that only time is lost.
        live::<_, Constant>(capacity, Lru::default(), &ops, true);
    }

    /// Sharing is optimal: with room for all, what is stored is one token per distinct prefix, in whatever order contexts come.
    #[test]
    fn live_tokens_are_the_distinct_prefixes(contexts in contexts(), cut in 0..5usize) {
        let mut trie = Trie::new(200);
        let (first, second) = contexts.split_at(cut.min(contexts.len()));
        for part in [second, first] {
            let wants: Vec<Want<'_>> = part.iter().map(|tokens| Want::keep(tokens)).collect();
            let reservation = trie.reserve(&wants, Reuse::Cached).unwrap();
            trie.commit(reservation).unwrap();
        }
        let mut prefixes: Vec<&[u32]> =
            contexts.iter().flat_map(|tokens| (1..=tokens.len()).map(move |end| &tokens[..end])).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        // Proposition 2 of the paper: Σ lengths less the common prefixes of lexicographic neighbours.
        let mut sorted = contexts.clone();
        sorted.sort_unstable();
        let lengths: usize = contexts.iter().map(Vec::len).sum();
        let shared: usize = sorted
            .windows(2)
            .map(|pair| pair[0].iter().zip(&pair[1]).take_while(|(a, b)| a == b).count())
            .sum();
        prop_assert_eq!(trie.stats().live, prefixes.len());
        prop_assert_eq!(trie.stats().live, lengths - shared);
    }
}
