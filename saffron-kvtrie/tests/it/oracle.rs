//! A model of the trie: a host store whose row for a slot is the whole path that was written there, so that any wrong row shows.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use proptest::prelude::*;
use saffron_kvtrie::evict::{EvictionPolicy, Fifo, Lfu, Lru, NeverEvict, ScoreAware};
use saffron_kvtrie::{CacheError, Reservation, Reuse, Seq, Trie, Want};

/// Path that each slot was written for.
#[derive(Default)]
struct Store {
    rows: HashMap<u32, Vec<u32>>,
}

impl Store {
    /// Writes a reservation's rows and checks that everything each of them attends to is its own prefix.
    fn forward(&mut self, reservation: &Reservation, contexts: &[Vec<u32>]) {
        for segment in reservation.segments() {
            let prefix: Vec<u32> = segment.prefix.iter().flat_map(|extent| extent.slots()).collect();
            let mut path: Vec<u32> = Vec::new();
            for (depth, slot) in prefix.iter().enumerate() {
                let row = self.rows.get(slot).expect("a prefix slot was written before it is read");
                assert_eq!(row.len(), depth + 1, "a row stands at its own depth");
                assert!(depth == 0 || row[..depth] == path[..], "rows of a prefix follow each other");
                path.clone_from(row);
            }
            for row in segment.rows.clone() {
                assert_eq!(reservation.positions()[row] as usize, path.len());
                path.push(reservation.tokens()[row]);
                self.rows.insert(reservation.slots()[row], path.clone());
            }
        }
        for (output, context) in reservation.outputs().zip(contexts) {
            assert_eq!(&self.rows[&reservation.slots()[output]], context, "a context's output row is its last token");
        }
    }

    fn check<E: EvictionPolicy, H: BuildHasher + Default>(&self, trie: &Trie<E, H>, seq: &Seq, expected: &[u32]) {
        assert_eq!(trie.tokens(seq).unwrap(), expected);
        let slots: Vec<u32> = trie.path(seq).unwrap().iter().flat_map(|extent| extent.slots()).collect();
        for (depth, slot) in slots.iter().enumerate() {
            assert_eq!(self.rows[slot], expected[..=depth], "slot {slot} holds the row of its path");
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// Reserve contexts, forward, commit all but a scratch tail.
    Step {
        contexts: Vec<Vec<u32>>,
        scratch: usize,
        reuse: Reuse,
    },
    /// Reserve, then give up.
    Abandon(Vec<Vec<u32>>),
    /// Reserve, let something else happen, then commit.
    Interleave(Vec<Vec<u32>>, Vec<Vec<u32>>),
    Drop(usize),
    Fork(usize),
    /// Hold what is stored of a context.
    Match(Vec<u32>),
    Truncate(usize, usize),
    Score(usize, f32),
    Evict(usize),
}

fn context() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![3 => 0..3u32, 1 => Just(u32::MAX)], 1..9)
}

fn contexts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(context(), 1..5)
}

fn op() -> impl Strategy<Value = Op> {
    let reuse = prop_oneof![5 => Just(Reuse::Cached), 1 => Just(Reuse::Nothing)];
    prop_oneof![
        6 => (contexts(), 0..3usize, reuse).prop_map(|(contexts, scratch, reuse)| Op::Step { contexts, scratch, reuse }),
        1 => contexts().prop_map(Op::Abandon),
        2 => (contexts(), contexts()).prop_map(|(a, b)| Op::Interleave(a, b)),
        4 => (0..8usize).prop_map(Op::Drop),
        1 => (0..8usize).prop_map(Op::Fork),
        1 => context().prop_map(Op::Match),
        1 => (0..8usize, 0..9usize).prop_map(|(place, len)| Op::Truncate(place, len)),
        1 => (0..8usize, -2.0..2.0f32).prop_map(|(place, score)| Op::Score(place, score)),
        1 => (0..40usize).prop_map(Op::Evict),
    ]
}

struct World<E: EvictionPolicy, H: BuildHasher + Default> {
    trie: Trie<E, H>,
    store: Store,
    held: Vec<(Seq, Vec<u32>)>,
}

