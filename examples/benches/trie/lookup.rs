//! Stored prompts found again.

use criterion::Criterion;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_kvtrie::Trie;

use crate::{random, store};

pub(crate) fn matching(criterion: &mut Criterion) {
    for (length, prompts) in [(1024, 200), (8192, 200), (1024, 10_000), (8192, 10_000)] {
        let name =
            if prompts == 200 { format!("trie/match_{length}") } else { format!("trie/match_{length}/{prompts}") };
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let prompts: Vec<Vec<u32>> = (0..prompts).map(|_| random(length, 50_000, &mut rng)).collect();
        let mut trie = Trie::new((prompts.len() * length) as u32);
        prompts.iter().for_each(|prompt| drop(store(&mut trie, prompt)));
        let mut next = 0;
        criterion.bench_function(&name, |bench| {
            bench.iter(|| {
                next = (next + 7919) % prompts.len();
                assert_eq!(trie.stored(&prompts[next]), length);
            });
        });
        criterion.bench_function(&format!("{name}/hot"), |bench| {
            bench.iter(|| assert_eq!(trie.stored(&prompts[0]), length));
        });
    }
}
