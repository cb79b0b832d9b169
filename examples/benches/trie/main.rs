//! The trie alone: no tensors.
//!
//! ```text
//! cargo bench -p saffron-examples --bench trie
//! cargo bench -p saffron-examples --bench trie -- evict_64
//! ```
//!
//! | id | benchmark | what |
//! |---|---|---|
//! | S1 | `trie/extend` | a beam's leaf takes a token, from its handle or as a whole context |
//! | S2 | `trie/match_1024`, `trie/match_8192` | a stored prompt is found among 200 or 10,000 |
//! | S3 | `trie/insert_7936` | random tokens into a full cache |
//! | S4 | `trie/evict_64` | 10² to 10⁶ leaves |
//! | S5 | `trie/S5` | handles: fork, drop, the last drop on one thread and on two |
//! | S6 | `trie/path`, `trie/S6` | the slots of a sequence: one run, and a run a token |
//! | S7 | `trie/S7`, `trie/churn_2` | splits and evictions of a vocabulary of 2 |
//! | S9 | `trie/S9` | many tenants' requests under every policy; prints a table of hits beside the best possible |
//! | sizes | `trie/size` | every operation against 10² to 10⁶ nodes; the plot is made of these and S4 |
//!
//! S8, the frontier's plan, is in the benchmark `storage`, since a plan ends in tensors.
#![allow(missing_docs, clippy::print_stderr, reason = "criterion's macros; benchmarks print their tables")]

mod beam;
mod churn;
mod handles;
mod lookup;
mod sizes;
mod tenants;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use saffron_kvtrie::evict::EvictionPolicy;
use saffron_kvtrie::{Reuse, Seq, Trie, Want};

fn random(count: usize, vocabulary: u32, rng: &mut ChaCha8Rng) -> Vec<u32> {
    (0..count).map(|_| rng.next_u32() % vocabulary).collect()
}

fn store<E: EvictionPolicy>(trie: &mut Trie<E>, tokens: &[u32]) -> Seq {
    let reservation = trie.reserve(&[Want::keep(tokens)], Reuse::Cached).unwrap_or_else(|error| panic!("{error}"));
    trie.commit(reservation).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = beam::extend, lookup::matching, sizes::sizes, handles::handles, handles::paths, churn::inserting, churn::churning, tenants::tenants
}
criterion_main!(benches);
