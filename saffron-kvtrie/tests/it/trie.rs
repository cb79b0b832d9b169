//! Named cases: eviction order, handles, reservations that fail, depth and width.

use saffron_kvtrie::evict::{EvictionPolicy, Fifo, Lfu, Lru, NeverEvict, ScoreAware};
use saffron_kvtrie::{CacheError, Reuse, Trie, Want};

pub(crate) fn store<E: EvictionPolicy>(trie: &mut Trie<E>, tokens: &[u32]) -> saffron_kvtrie::Seq {
    let reservation = trie.reserve(&[Want::keep(tokens)], Reuse::Cached).unwrap();
    trie.commit(reservation).unwrap().remove(0)
}

/// How many rows a context would have to compute.
pub(crate) fn missing<E: EvictionPolicy>(trie: &mut Trie<E>, tokens: &[u32]) -> usize {
    trie.reserve(&[Want::keep(tokens)], Reuse::Cached).unwrap().computed().next().unwrap().len()
}

#[test]
fn nothing_matches_a_row_before_it_is_committed() {
    let mut trie = Trie::new(16);
    let open = trie.reserve(&[Want::keep(&[1, 2, 3])], Reuse::Cached).unwrap();
    assert_eq!(missing(&mut trie, &[1, 2, 3]), 3);
    trie.commit(open).unwrap();
    assert_eq!(missing(&mut trie, &[1, 2, 3]), 1, "only the row that is wanted again");
}

#[test]
fn a_reservation_that_is_dropped_frees_its_slots() {
    let mut trie = Trie::new(4);
    for _ in 0..10 {
        drop(trie.reserve(&[Want::keep(&[1, 2, 3, 4])], Reuse::Cached).unwrap());
    }
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _open = trie.reserve(&[Want::keep(&[1, 2, 3, 4])], Reuse::Cached).unwrap();
        panic!("a forward pass that fails");
    }));
    assert!(unwound.is_err());
    assert_eq!(trie.stats().pending, 0);
    store(&mut trie, &[5, 6, 7, 8]);
    trie.validate(&[]).unwrap();
}

#[test]
fn the_least_recently_used_leaf_goes_first_and_its_tail_before_its_head() {
    let mut trie = Trie::new(9);
    for tokens in [[1, 2, 3], [4, 5, 6], [7, 8, 9]] {
        store(&mut trie, &tokens);
    }
    missing(&mut trie, &[1, 2, 3]); // used again
    assert_eq!(trie.evict(2), 2);
    assert_eq!(missing(&mut trie, &[4, 5, 6]), 2, "the oldest lost its tail");
    assert_eq!(missing(&mut trie, &[1, 2, 3]), 1);
    assert_eq!(missing(&mut trie, &[7, 8, 9]), 1);
}

#[test]
fn a_parent_goes_only_after_its_children() {
    let mut trie = Trie::new(16);
    store(&mut trie, &[1, 2]);
    store(&mut trie, &[1, 2, 3]);
    store(&mut trie, &[1, 2, 4]);
    trie.evict(2);
    assert_eq!(missing(&mut trie, &[1, 2]), 1, "the prefix is still there");
    trie.evict(2);
    assert_eq!(trie.stats().live, 0);
}

#[test]
fn what_is_pinned_survives_and_a_full_cache_says_what_it_holds() {
    let mut trie = Trie::new(6);
    let held = store(&mut trie, &[1, 2, 3, 4]);
    assert_eq!(trie.evict(usize::MAX), 0);
    let error = trie.reserve(&[Want::keep(&[9, 9, 9])], Reuse::Cached).unwrap_err();
    assert_eq!(error, CacheError::OutOfBudget { need: 3, free: 2, evictable: 0, pinned: 4, capacity: 6 });
    assert_eq!(trie.tokens(&held).unwrap(), [1, 2, 3, 4]);
    drop(held);
    assert!(trie.reserve(&[Want::keep(&[9, 9, 9])], Reuse::Cached).is_ok());
    trie.validate(&[]).unwrap();
}

#[test]
fn more_than_fits_is_refused_though_all_be_evictable() {
    let mut trie = Trie::new(4);
    store(&mut trie, &[1, 2]);
    let error = trie.reserve(&[Want::keep(&[5; 9])], Reuse::Cached).unwrap_err();
    assert!(matches!(error, CacheError::OutOfBudget { need: 9, capacity: 4, .. }), "{error}");
    trie.validate(&[]).unwrap();
}

