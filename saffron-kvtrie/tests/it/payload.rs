//! The payload table: its budget, and what eviction does to it.

use saffron_kvtrie::payload::{PayloadError, Payloads};
use saffron_kvtrie::{CacheError, Reuse, Seq, Trie, Want};

fn store(trie: &mut Trie, tokens: &[u32]) -> Seq {
    let reservation = trie.reserve(&[Want::keep(tokens)], Reuse::Cached).unwrap();
    trie.commit(reservation).unwrap().remove(0)
}

#[test]
fn a_payload_stays_with_its_sequence_when_the_run_above_it_is_split() {
    let mut trie = Trie::new(16);
    let mut payloads = Payloads::new(64);
    let long = store(&mut trie, &[1, 2, 3, 4]);
    payloads.insert(&trie, &long, "long", 4).unwrap();
    let short = store(&mut trie, &[1, 2]);
    assert_eq!(payloads.get(&trie, &short).unwrap(), None);
    assert_eq!(payloads.get(&trie, &long).unwrap(), Some(&"long"));
}

#[test]
fn the_oldest_payload_makes_room_and_one_that_never_fits_is_refused() {
    let mut trie = Trie::new(16);
    let mut payloads = Payloads::new(10);
    let seqs: Vec<Seq> = (0..3).map(|token| store(&mut trie, &[token])).collect();
    seqs.iter().enumerate().for_each(|(place, seq)| payloads.insert(&trie, seq, place, 5).unwrap());
    assert_eq!(payloads.get(&trie, &seqs[0]).unwrap(), None);
    assert_eq!(payloads.get(&trie, &seqs[2]).unwrap(), Some(&2));
    let refused = payloads.insert(&trie, &seqs[1], 9, 11);
    assert_eq!(refused, Err(PayloadError::TooLarge { bytes: 11, budget: 10 }));
    assert_eq!(payloads.get(&trie, &seqs[1]).unwrap(), Some(&1), "what was there before stays");
    assert_eq!((payloads.len(), payloads.bytes()), (2, 10));
}

#[test]
fn a_payload_goes_with_the_sequence_that_is_evicted_and_never_comes_back_for_another() {
    let mut trie = Trie::new(4);
    let mut payloads = Payloads::new(64);
    let seq = store(&mut trie, &[1, 2]);
    payloads.insert(&trie, &seq, 7, 4).unwrap();
    drop(seq);
    trie.clear();
    let again = store(&mut trie, &[1, 2]);
    assert_eq!(payloads.get(&trie, &again).unwrap(), None);
    payloads.sweep(&trie);
    assert!(payloads.is_empty() && payloads.bytes() == 0);
}

#[test]
fn a_sequence_of_another_trie_has_no_payload_here() {
    let (mut one, other) = (Trie::new(4), Trie::new(4));
    let seq = store(&mut one, &[1]);
    let mut payloads = Payloads::new(64);
    assert_eq!(payloads.insert(&other, &seq, 1, 1), Err(PayloadError::Cache(CacheError::Foreign)));
    assert_eq!(payloads.get(&other, &seq), Err(CacheError::Foreign));
}
