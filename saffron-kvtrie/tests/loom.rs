//! Handles and reservations that are dropped on other threads, in every interleaving with the trie's own calls.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p saffron-kvtrie --no-default-features --release --test loom --target-dir target/loom
//! ```
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use loom::thread;
use saffron_kvtrie::{Reuse, Seq, Trie, Want};

fn store(trie: &mut Trie, tokens: &[u32]) -> Seq {
    let reservation = trie.reserve(&[Want::keep(tokens)], Reuse::Cached).unwrap();
    trie.commit(reservation).unwrap().remove(0)
}

#[test]
fn handles_dropped_on_two_threads_while_the_trie_evicts_are_let_go_once_each() {
    loom::model(|| {
        let mut trie = Trie::new(8);
        let (one, other) = (store(&mut trie, &[1, 2]), store(&mut trie, &[1, 3]));
        let threads = [thread::spawn(move || drop(one)), thread::spawn(move || drop(other))];
        let early = trie.evict(usize::MAX);
        trie.validate(&[]).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(early + trie.evict(usize::MAX), 3);
        trie.validate(&[]).unwrap();
    });
}

#[test]
fn the_last_of_two_clones_lets_go_whichever_thread_has_it() {
    loom::model(|| {
        let mut trie = Trie::new(4);
        let one = store(&mut trie, &[1, 2, 3]);
        let other = one.clone();
        let thread = thread::spawn(move || drop(other));
        drop(one);
        trie.settle();
        trie.validate(&[]).unwrap();
        thread.join().unwrap();
        assert_eq!(trie.evict(usize::MAX), 3);
        trie.validate(&[]).unwrap();
    });
}

#[test]
fn a_reservation_dropped_on_another_thread_frees_its_slots() {
    loom::model(|| {
        let mut trie = Trie::new(4);
        let open = trie.reserve(&[Want::keep(&[1, 2, 3])], Reuse::Cached).unwrap();
        let thread = thread::spawn(move || drop(open));
        // Room only if the drop came first; either way the books are right.
        let second = trie.reserve(&[Want::keep(&[4, 5])], Reuse::Cached).ok();
        drop(second);
        thread.join().unwrap();
        trie.validate(&[]).unwrap();
        assert_eq!(trie.stats().free, 4);
    });
}

#[test]
fn a_handle_may_outlive_its_trie_on_another_thread() {
    loom::model(|| {
        let mut trie = Trie::new(4);
        let held = store(&mut trie, &[1]);
        let thread = thread::spawn(move || drop(held));
        drop(trie);
        thread.join().unwrap();
    });
}
