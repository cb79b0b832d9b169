//! Things that go wrong: a store that fails at every call in turn, and calls that make no sense.

use std::cell::Cell;
use std::rc::Rc;

use rustc_hash::FxBuildHasher;
use saffron_kvtrie::evict::{Block, EvictionPolicy, Lru, NodeId};
use saffron_kvtrie::store::{HostRows, StoreShape};
use saffron_kvtrie::{
    CacheError, Extent, HostStore, KvError, KvStore, KvTrie, Move, Reuse, StoreError, StoreStats, Trie, Want,
};

use crate::machine::canary::{self, HEADS, LAYERS, WIDTH};
use crate::machine::op::Op;
use crate::machine::world::World;

/// A store whose `k`-th change fails and changes nothing.
struct Failing {
    inner: HostStore,
    left: Rc<Cell<usize>>,
}

impl Failing {
    fn call(&self) -> Result<(), StoreError> {
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        if left == 0 { Err(StoreError::Device("made up".into())) } else { Ok(()) }
    }
}

impl KvStore for Failing {
    type Rows = HostRows;

    fn shape(&self) -> StoreShape {
        self.inner.shape()
    }

    fn slots(&self) -> usize {
        self.inner.slots()
    }

    fn limit(&self) -> usize {
        self.inner.limit()
    }

    fn ensure(&mut self, slots: usize) -> Result<(), StoreError> {
        if slots > self.inner.slots() {
            self.call()?;
        }
        self.inner.ensure(slots)
    }

    fn set_limit(&mut self, slots: usize) -> Result<(), StoreError> {
        self.call()?;
        self.inner.set_limit(slots)
    }

    fn write(&mut self, layer: usize, writes: &[(usize, Extent)], rows: &HostRows) -> Result<(), StoreError> {
        self.call()?;
        self.inner.write(layer, writes, rows)
    }

    fn read(&self, layer: usize, extents: &[Extent]) -> Result<HostRows, StoreError> {
        self.inner.read(layer, extents)
    }

    fn copy(&mut self, moves: &[Move]) -> Result<(), StoreError> {
        self.call()?;
        self.inner.copy(moves)
    }

    fn export(&self, layer: usize, extents: &[Extent]) -> Result<[Vec<u8>; 2], StoreError> {
        self.inner.export(layer, extents)
    }