#[test]
fn handles_may_be_dropped_on_other_threads_and_after_the_trie() {
    let mut trie = Trie::new(8);
    let held = store(&mut trie, &[1, 2, 3]);
    let forks: Vec<_> = (0..4).map(|_| held.clone()).collect();
    std::thread::scope(|scope| forks.into_iter().for_each(|fork| drop(scope.spawn(move || drop(fork)))));
    assert_eq!(trie.evict(usize::MAX), 0, "one handle is left");
    let late = held.clone();
    drop(held);
    drop(late);
    assert_eq!(trie.evict(usize::MAX), 3);
    let last = store(&mut trie, &[4]);
    drop(trie);
    drop(last);
}

#[test]
fn an_empty_context_is_refused() {
    let error = Trie::new(4).reserve(&[Want::keep(&[1]), Want::keep(&[])], Reuse::Cached).unwrap_err();
    assert_eq!(error, CacheError::EmptyContext { place: 1 });
}

#[test]
fn a_chain_of_a_million_nodes_does_not_recurse() {
    let length = 1_000_000;
    let mut trie = Trie::new(length + 8);
    let tokens: Vec<u32> = (0..length).map(|i| i % 7).collect();
    // Node by node: each commit adds one token below what is there.
    for end in [1, 2, 3, 500_000, length as usize] {
        store(&mut trie, &tokens[..end]);
    }
    let held = store(&mut trie, &tokens);
    assert_eq!(trie.tokens(&held).unwrap().len(), length as usize);
    drop(held);
    assert_eq!(trie.evict(usize::MAX), length as usize);
}

#[test]
fn a_million_single_token_nodes_in_a_chain_are_walked_and_evicted() {
    use saffron_kvtrie::index::{Index, SlotAllocator};
    let length = 1_000_000u32;
    let mut slots = SlotAllocator::new(2 * length);
    let mut index: Index = Index::new(Lru::default());
    let all = slots.take(2 * length).unwrap();
    assert_eq!(all.len(), 1);
    let mut at = index.root();
    for depth in 0..length {
        // Every second slot, so that no two runs touch.
        at = index.insert(at, &[depth % 3], &[1 + 2 * depth]).unwrap().0;
        slots.give(saffron_kvtrie::Extent { base: 2 + 2 * depth, len: 1 });
    }
    assert_eq!(index.path(at).unwrap().len(), length as usize);
    assert_eq!(index.evict(usize::MAX, &mut slots), length as usize);
    assert_eq!(slots.free_slots(), 2 * length as usize);
}

#[test]
fn wide_fan_out_at_one_node() {
    let mut trie = Trie::new(100_010);
    let contexts: Vec<Vec<u32>> = (0..100_000).map(|token| vec![7, token]).collect();
    let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
    let reservation = trie.reserve(&wants, Reuse::Cached).unwrap();
    trie.commit(reservation).unwrap();
    assert_eq!(trie.stats().live, 100_001);
    assert_eq!(missing(&mut trie, &[7, 99_999]), 1);
}

#[test]
fn equal_calls_give_equal_slots() {
    let run = || {
        let mut trie = Trie::new(20);
        let mut slots = Vec::new();
        for step in 0..40u32 {
            let context: Vec<u32> = (0..6).map(|i| (i * step) % 4).collect();
            let reservation = trie.reserve(&[Want::keep(&context)], Reuse::Cached).unwrap();
            slots.extend_from_slice(reservation.slots());
            trie.commit(reservation).unwrap();
        }
        slots
    };
    assert_eq!(run(), run());
}

#[test]
fn a_handle_of_another_trie_is_refused() {
    let (mut one, mut other) = (Trie::new(8), Trie::new(8));
    let seq = store(&mut one, &[1, 2]);
    store(&mut other, &[3, 4]);
    assert_eq!(other.tokens(&seq), Err(CacheError::Foreign));
    assert_eq!(other.path(&seq), Err(CacheError::Foreign));
    assert_eq!(other.set_score(&seq, 1.0), Err(CacheError::Foreign));
    assert!(other.truncate(&seq, 1).is_err());
}

#[test]
fn a_forgotten_handle_only_keeps_what_it_held() {
    let mut trie = Trie::new(8);
    std::mem::forget(store(&mut trie, &[1, 2]));
    store(&mut trie, &[3, 4]);
    assert_eq!(trie.clear(), 2);
    trie.validate(&[]).unwrap();
}

#[test]
fn handles_dropped_while_unwinding_are_let_go() {
    let mut trie = Trie::new(8);
    let held = store(&mut trie, &[1, 2, 3]);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = held;
        panic!("a search that fails");
    }));
    assert!(unwound.is_err());
    assert_eq!(trie.clear(), 3);
}

