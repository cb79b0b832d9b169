//! Contexts in and out of a full cache.

use criterion::Criterion;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_kvtrie::{Seq, Trie};

use crate::{random, store};

/// Random tokens in and out of a full cache.
pub(crate) fn inserting(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut trie = Trie::new(262_144);
    for (name, length, vocabulary) in [("trie/insert_7936", 7_936, 1_024), ("trie/churn_2", 32, 2)] {
        let contexts: Vec<Vec<u32>> = (0..200).map(|_| random(length, vocabulary, &mut rng)).collect();
        let mut next = 0;
        criterion.bench_function(name, |bench| {
            bench.iter(|| {
                next = (next + 1) % contexts.len();
                drop(store(&mut trie, &contexts[next]));
            });
        });
    }
}

/// Contexts of 1 to 64 tokens of a vocabulary of 2 come and go in any order, up to eight held at once, in a cache of 1,024: runs are
/// split until few tokens stand together, and most contexts must make room.
struct Churn {
    trie: Trie,
    held: Vec<Seq>,
    rng: ChaCha8Rng,
    rounds: u64,
}

impl Churn {
    fn new() -> Self {
        Self { trie: Trie::new(1024), held: Vec::new(), rng: ChaCha8Rng::seed_from_u64(6), rounds: 0 }
    }

    /// Stores and holds a context, or lets one go.
    fn round(&mut self) {
        self.rounds += 1;
        let take = self.held.is_empty() || self.held.len() < 8 && self.rng.next_u32().is_multiple_of(2);
        if take {
            let length = 1 + self.rng.next_u32() as usize % 64;
            let tokens = random(length, 2, &mut self.rng);
            self.held.push(store(&mut self.trie, &tokens));
        } else {
            let place = self.rng.next_u32() as usize % self.held.len();
            drop(self.held.swap_remove(place));
        }
    }
}

pub(crate) fn churning(criterion: &mut Criterion) {
    let mut churn = Churn::new();
    criterion.bench_function("trie/S7/churn", |bench| bench.iter(|| churn.round()));
    if churn.rounds == 0 {
        return; // another benchmark was asked for
    }
    let stats = churn.trie.stats();
    let each = |count: u64| count as f64 / churn.rounds as f64;
    eprintln!(
        "trie/S7/churn: a round has {:.2} splits, {:.2} nodes and {:.2} tokens evicted, {:.2} of {:.2} tokens found",
        each(stats.splits),
        each(stats.nodes_evicted),
        each(stats.tokens_evicted),
        each(stats.tokens_hit),
        each(stats.tokens_asked)
    );
    assert_eq!(churn.trie.validate(&[]), Ok(()), "the books are right after all that");
}