    fn import(&mut self, layer: usize, extents: &[Extent], bytes: [Vec<u8>; 2]) -> Result<(), StoreError> {
        self.call()?;
        self.inner.import(layer, extents, bytes)
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
}

fn step(contexts: &[&[u32]], scratch: usize) -> Op {
    Op::Step { contexts: contexts.iter().map(|context| context.to_vec()).collect(), scratch, cached: true }
}

/// Growth, eviction, forks, scratch, two reservations at once, order, other capacities, a snapshot.
fn script() -> Vec<Op> {
    vec![
        step(&[&[1, 2, 3], &[1, 2, 4]], 0),
        Op::After { ends: vec![(0, vec![5]), (1, vec![6, 7])], scratch: 1 },
        step(&[&[9, 9, 9, 9]], 2),
        Op::Drop(1),
        Op::Interleave(vec![vec![1, 2, 8]], vec![vec![1, 2, 8, 8], vec![3]], 2, 3),
        Op::Compact,
        step(&[&[4, 5, 6, 7, 8]], 0),
        Op::Drop(0),
        Op::Capacity(30),
        Op::Restore,
        step(&[&[1, 2, 3, 3, 3, 3]], 0),
        Op::Clear,
        Op::Compact,
        Op::Drop(0),
        Op::Drop(0),
        Op::Drop(0),
        Op::Capacity(16),
        step(&[&[7, 7], &[7, 8], &[6]], 0),
    ]
}

#[test]
fn wherever_the_store_fails_no_slot_leaks_and_later_work_is_right() {
    for failing in 0.. {
        let left = Rc::new(Cell::new(failing));
        let calls = left.clone();
        let store = move |tokens| Failing { inner: HostStore::new(LAYERS, HEADS, WIDTH, tokens), left: calls.clone() };
        let mut world: World<Failing, Lru, FxBuildHasher> = World::new(18, Lru::default(), true, store);
        let mut failed = 0;
        for op in script() {
            if let Err(error) = world.apply(&op) {
                assert_eq!(error, StoreError::Device("made up".into()));
                failed += 1;
            }
            world.check();
        }
        assert!(failed <= 1, "one call fails");
        // The same once more, now that nothing fails.
        left.set(usize::MAX);
        for op in script() {
            world.apply(&op).unwrap();
            world.check();
        }
        world.end();
        if failed == 0 {
            assert!(failing > 20, "the script makes {failing} calls");
            return;
        }
    }
}

#[test]
fn a_reservation_of_another_trie_is_refused_and_its_own_trie_gets_its_slots_back() {
    let (mut one, mut other) = (Trie::new(8), Trie::new(8));
    let reservation = one.reserve(&[Want::keep(&[1, 2, 3])], Reuse::Cached).unwrap();
    assert_eq!(other.commit(reservation).unwrap_err(), CacheError::Foreign);
    assert_eq!((one.stats().pending, one.stats().free, other.stats().live), (0, 8, 0));
    one.validate(&[]).unwrap();
    other.validate(&[]).unwrap();
}

#[test]
fn a_context_after_a_handle_of_another_trie_is_refused() {
    let (mut one, mut other) = (Trie::new(8), Trie::new(8));
    let root = other.root();
    let wants = [Want::keep(&[1]), Want::after(&root, &[2])];
    assert_eq!(one.reserve(&wants, Reuse::Cached).unwrap_err(), CacheError::Foreign);
    assert_eq!(one.reserve(&wants, Reuse::Nothing).unwrap_err(), CacheError::Foreign);
    assert_eq!(one.stats().pinned, 0);
    one.validate(&[]).unwrap();
}

#[test]
fn nothing_after_the_empty_sequence_is_an_empty_context() {
    let mut trie = Trie::new(8);
    let root = trie.root();
    let wants = [Want::after(&root, &[3]), Want::after(&root, &[])];
    assert_eq!(trie.reserve(&wants, Reuse::Cached).unwrap_err(), CacheError::EmptyContext { place: 1 });
    assert_eq!(trie.reserve(&wants[..1], Reuse::Cached).unwrap().tokens(), [3]);
}

#[test]
fn a_scratch_context_that_is_stored_whole_gives_a_handle_of_what_it_keeps() {
    let mut trie = Trie::new(16);
    let whole = crate::trie::store(&mut trie, &[1, 2, 3, 4, 5]);
    for keep in (0..=5).rev() {
        let reservation = trie.reserve(&[Want::with_scratch(&[1, 2, 3, 4, 5], 5 - keep)], Reuse::Cached).unwrap();
        let seq = trie.commit(reservation).unwrap().remove(0);
        assert_eq!(trie.tokens(&seq).unwrap(), [1, 2, 3, 4, 5][..keep]);
        trie.validate(&[]).unwrap();
    }
    assert_eq!(trie.tokens(&whole).unwrap(), [1, 2, 3, 4, 5]);
}

#[test]
fn ten_thousand_askers_of_one_stored_context_share_its_row() {
    let mut trie = Trie::new(8);
    let seq = crate::trie::store(&mut trie, &[1, 2, 3]);
    let wants: Vec<Want<'_>> = vec![Want::after(&seq, &[]); 10_000];
    let reservation = trie.reserve(&wants, Reuse::Cached).unwrap();
    assert_eq!(reservation.tokens(), [3]);
    assert_eq!(reservation.outputs().max(), Some(0));
    assert_eq!(trie.commit(reservation).unwrap().len(), 10_000);
}

#[test]
fn a_context_after_a_handle_is_computed_anew_where_nothing_is_used_again() {
    let mut trie = Trie::new(16);
    let seq = crate::trie::store(&mut trie, &[1, 2, 3]);
    let reservation = trie.reserve(&[Want::after(&seq, &[4])], Reuse::Nothing).unwrap();
    assert_eq!((reservation.tokens(), reservation.positions()), (&[1, 2, 3, 4][..], &[0, 1, 2, 3][..]));
    trie.commit(reservation).unwrap();
    assert_eq!(trie.stats().live, 3);
}

#[test]
fn the_largest_token_one_token_and_a_prefix_of_another_are_contexts_like_any() {
    let mut trie = Trie::new(16);
    for tokens in [&[u32::MAX][..], &[u32::MAX, 0, u32::MAX], &[u32::MAX, 0], &[0]] {
        let seq = crate::trie::store(&mut trie, tokens);
        assert_eq!(trie.tokens(&seq).unwrap(), tokens);
        trie.validate(&[]).unwrap();
    }
    assert_eq!(trie.stats().live, 4);
}

#[test]
fn a_parent_that_is_truncated_away_is_there_for_the_commit() {
    let mut trie = Trie::new(8);
    let parent = crate::trie::store(&mut trie, &[1, 2, 3]);
    let open = trie.reserve(&[Want::after(&parent, &[4])], Reuse::Cached).unwrap();
    let short = trie.truncate(&parent, 1).unwrap();
    drop(parent);
    trie.clear();
    let child = trie.commit(open).unwrap().remove(0);
    assert_eq!(trie.tokens(&child).unwrap(), [1, 2, 3, 4]);
    drop((child, short));
    assert_eq!(trie.clear(), 4);
    trie.validate(&[]).unwrap();
}

#[test]
fn a_forward_pass_that_panics_leaves_nothing_reserved() {
    let mut cache = KvTrie::new(HostStore::new(LAYERS, HEADS, WIDTH, 8));
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cache.step(&[Want::keep(&[1, 2])], Reuse::Cached, |_, _| -> Result<(), StoreError> { panic!("made up") })
    }));
    assert!(unwound.is_err());
    cache.validate(&[]).unwrap();
    assert_eq!((cache.stats().trie.pending, cache.stats().trie.free), (0, 8));
}

