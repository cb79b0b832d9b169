//! Many tenants' requests under every policy: how many tokens are found, beside the most that any policy could find.

use criterion::Criterion;
use saffron_examples::bench::requests::{Oracle, Request, Tenants, requests};
use saffron_kvtrie::evict::{EvictionPolicy, Fifo, Lfu, Lru, NeverEvict, ScoreAware};
use saffron_kvtrie::{Reuse, Trie, Want};

/// Runs requests through a trie of `capacity` tokens; gives the share of tokens that were found. Scores, for the policy that goes by them,
/// say how busy a tenant is.
fn replay<E: EvictionPolicy>(policy: E, capacity: usize, requests: &[Request]) -> f64 {
    let mut trie = Trie::<E>::with_policy(capacity as u32, policy);
    for request in requests {
        // A full cache that gives nothing up finds what it has, and stores nothing.
        let Ok(reservation) = trie.reserve(&[Want::keep(&request.tokens)], Reuse::Cached) else { continue };
        for seq in trie.commit(reservation).unwrap_or_else(|error| panic!("{error}")) {
            trie.set_score(&seq, -(request.tenant as f32)).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let stats = trie.stats();
    stats.tokens_hit as f64 / stats.tokens_asked as f64
}

/// A policy's name and a replay under it.
type Policy = (&'static str, fn(usize, &[Request]) -> f64);

const POLICIES: [Policy; 5] = [
    ("lru", |capacity, requests| replay(Lru::default(), capacity, requests)),
    ("lfu", |capacity, requests| replay(Lfu::default(), capacity, requests)),
    ("fifo", |capacity, requests| replay(Fifo::default(), capacity, requests)),
    ("score", |capacity, requests| replay(ScoreAware::default(), capacity, requests)),
    ("never", |capacity, requests| replay(NeverEvict::default(), capacity, requests)),
];

pub(crate) fn tenants(criterion: &mut Criterion) {
    let requests = requests(Tenants::default());
    let oracle = Oracle::new(&requests);
    let mut group = criterion.benchmark_group("trie/S9");
    group.sample_size(10).throughput(criterion::Throughput::Elements(requests.len() as u64));
    let mut ran = false;
    for (name, replay) in POLICIES {
        group.bench_function(name, |bench| {
            ran = true;
            bench.iter(|| replay(oracle.distinct() / 2, &requests));
        });
    }
    group.finish();
    if ran {
        table(&requests, &oracle);
    }
}

fn table(requests: &[Request], oracle: &Oracle) {
    eprintln!(
        "trie/S9: {} requests of {} tokens, {} of them distinct; tokens found in %, by the budget as a share of the distinct ones",
        requests.len(),
        oracle.asked(),
        oracle.distinct()
    );
    let names: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
    eprintln!("| budget | best possible | {} |", names.join(" | "));
    for tenth in 1..=10 {
        let capacity = oracle.distinct() * tenth / 10;
        let best = oracle.most_hits(capacity) as f64 / oracle.asked() as f64;
        let found: Vec<f64> = POLICIES.iter().map(|(_, replay)| replay(capacity, requests)).collect();
        assert!(found.iter().all(|found| *found <= best + 1e-9), "nothing finds more than the best possible");
        let found: Vec<String> = found.iter().map(|found| format!("{:.1}", found * 100.0)).collect();
        eprintln!("| {} % | {:.1} | {} |", tenth * 10, best * 100.0, found.join(" | "));
    }
}
