//! Mistakes that other caches have made, one test each, named for what must hold. The rest of them are held elsewhere: attention against
//! float64 for merges, masks and empty parts (`attention`), plans that read beyond their use (the planner's own tests), depth and width
//! (`trie`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use saffron_kvtrie::evict::{Block, EvictionPolicy, Lru, NodeId};
use saffron_kvtrie::index::SlotAllocator;
use saffron_kvtrie::{CacheError, Extent, HostStore, KvTrie, Reuse, Seq, Trie, Want};

use crate::machine::canary::{self, HEADS, LAYERS, WIDTH};
use crate::oracle::Constant;
use crate::trie::{missing, store};

/// A least-recently-used policy that counts how often it is asked.
#[derive(Clone, Debug, Default)]
struct Counting {
    lru: Lru,
    asked: Arc<AtomicUsize>,
}

impl EvictionPolicy for Counting {
    fn added(&mut self, node: NodeId, parent: NodeId, now: u64) {
        self.lru.added(node, parent, now);
    }

    fn used(&mut self, node: NodeId, now: u64) {
        self.lru.used(node, now);
    }

    fn released(&mut self, node: NodeId, now: u64) {
        self.lru.released(node, now);
    }

    fn evictable(&mut self, node: NodeId) {
        self.lru.evictable(node);
    }

    fn blocked(&mut self, node: NodeId, by: Block) {
        self.lru.blocked(node, by);
    }

    fn removed(&mut self, node: NodeId) {
        self.lru.removed(node);
    }

    fn split(&mut self, upper: NodeId, lower: NodeId) {
        self.lru.split(upper, lower);
    }

    fn victim(&mut self) -> Option<NodeId> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.lru.victim()
    }

    fn holds(&self, node: NodeId) -> bool {
        self.lru.holds(node)
    }
}

fn cache(tokens: u32) -> KvTrie<HostStore> {
    KvTrie::new(HostStore::new(LAYERS, HEADS, WIDTH, tokens))
}

/// Contexts computed and held.
fn hold(cache: &mut KvTrie<HostStore>, contexts: &[&[u32]]) -> Vec<Seq> {
    let contexts: Vec<Vec<u32>> = contexts.iter().map(|context| context.to_vec()).collect();
    let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
    let step = cache.step(&wants, Reuse::Cached, |rows, store| canary::forward(rows, store, &contexts));
    cache.validate(&[]).unwrap();
    step.unwrap().seqs
}

#[test]
#[should_panic(expected = "slots freed twice")]
fn a_slot_that_is_freed_twice_is_a_hard_error() {
    let mut slots = SlotAllocator::new(8);
    let taken = slots.take(4).unwrap()[0];
    slots.give(taken);
    slots.give(Extent { base: taken.base + 1, len: 1 });
}

#[test]
fn counters_do_not_drift_when_shared_runs_are_split_and_let_go() {
    let mut trie = Trie::new(32);
    let long = store(&mut trie, &[1, 2, 3, 4, 5, 6]);
    let middle = trie.truncate(&long, 3).unwrap();
    let other = store(&mut trie, &[1, 2, 9]);
    for (seq, pinned) in [(long, 4), (other, 3), (middle, 0)] {
        trie.validate(&[]).unwrap();
        drop(seq);
        assert_eq!(trie.stats().pinned, pinned);
        assert_eq!(trie.stats().evictable + pinned, 7);
    }
    trie.validate(&[]).unwrap();
}

#[test]
fn a_pinned_leaf_itself_survives_the_eviction_of_everything() {
    let mut trie = Trie::new(16);
    let leaf = store(&mut trie, &[1, 2, 3]);
    store(&mut trie, &[1, 2, 4]);
    assert_eq!(trie.evict(usize::MAX), 1);
    assert_eq!(trie.tokens(&leaf).unwrap(), [1, 2, 3]);
    trie.validate(&[]).unwrap();
}

#[test]
fn a_reference_to_what_was_evicted_is_stale_also_when_its_place_is_used_again() {
    use saffron_kvtrie::index::{Index, SlotAllocator};
    let mut slots = SlotAllocator::new(4);
    let mut index: Index = Index::new(Lru::default());
    let first = slots.take(2).unwrap()[0];
    let (old, _) = index.insert(index.root(), &[1, 2], &[first.base, first.base + 1]).unwrap();
    index.evict(usize::MAX, &mut slots);
    let second = slots.take(2).unwrap()[0];
    let (new, _) = index.insert(index.root(), &[3, 4], &[second.base, second.base + 1]).unwrap();
    assert!(matches!(index.path(old), Err(CacheError::Stale { .. })));
    assert!(matches!(index.pin(old), Err(CacheError::Stale { .. })));
    assert_eq!(index.path_tokens(new).unwrap(), [3, 4]);
}