#[test]
fn more_than_the_budget_in_one_prompt_is_refused_and_nothing_is_lost() {
    let mut cache = KvTrie::new(HostStore::new(LAYERS, HEADS, WIDTH, 4));
    let context = [vec![1, 2]];
    cache
        .step(&[Want::keep(&context[0])], Reuse::Cached, |rows, store| canary::forward(rows, store, &context))
        .unwrap();
    let refused = cache.reserve(&[Want::keep(&[5; 5])], Reuse::Cached).unwrap_err();
    assert!(matches!(refused, KvError::Cache(CacheError::OutOfBudget { need: 5, capacity: 4, .. })), "{refused}");
    assert_eq!(cache.stored(&[1, 2]), 2);
}

/// Names the same node as victim for ever, whatever is said of it.
#[derive(Debug)]
struct Lying(NodeId);

impl EvictionPolicy for Lying {
    fn added(&mut self, _: NodeId, _: NodeId, _: u64) {}
    fn used(&mut self, _: NodeId, _: u64) {}
    fn evictable(&mut self, _: NodeId) {}
    fn blocked(&mut self, _: NodeId, _: Block) {}
    fn removed(&mut self, _: NodeId) {}
    fn split(&mut self, _: NodeId, _: NodeId) {}

    fn victim(&mut self) -> Option<NodeId> {
        Some(self.0)
    }

    fn after(&self, _: NodeId) -> Option<NodeId> {
        Some(NodeId::MAX)
    }

    fn holds(&self, _: NodeId) -> bool {
        false
    }
}

#[test]
fn a_policy_that_names_what_must_stay_is_not_obeyed() {
    // The root, a node with a child, a pinned leaf, and what is not there.
    for victim in [0, 1, 2, 99] {
        let mut trie: Trie<Lying> = Trie::with_policy(8, Lying(victim));
        let short = trie.reserve(&[Want::keep(&[1, 2])], Reuse::Cached).unwrap();
        trie.commit(short).unwrap();
        let long = trie.reserve(&[Want::keep(&[1, 2, 3])], Reuse::Cached).unwrap();
        let held = trie.commit(long).unwrap().remove(0);
        assert_eq!(trie.evict(usize::MAX), 0, "node {victim}");
        assert_eq!(trie.tokens(&held).unwrap(), [1, 2, 3]);
    }
    // A leaf that may go does, once: named again, it is gone.
    let mut trie: Trie<Lying> = Trie::with_policy(8, Lying(1));
    let leaf = trie.reserve(&[Want::keep(&[1, 2])], Reuse::Cached).unwrap();
    drop(trie.commit(leaf).unwrap());
    assert_eq!(trie.evict(usize::MAX), 2);
    assert_eq!(trie.evict(usize::MAX), 0);
}
