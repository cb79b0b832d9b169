//! Handles: cloned, dropped, and asked for their slots.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::Criterion;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_kvtrie::{Reuse, Seq, Trie, Want};

use crate::{random, store};

/// Handles that one thread drops.
const SHARE: usize = 20_000;

pub(crate) fn handles(criterion: &mut Criterion) {
    let mut trie = Trie::new(4096);
    let prompt = random(1000, 50_000, &mut ChaCha8Rng::seed_from_u64(4));
    let seq = store(&mut trie, &prompt);
    criterion.bench_function("trie/fork_and_drop", |bench| bench.iter(|| drop(black_box(seq.clone()))));
    criterion.bench_function("trie/S5/fork", |bench| bench.iter_with_large_drop(|| seq.clone()));
    let clones = |count: usize| vec![seq.clone(); count];
    let distinct = |trie: &mut Trie, count: usize| (0..count).map(|_| trie.match_prefix(&prompt).seq).collect();
    for threads in [1, 2] {
        let name = format!("trie/S5/drop_clones/{threads}_threads");
        criterion.bench_function(&name, |bench| {
            bench.iter_custom(|count| drops(count, threads, clones));
        });
        let name = format!("trie/S5/drop_last/{threads}_threads");
        criterion.bench_function(&name, |bench| {
            bench.iter_custom(|count| drops(count, threads, |count| distinct(&mut trie, count)));
        });
    }
}

/// Time a drop, of all threads together: what two threads that never met would halve.
fn drops(count: u64, threads: usize, mut make: impl FnMut(usize) -> Vec<Seq>) -> Duration {
    let (mut total, mut done) = (Duration::ZERO, 0);
    while done < count {
        let shares: Vec<Vec<Seq>> = (0..threads).map(|_| make(SHARE)).collect();
        total += drop_at_once(shares);
        done += (threads * SHARE) as u64;
    }
    total.mul_f64(count as f64 / done as f64)
}

fn drop_at_once(shares: Vec<Vec<Seq>>) -> Duration {
    let barrier = Barrier::new(shares.len());
    let spans: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| {
                scope.spawn(|| {
                    barrier.wait();
                    let begun = Instant::now();
                    drop(share);
                    (begun, Instant::now())
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let (first, last) = (spans.iter().map(|span| span.0).min(), spans.iter().map(|span| span.1).max());
    first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first)
}

/// The slots of a sequence: one run of tokens, and as many runs as tokens.
pub(crate) fn paths(criterion: &mut Criterion) {
    let mut trie = Trie::new(8192);
    for length in [100, 1000] {
        let seq = store(&mut trie, &random(length, 50_000, &mut ChaCha8Rng::seed_from_u64(length as u64)));
        criterion.bench_function(&format!("trie/path_{length}"), |bench| bench.iter(|| black_box(trie.path(&seq))));
    }
    for length in [100, 1000] {
        let (trie, seq) = scattered(length);
        criterion.bench_function(&format!("trie/S6/path_{length}/a_run_a_token"), |bench| {
            bench.iter(|| black_box(trie.path(&seq)));
        });
    }
}

/// A sequence that grew beside another, token by token, so that none of its slots touch.
fn scattered(length: usize) -> (Trie, Seq) {
    let mut trie = Trie::new(2 * length as u32);
    let mut held = Vec::new();
    for end in 1..=length as u32 {
        let contexts = [0, 1].map(|first| [first].into_iter().chain(1..end).collect::<Vec<u32>>());
        let wants = [Want::keep(&contexts[0]), Want::keep(&contexts[1])];
        let reservation = trie.reserve(&wants, Reuse::Cached).unwrap_or_else(|error| panic!("{error}"));
        held = trie.commit(reservation).unwrap_or_else(|error| panic!("{error}"));
    }
    let seq = held.remove(0);
    assert!(trie.path(&seq).is_ok_and(|path| path.len() == length), "a run a token");
    (trie, seq)
}