#[test]
fn a_release_takes_off_what_was_pinned_whatever_became_of_the_run_since() {
    let mut trie = Trie::new(16);
    let held = store(&mut trie, &[1, 2, 3, 4]);
    let upper = trie.truncate(&held, 2).unwrap();
    store(&mut trie, &[1, 9]);
    drop(held);
    trie.validate(&[]).unwrap();
    assert_eq!((trie.stats().pinned, trie.clear()), (2, 3));
    drop(upper);
    assert_eq!(trie.clear(), 2);
    trie.validate(&[]).unwrap();
}

#[test]
fn a_run_may_be_split_while_a_reservation_below_it_is_open() {
    let mut trie = Trie::new(32);
    store(&mut trie, &[1, 2, 3, 4, 5, 6]);
    let open = trie.reserve(&[Want::keep(&[1, 2, 3, 4, 5, 6, 7])], Reuse::Cached).unwrap();
    store(&mut trie, &[1, 2, 3, 9]);
    assert_eq!(trie.stats().splits, 1);
    trie.clear();
    let held = trie.commit(open).unwrap().remove(0);
    assert_eq!(trie.tokens(&held).unwrap(), [1, 2, 3, 4, 5, 6, 7]);
    trie.validate(&[]).unwrap();
}

#[test]
fn both_parts_of_a_split_run_are_found_by_their_first_tokens() {
    let mut trie = Trie::new(16);
    store(&mut trie, &[1, 2, 3, 4]);
    store(&mut trie, &[1, 2, 8]);
    assert_eq!(trie.stored(&[1, 2]), 2);
    assert_eq!(trie.stored(&[1, 2, 3, 4]), 4);
    assert_eq!(trie.stored(&[1, 2, 8]), 3);
    assert_eq!(trie.stored(&[3, 4]), 0);
    trie.validate(&[]).unwrap();
}

#[test]
fn an_eviction_costs_its_victims_however_much_is_stored() {
    let asked = |leaves: u32| {
        let policy = Counting::default();
        let asked = policy.asked.clone();
        let mut trie: Trie<Counting> = Trie::with_policy(leaves * 4, policy);
        (0..leaves).for_each(|leaf| drop(store(&mut trie, &[leaf, 1, 2, 3])));
        asked.store(0, Ordering::Relaxed);
        assert_eq!(trie.evict(12), 12);
        asked.load(Ordering::Relaxed)
    };
    assert_eq!(asked(10), asked(20_000));
}

#[test]
fn equal_hashes_never_answer_with_another_sequence() {
    let mut trie: Trie<Lru, Constant> = Trie::with_policy(600, Lru::default());
    for token in 0..200 {
        let reservation = trie.reserve(&[Want::keep(&[token, token + 1])], Reuse::Cached).unwrap();
        trie.commit(reservation).unwrap();
    }
    for token in 0..200 {
        assert_eq!(trie.stored(&[token, token + 1]), 2);
        assert_eq!(trie.stored(&[token, token + 2]), 1);
    }
}

#[test]
fn a_forgotten_prompt_is_not_found_again_after_its_slots_were_used_anew() {
    let mut trie = Trie::new(8);
    let prompts = [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 9, 9], [4, 4, 4, 4], [5, 6, 1, 1]];
    prompts.iter().for_each(|prompt| drop(store(&mut trie, prompt)));
    assert_eq!(trie.clear(), trie.capacity());
    store(&mut trie, &[9, 8, 7, 6, 5, 4, 3, 2]);
    for prompt in prompts {
        assert_eq!(trie.stored(&prompt), 0, "{prompt:?}");
    }
    trie.validate(&[]).unwrap();
}

#[test]
fn a_branch_reads_its_own_rows_and_never_its_siblings() {
    let mut cache = cache(64);
    let parents = hold(&mut cache, &[&[1, 2, 3], &[1, 2, 4], &[1, 5, 3]]);
    let tails = [[7, 8], [7, 8], [7, 9]];
    let wants: Vec<Want<'_>> = parents.iter().zip(&tails).map(|(seq, tail)| Want::after(seq, tail)).collect();
    let contexts: Vec<Vec<u32>> = vec![vec![1, 2, 3, 7, 8], vec![1, 2, 4, 7, 8], vec![1, 5, 3, 7, 9]];
    let step = cache.step(&wants, Reuse::Cached, |rows, store| canary::forward(rows, store, &contexts)).unwrap();
    for (seq, context) in step.seqs.iter().zip(&contexts) {
        canary::check(&cache, seq, context);
    }
}

#[test]
fn a_run_between_two_others_leaves_no_trace() {
    let run = |trie: &mut Trie, seed: u32| -> Vec<usize> {
        let contexts = (0..20u32).map(|step| (0..5).map(|place| (place * step + seed) % 4).collect::<Vec<u32>>());
        contexts.map(|context| missing(trie, &context)).collect()
    };
    let mut trie = Trie::new(64);
    let first = run(&mut trie, 0);
    trie.clear();
    run(&mut trie, 1);
    trie.clear();
    assert_eq!(run(&mut trie, 0), first);
}