/// Stores three leaves, uses the first twice and the third once, and says which of them survive when one must go.
fn survivors<E: EvictionPolicy>(policy: E) -> Vec<u32> {
    let mut trie: Trie<E> = Trie::with_policy(6, policy);
    for token in [1, 2, 3] {
        let seq = store(&mut trie, &[token, 9]);
        trie.set_score(&seq, [5.0, 7.0, -1.0][token as usize - 1]).unwrap();
    }
    trie.stored(&[3, 9]);
    trie.stored(&[1, 9]);
    trie.stored(&[1, 9]);
    trie.evict(2);
    (1..4).filter(|token| trie.stored(&[*token, 9]) == 2).collect()
}

#[test]
fn every_policy_forgets_by_its_own_rule() {
    assert_eq!(survivors(Lru::default()), [1, 3], "the second was not used again");
    assert_eq!(survivors(Lfu::default()), [1, 3], "the second was used least");
    assert_eq!(survivors(Fifo::default()), [2, 3], "the first came first");
    assert_eq!(survivors(ScoreAware::default()), [1, 2], "the third is worth least");
    assert_eq!(survivors(NeverEvict::default()), [1, 2, 3]);
}

#[test]
fn a_cache_that_never_evicts_says_that_it_is_full() {
    let mut trie: Trie<NeverEvict> = Trie::with_policy(4, NeverEvict::default());
    store(&mut trie, &[1, 2, 3]);
    let error = trie.reserve(&[Want::keep(&[7, 8])], Reuse::Cached).unwrap_err();
    assert!(matches!(error, CacheError::OutOfBudget { need: 2, free: 1, pinned: 0, .. }), "{error}");
}

#[test]
fn the_saving_is_the_lengths_of_all_contexts_over_their_distinct_prefixes() {
    let mut trie = Trie::new(64);
    let contexts: Vec<Vec<u32>> = (0..4).map(|leaf| vec![1, 2, 3, 4, 5, 6, 7, leaf]).collect();
    let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
    let reservation = trie.reserve(&wants, Reuse::Cached).unwrap();
    trie.commit(reservation).unwrap();
    assert!((trie.stats().saving() - 32.0 / 11.0).abs() < 1e-12);
}

#[test]
fn asking_for_more_than_four_billion_tokens_to_go_ends() {
    let mut trie = Trie::new(8);
    store(&mut trie, &[1, 2]);
    assert_eq!(trie.evict(1 << 32), 2);
}

#[test]
fn what_pins_keep_from_fitting_costs_the_others_nothing() {
    let mut trie = Trie::new(16);
    let _held = store(&mut trie, &[1, 2, 3, 4, 5, 6, 7, 8]);
    store(&mut trie, &[20, 21, 22, 23]);
    assert!(trie.reserve(&[Want::keep(&[40, 41, 42, 43, 44, 45, 46, 47, 48])], Reuse::Cached).is_err());
    assert_eq!(trie.stored(&[20, 21, 22, 23]), 4);
}

#[test]
fn a_score_that_is_no_number_and_books_that_cannot_be_right_are_refused() {
    use saffron_kvtrie::index::Index;
    let mut trie = Trie::new(4);
    let seq = store(&mut trie, &[1]);
    assert_eq!(trie.set_score(&seq, f32::NAN), Err(CacheError::ScoreIsNan));
    let mut index: Index = Index::new(Lru::default());
    assert_eq!(index.insert(index.root(), &[1, 2], &[1]).unwrap_err(), CacheError::SlotCount { tokens: 2, slots: 1 });
    let (node, _) = index.insert(index.root(), &[1, 2], &[1, 2]).unwrap();
    assert!(matches!(index.unpin(node), Err(CacheError::NotPinned { .. })));
}

#[test]
fn a_trie_takes_memory_as_it_is_used_whatever_its_capacity() {
    // The tokens of all slots would take 16 GiB.
    let mut trie = Trie::new(u32::MAX);
    let seqs: Vec<_> = (0..50).map(|first| store(&mut trie, &[first, 1, 2])).collect();
    assert_eq!(trie.stats().live, 150);
    trie.compact::<CacheError>(|_| Ok(())).unwrap();
    for (first, seq) in (0..).zip(&seqs) {
        assert_eq!(trie.tokens(seq).unwrap(), [first, 1, 2]);
    }
    trie.set_capacity(150).unwrap();
    assert!(matches!(trie.set_capacity(149), Err(CacheError::SlotInUse { slot: 150, capacity: 149 })));
    trie.set_capacity(u32::MAX - 1).unwrap();
    store(&mut trie, &[7, 8]);
    trie.validate(&[]).unwrap();
}
