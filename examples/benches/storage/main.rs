//! The trie's tensors on `flex`: pools, attention plans, snapshots.
//!
//! ```text
//! cargo bench -p saffron-examples --bench storage
//! cargo bench -p saffron-examples --bench storage -- T3
//! ```
//!
//! | id | benchmark | what |
//! |---|---|---|
//! | S8 | `storage/S8` | a step's plan: what the frontier shares, slots and masks |
//! | T1 | `storage/T1` | a step's 16 new rows written into pools of several sizes, in place and with a view held |
//! | T2 | `storage/T2` | 2,560 slots gathered |
//! | T3 | `storage/T3` | one layer's attention under every plan; prints the cost model fitted to the times, and what each model picks |
//! | T9 | `storage/T9` | one layer's attention of a decode step behind 4,096 tokens, window of 512 against the whole; prints the ratio |
//! | T7 | `storage/T7` | pools growing, snapshots saved and loaded, beside copying memory |
#![allow(missing_docs, clippy::print_stderr, reason = "criterion's macros; benchmarks print their tables")]

mod files;
mod picks;
mod plans;
mod pools;
mod step;
mod windows;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_millis(500)).warm_up_time(Duration::from_millis(200));
    targets = pools::write, pools::gather, plans::plan, plans::attend, windows::attend, files::grow, files::snapshots, files::compact
}
criterion_main!(benches);