#[test]
fn two_forks_of_a_sequence_grow_apart() {
    let mut cache = cache(64);
    let one = hold(&mut cache, &[&[1, 2, 3]]).remove(0);
    let other = one.clone();
    for (seq, context) in [(&one, vec![1, 2, 3, 4, 5]), (&other, vec![1, 2, 3, 6])] {
        let contexts = [context];
        let want = Want::after(seq, &contexts[0][3..]);
        let step = cache.step(&[want], Reuse::Cached, |rows, store| canary::forward(rows, store, &contexts)).unwrap();
        canary::check(&cache, &step.seqs[0], &contexts[0]);
    }
    assert_eq!(cache.stored(&[1, 2, 3, 4, 5]), 5);
    canary::check(&cache, &one, &[1, 2, 3]);
    canary::check(&cache, &other, &[1, 2, 3]);
}

#[test]
fn a_cache_that_is_full_and_pinned_refuses_without_a_search() {
    let policy = Counting::default();
    let asked = policy.asked.clone();
    let mut trie: Trie<Counting> = Trie::with_policy(4_000, policy);
    let held: Vec<Seq> = (0..1_000).map(|leaf| store(&mut trie, &[leaf, 1, 2, 3])).collect();
    asked.store(0, Ordering::Relaxed);
    let refused = trie.reserve(&[Want::keep(&[9_999])], Reuse::Cached).unwrap_err();
    assert_eq!(refused, CacheError::OutOfBudget { need: 1, free: 0, evictable: 0, pinned: 4_000, capacity: 4_000 });
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing can go, so that nothing is asked for");
    drop(held);
    assert!(trie.reserve(&[Want::keep(&[9_999])], Reuse::Cached).is_ok());
}

#[test]
fn free_slots_that_lie_apart_serve_where_no_extent_is_long_enough() {
    let mut cache = cache(12);
    let contexts: Vec<Vec<u32>> = (0..12).map(|token| vec![token]).collect();
    let held: Vec<Seq> = contexts.iter().flat_map(|context| hold(&mut cache, &[context.as_slice()])).collect();
    let kept: Vec<Seq> = held.into_iter().step_by(2).collect();
    cache.clear();
    assert_eq!((cache.stats().trie.free, cache.stats().trie.largest_free), (6, 1));
    let long = hold(&mut cache, &[&[50, 51, 52, 53, 54, 55]]).remove(0);
    canary::check(&cache, &long, &[50, 51, 52, 53, 54, 55]);
    assert_eq!(kept.len(), 6);
}

#[test]
fn putting_rows_in_order_keeps_every_row_and_joins_every_path() {
    let mut cache = cache(24);
    let mut held: Vec<Vec<u32>> = vec![vec![1, 2], vec![7, 8]];
    for token in 0..6 {
        held.iter_mut().for_each(|context| context.push(token));
        let contexts: Vec<&[u32]> = held.iter().map(Vec::as_slice).collect();
        hold(&mut cache, &contexts);
    }
    let seqs = hold(&mut cache, &held.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert!(seqs.iter().any(|seq| cache.trie().path(seq).unwrap().len() > 1), "steps interleave the two");
    assert!(cache.compact().unwrap() > 0);
    cache.validate(&[]).unwrap();
    for (seq, context) in seqs.iter().zip(&held) {
        assert_eq!(cache.trie().path(seq).unwrap().len(), 1, "a path without branches is one extent");
        canary::check(&cache, seq, context);
    }
    assert_eq!(cache.compact().unwrap(), 0, "what is in order stays");
}

#[test]
fn a_match_ends_where_the_tokens_part_and_not_at_a_parent() {
    let mut trie = Trie::new(16);
    store(&mut trie, &[1, 2, 3, 4]);
    let found = trie.match_prefix(&[1, 2, 3, 9]);
    assert_eq!((found.matched, trie.tokens(&found.seq).unwrap()), (3, vec![1, 2, 3]));
    assert_eq!(trie.match_prefix(&[9]).matched, 0);
    assert_eq!(missing(&mut trie, &[1, 2, 3, 9]), 1);
}

#[test]
fn clearing_leaves_what_handles_hold() {
    let mut trie = Trie::new(16);
    let held = store(&mut trie, &[1, 2, 3]);
    store(&mut trie, &[1, 2, 4, 5]);
    store(&mut trie, &[7, 8]);
    assert_eq!(trie.clear(), 4);
    assert_eq!(trie.tokens(&held).unwrap(), [1, 2, 3]);
    trie.validate(&[]).unwrap();
}

#[test]
fn two_reservations_for_one_edge_store_it_once_in_either_order() {
    for swap in [false, true] {
        let mut trie = Trie::new(16);
        let one = trie.reserve(&[Want::keep(&[1, 2, 3])], Reuse::Cached).unwrap();
        let two = trie.reserve(&[Want::keep(&[1, 2, 4])], Reuse::Cached).unwrap();
        let (first, second) = if swap { (two, one) } else { (one, two) };
        let first = trie.commit(first).unwrap();
        let second = trie.commit(second).unwrap();
        assert_eq!(trie.stats().live, 4, "the shared tokens are there once");
        trie.validate(&[]).unwrap();
        drop((first, second));
        assert_eq!(trie.clear(), 4);
        trie.validate(&[]).unwrap();
    }
}
