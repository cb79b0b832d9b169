//! Order and capacity.

use saffron_kvtrie::evict::NeverEvict;
use saffron_kvtrie::{CacheError, HostStore, KvError, KvStore, KvTrie, Reuse, Seq, Trie, Want};

use crate::machine::canary::{self, HEADS, LAYERS, WIDTH};

fn hold(cache: &mut KvTrie<HostStore>, context: &[u32]) -> Seq {
    let contexts = [context.to_vec()];
    let want = [Want::keep(context)];
    cache.step(&want, Reuse::Cached, |rows, store| canary::forward(rows, store, &contexts)).unwrap().seqs.remove(0)
}

fn cache(tokens: u32) -> KvTrie<HostStore> {
    KvTrie::new(HostStore::new(LAYERS, HEADS, WIDTH, tokens))
}

#[test]
fn rows_do_not_move_while_a_reservation_is_open() {
    let mut cache = cache(8);
    let held = hold(&mut cache, &[1, 2]);
    // One that only reads again what is stored holds no slot, but knows where things are.
    let open = cache.reserve(&[Want::after(&held, &[])], Reuse::Cached).unwrap();
    let refused = KvError::Cache(CacheError::ReservationsOpen { open: 1 });
    assert_eq!(cache.compact(), Err(refused.clone()));
    assert_eq!(cache.set_capacity(4), Err(refused));
    assert_eq!(cache.trie().capacity(), 8);
    drop(open);
    assert_eq!(cache.compact(), Ok(0));
}

#[test]
fn a_lower_capacity_evicts_moves_and_gives_memory_back() {
    let mut cache = cache(64);
    (0..10).for_each(|token| drop(hold(&mut cache, &[token, 1, 2])));
    let held = hold(&mut cache, &[50, 51, 52, 53]);
    let before = cache.stats().store.bytes;
    cache.set_capacity(7).unwrap();
    cache.validate(&[]).unwrap();
    let stats = cache.stats();
    assert_eq!((stats.trie.live, stats.trie.free, cache.store().limit()), (7, 0, 8));
    assert!(stats.store.bytes < before);
    canary::check(&cache, &held, &[50, 51, 52, 53]);
    assert_eq!(cache.stored(&[9, 1, 2]), 3, "what was used last is left");
}

#[test]
fn a_capacity_below_what_is_pinned_is_refused_and_nothing_goes() {
    let mut cache = cache(16);
    let held = hold(&mut cache, &[1, 2, 3, 4]);
    drop(hold(&mut cache, &[5, 6]));
    let refused = cache.set_capacity(3).unwrap_err();
    assert_eq!(refused, KvError::Cache(CacheError::CapacityTooSmall { capacity: 3, kept: 4, pinned: 4 }));
    assert_eq!((cache.trie().capacity(), cache.stored(&[5, 6])), (16, 2));
    drop(held);
    cache.set_capacity(3).unwrap();
    cache.validate(&[]).unwrap();
}

#[test]
fn a_policy_that_keeps_everything_keeps_its_capacity() {
    let store = HostStore::new(LAYERS, HEADS, WIDTH, 8);
    let mut cache: KvTrie<HostStore, NeverEvict> = KvTrie::with_policy(store, NeverEvict::default());
    let contexts = [vec![1, 2, 3]];
    let want = [Want::keep(&contexts[0])];
    cache.step(&want, Reuse::Cached, |rows, store| canary::forward(rows, store, &contexts)).unwrap();
    let refused = cache.set_capacity(2).unwrap_err();
    assert_eq!(refused, KvError::Cache(CacheError::CapacityTooSmall { capacity: 2, kept: 3, pinned: 0 }));
    cache.set_capacity(3).unwrap();
    cache.validate(&[]).unwrap();
}

#[test]
fn a_higher_capacity_takes_in_what_did_not_fit_even_while_something_is_open() {
    let mut cache = cache(4);
    let _held = hold(&mut cache, &[1, 2]);
    let open = cache.reserve(&[Want::keep(&[3, 4])], Reuse::Cached).unwrap();
    assert!(cache.reserve(&[Want::keep(&[5])], Reuse::Cached).is_err());
    cache.set_capacity(5).unwrap();
    let more = cache.reserve(&[Want::keep(&[5])], Reuse::Cached).unwrap();
    cache.validate(&[&open, &more]).unwrap();
}

#[test]
fn a_trie_alone_says_which_slot_is_in_the_way() {
    let mut trie = Trie::new(8);
    let _first = crate::trie::store(&mut trie, &[1, 2]);
    let second = crate::trie::store(&mut trie, &[3, 4]);
    assert_eq!(trie.set_capacity(3), Err(CacheError::SlotInUse { slot: 4, capacity: 3 }));
    trie.validate(&[]).unwrap();
    drop(second);
    trie.shrink_to(3).unwrap();
    trie.compact(|_| Ok::<_, CacheError>(())).unwrap();
    trie.set_capacity(3).unwrap();
    trie.validate(&[]).unwrap();
    assert_eq!(trie.stats().live, 3);
}

#[test]
fn a_capacity_that_slots_cannot_be_numbered_for_is_refused_before_anything_changes() {
    let mut cache = cache(8);
    let held = hold(&mut cache, &[1, 2]);
    let refused = CacheError::CapacityTooLarge { capacity: u32::MAX, most: u32::MAX - 1 };
    assert_eq!(cache.set_capacity(u32::MAX), Err(KvError::Cache(refused)));
    assert_eq!(Trie::new(8).set_capacity(u32::MAX), Err(refused));
    assert_eq!((cache.trie().capacity(), cache.store().limit()), (8, 9));
    cache.validate(&[]).unwrap();
    assert_eq!(cache.trie().tokens(&held).unwrap(), [1, 2]);
}