impl<E: EvictionPolicy, H: BuildHasher + Default> World<E, H> {
    fn reserve(&mut self, contexts: &[Vec<u32>], scratch: usize, reuse: Reuse) -> Option<Reservation> {
        let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::with_scratch(tokens, scratch)).collect();
        match self.trie.reserve(&wants, reuse) {
            Ok(reservation) => Some(reservation),
            Err(CacheError::OutOfBudget { need, free, .. }) => {
                assert!(need > free, "room is only refused when there is none");
                None
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn commit(&mut self, reservation: Reservation, contexts: &[Vec<u32>], scratch: usize) {
        let handles = self.trie.commit(reservation);
        assert_eq!(handles.len(), contexts.len());
        for (handle, context) in handles.into_iter().zip(contexts) {
            let kept = self.trie.tokens(&handle).unwrap();
            assert!(context.starts_with(&kept) && kept.len() + scratch >= context.len() || kept.is_empty());
            self.held.push((handle, kept));
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Step { contexts, scratch, reuse } => {
                if let Some(reservation) = self.reserve(&contexts, scratch, reuse) {
                    self.store.forward(&reservation, &contexts);
                    let scratch = if reuse == Reuse::Cached { scratch } else { 9 };
                    self.commit(reservation, &contexts, scratch);
                }
            }
            Op::Abandon(contexts) => drop(self.reserve(&contexts, 0, Reuse::Cached)),
            Op::Interleave(first, second) => self.interleave(&first, &second),
            Op::Drop(place) if place < self.held.len() => drop(self.held.swap_remove(place)),
            Op::Fork(place) if place < self.held.len() => self.held.push(self.held[place].clone()),
            Op::Evict(tokens) => {
                self.trie.evict(tokens);
            }
            Op::Match(context) => {
                let found = self.trie.match_prefix(&context);
                self.held.push((found.seq, context[..found.matched].to_vec()));
            }
            Op::Truncate(place, len) if place < self.held.len() => {
                let (seq, tokens) = &self.held[place];
                let tokens = tokens[..len.min(tokens.len())].to_vec();
                self.held.push((self.trie.truncate(seq, len).unwrap(), tokens));
            }
            Op::Score(place, score) if place < self.held.len() => {
                self.trie.set_score(&self.held[place].0, score).unwrap();
            }
            Op::Drop(_) | Op::Fork(_) | Op::Truncate(..) | Op::Score(..) => {}
        }
    }

    /// Two open reservations, perhaps for the same edges, committed in the order opposite to their making.
    fn interleave(&mut self, first: &[Vec<u32>], second: &[Vec<u32>]) {
        let Some(one) = self.reserve(first, 0, Reuse::Cached) else { return };
        self.store.forward(&one, first);
        let two = self.reserve(second, 0, Reuse::Cached);
        let open: Vec<&Reservation> = [Some(&one), two.as_ref()].into_iter().flatten().collect();
        self.trie.validate(&open).unwrap();
        if let Some(two) = two {
            self.store.forward(&two, second);
            self.commit(two, second, 0);
        }
        self.commit(one, first, 0);
    }

    fn check(&mut self) {
        self.trie.validate(&[]).unwrap();
        for (seq, tokens) in &self.held {
            self.store.check(&self.trie, seq, tokens);
        }
        let mut prefixes: Vec<&[u32]> =
            self.held.iter().flat_map(|(_, tokens)| (1..=tokens.len()).map(move |end| &tokens[..end])).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let stats = self.trie.stats();
        assert_eq!(stats.pinned, prefixes.len(), "pinned are the distinct prefixes of what is held");
        assert!(stats.live >= stats.pinned && stats.high_water <= self.trie.capacity());
    }
}

/// A hasher that gives all keys one hash.
#[derive(Clone, Copy, Default)]
struct Constant;

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
fn live<E: EvictionPolicy, H: BuildHasher + Default>(trie: Trie<E, H>, ops: &[Op], evicts: bool) {
    let capacity = trie.capacity() as u32;
    let mut world = World { trie, store: Store::default(), held: Vec::new() };
    for op in ops {
        world.apply(op.clone());
        world.check();
    }
    world.held.clear();
    world.trie.clear();
    world.trie.validate(&[]).unwrap();
    if evicts {
        assert_eq!(world.trie.stats().live, 0);
        let all: Vec<u32> = (0..capacity).collect();
        assert!(world.trie.reserve(&[Want::keep(&all)], Reuse::Cached).is_ok(), "every slot is free again");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_every_row_and_every_book_right(
        capacity in 4..60u32,
        ops in prop::collection::vec(op(), 1..120),
    ) {
        live(Trie::new(capacity), &ops, true);
        live(Trie::<_>::with_policy(capacity, Lfu::default()), &ops, true);
        live(Trie::<_>::with_policy(capacity, Fifo::default()), &ops, true);
        live(Trie::<_>::with_policy(capacity, ScoreAware::default()), &ops, true);
        live(Trie::<_>::with_policy(capacity, NeverEvict::default()), &ops, false);
        // Hashes that say nothing: tokens are compared, so that only time is lost.
        live(Trie::<Lru, Constant>::with_policy(capacity, Lru::default()), &ops, true);
    }

    /// Sharing is optimal: with room for all, what is stored is one token per distinct prefix, in whatever order contexts come.
    #[test]
    fn live_tokens_are_the_distinct_prefixes(contexts in contexts(), cut in 0..5usize) {
        let mut trie = Trie::new(200);
        let (first, second) = contexts.split_at(cut.min(contexts.len()));
        for part in [second, first] {
            let wants: Vec<Want<'_>> = part.iter().map(|tokens| Want::keep(tokens)).collect();
            let reservation = trie.reserve(&wants, Reuse::Cached).unwrap();
            trie.commit(reservation);
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
