//! What choosing candidates costs beside a policy's forward pass: the filter of one row of logits,
//! and a whole sampling search over prepared rows.
//!
//! ```text
//! cargo bench -p saffron-search --bench candidates
//! ```
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::unit_f32;
use saffron_core::{
    CandidateFilter, Candidates, ModelError, PlainVocabulary, Policy, PrmScorer, Reply, Session, Token, Vocabulary,
    process_reward_fn,
};
use saffron_search::{BestOfN, Searcher};

/// Vocabularies of SmolLM2, Llama 3 and Gemma 3.
const VOCABULARIES: [usize; 3] = [49_152, 128_256, 262_144];
const SAMPLES: usize = 16;
const NEW_TOKENS: usize = 8;

/// Logits with a bell shape, as models have them: sums of six uniform numbers.
fn logits(size: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || unit_f32(&mut rng);
    (0..size).map(|_| (0..6).map(|_| uniform()).sum::<f32>() * 8.0).collect()
}

/// The filter of one row: the whole distribution, and cuts of it.
fn filters(criterion: &mut Criterion) {
    let nucleus = CandidateFilter { top_p: 0.9, ..CandidateFilter::default() };
    let near_whole = CandidateFilter { top_p: 0.999_999_9, ..CandidateFilter::default() };
    let top_k = CandidateFilter { top_k: Some(50), ..CandidateFilter::default() };
    let filters =
        [("whole", CandidateFilter::default()), ("nucleus", nucleus), ("near_whole", near_whole), ("top_k", top_k)];
    for size in VOCABULARIES {
        let row = logits(size, 3);
        for (name, filter) in &filters {
            criterion.bench_function(&format!("filter/{name}/{size}"), |bench| {
                bench.iter(|| black_box(filter.apply(black_box(&row), &[], 0)));
            });
        }
    }
}

/// A policy that answers at once from prepared rows.
struct Prepared {
    rows: Vec<Vec<f32>>,
    vocabulary: Arc<dyn Vocabulary>,
}

impl Policy for Prepared {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![2]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let row = |place: usize| &self.rows[place % self.rows.len()];
        let candidates = |(place, session): (usize, &Session)| filter.apply(row(place), session.response(), place);
        let value = sessions.iter().enumerate().map(candidates).collect::<Result<Vec<_>, _>>()?;
        Ok(Reply::free(value, sessions.len()))
    }
}

/// Best-of-16 over eight tokens: a row of logits a sample and token.
fn sampling(criterion: &mut Criterion) {
    let searcher = Searcher::new(BestOfN::new(SAMPLES)).max_new_tokens(NEW_TOKENS).min_new_tokens(NEW_TOKENS);
    for size in VOCABULARIES {
        let rows = (0..4).map(|seed| logits(size, seed)).collect();
        let mut policy = Prepared { rows, vocabulary: PlainVocabulary::shared(size) };
        let session = Session::new(policy.vocabulary(), vec![1]).unwrap_or_else(|error| panic!("{error}"));
        criterion.bench_with_input(BenchmarkId::new("best_of_16", size), &session, |bench, session| {
            bench.iter(|| {
                let outcome = searcher.run(session, &mut policy, &mut PrmScorer(process_reward_fn(|_| 0.0)));
                assert!(outcome.is_ok_and(|outcome| outcome.best.tokens.len() == NEW_TOKENS), "a full search");
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = filters, sampling
}
criterion_main!(benches);
