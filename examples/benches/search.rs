//! Whole searches: against the sum of their forward passes, and the work around the models alone.
//!
//! ```text
//! cargo bench -p saffron-examples --bench search
//! SAFFRON_MODEL=models/smollm2 cargo bench -p saffron-examples --bench search    # a checkpoint in place of random weights
//! ```
#![allow(missing_docs, clippy::print_stderr, reason = "criterion's macros; benchmarks print their floors")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::unit_f32;
use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ModelError, MultifurcationRewardModel, Outcome, PlainVocabulary, Policy,
    Reply, SearchError, Session, Token, Vocabulary,
};
use saffron_examples::bench::{beside_floor, engine, named_model, smollm2};
use saffron_examples::device::{device, first};
use saffron_mrm::engine::{Answers, Engine, Outputs, Query};
use saffron_mrm::{DecoderConfig, ModelOptions};
use saffron_search::scheduler::{Limits, Request, Scheduler, Ticket};
use saffron_search::{Saffron, Searcher};

const WIDTH: usize = 16;
const NEW_TOKENS: usize = 32;
const PROMPT: u32 = 26;

/// An engine as policy or reward model, timing its own forward passes.
struct Timed {
    engine: Engine,
    vocabulary: Arc<dyn Vocabulary>,
    forward: Duration,
}

impl Timed {
    fn new() -> Self {
        let device = device(first()).unwrap_or_else(|error| panic!("{error}"));
        let engine = match named_model() {
            Some(dir) => Engine::open(&dir, &device, ModelOptions::default()),
            None => Ok(engine(&smollm2(), &device)),
        };
        Self::around(engine.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Random weights, with so many tokens.
    fn of_vocabulary(size: usize) -> Self {
        let device = device(first()).unwrap_or_else(|error| panic!("{error}"));
        Self::around(engine(&DecoderConfig { vocab_size: size, ..smollm2() }, &device))
    }

    fn around(engine: Engine) -> Self {
        let vocabulary = PlainVocabulary::shared(engine.decoder().config().vocab_size);
        Self { engine, vocabulary, forward: Duration::ZERO }
    }

    fn logits(&mut self, sessions: &[Session]) -> Result<Answers, ModelError> {
        let context = |session: &Session| [session.prompt(), session.response()].concat();
        let query = |session| Query { run: Session::run(session), tokens: context(session), scratch: 0 };
        let queries: Vec<Query<'_>> = sessions.iter().map(query).collect();
        let begun = Instant::now();
        let answers = self.engine.last_logits(&queries, Outputs::All)?;
        self.forward += begun.elapsed();
        Ok(answers)
    }
}

impl Policy for Timed {
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
        let answers = self.logits(sessions)?;
        let value = sessions.iter().enumerate();
        let value = value.map(|(place, session)| filter.apply(answers.logits(place), session.response(), place));
        Ok(Reply { value: value.collect::<Result<_, _>>()?, work: answers.work })
    }
}

impl MultifurcationRewardModel for Timed {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let answers = self.logits(sessions)?;
        let rewards = |(place, list): (usize, &Candidates)| {
            list.tokens().map(|token| ChildReward::Seen(answers.logits(place)[token as usize])).collect()
        };
        Ok(Reply { value: candidates.iter().enumerate().map(rewards).collect(), work: answers.work })
    }
}

fn session(policy: &dyn Policy, salt: u32) -> Session {
    let prompt: Vec<Token> = (0..PROMPT).map(|i| (i * 31 + salt * 17 + 5) % 40_000).collect();
    Session::new(policy.vocabulary(), prompt).unwrap_or_else(|error| panic!("{error}"))
}

fn searcher() -> Searcher {
    Searcher::new(Saffron::paper(WIDTH)).max_new_tokens(NEW_TOKENS).min_new_tokens(NEW_TOKENS)
}

/// A whole search beside the time of its forward passes, and that beside nothing: what they are measured against is `step`.
fn whole(criterion: &mut Criterion) {
    let (mut policy, mut reward) = (Timed::new(), Timed::new());
    let mut salt = 0;
    let mut forwards = Vec::new();
    let mut totals = Vec::new();
    criterion.bench_function("search/saffron_w16", |bench| {
        bench.iter_custom(|count| {
            let mut sum = Duration::ZERO;
            for _ in 0..count {
                salt += 1;
                (policy.forward, reward.forward) = (Duration::ZERO, Duration::ZERO);
                let session = session(&policy, salt);
                let begun = Instant::now();
                let outcome = searcher().run(&session, &mut policy, &mut reward);
                let elapsed = begun.elapsed();
                assert!(outcome.is_ok_and(|outcome| outcome.best.tokens.len() == NEW_TOKENS), "a full search");
                forwards.push(policy.forward + reward.forward);
                totals.push(elapsed);
                sum += elapsed;
            }
            sum
        });
    });
    if totals.is_empty() {
        return; // another benchmark was asked for
    }
    let sum = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64() / times.len() as f64;
    let (total, forward) = (sum(&totals), sum(&forwards));
    eprintln!(
        "search/saffron_w16: {total:.2} s, its forward passes {forward:.2} s, ratio {:.3} (target 1.1)",
        total / forward
    );
    eprintln!("outside the models: {:.1} % (target 3)\n", (total - forward) / total * 100.0);
}

/// Models that answer at once from a few prepared rows.
struct Instantly {
    rows: Vec<Vec<f32>>,
    calls: usize,
    vocabulary: Arc<dyn Vocabulary>,
}

impl Instantly {
    fn new(vocab_size: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // Sums of uniforms: a bell, as logits have, with a nucleus of some tens of tokens.
        let mut logit = || (0..6).map(|_| unit_f32(&mut rng)).sum::<f32>() * 8.0;
        let rows = (0..8).map(|_| (0..vocab_size).map(|_| logit()).collect()).collect();
        Self { rows, calls: 0, vocabulary: PlainVocabulary::shared(vocab_size) }
    }
}

impl Policy for Instantly {
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
        self.calls += 1;
        let row = |place: usize| &self.rows[(self.calls + place) % self.rows.len()];
        let value = sessions.iter().enumerate();
        let value = value.map(|(place, session)| filter.apply(row(place), session.response(), place));
        Ok(Reply::free(value.collect::<Result<_, _>>()?, sessions.len()))
    }
}

impl MultifurcationRewardModel for Instantly {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let reward = |token: Token| ChildReward::Seen(self.rows[0][token as usize]);
        let value = candidates.iter().map(|list| list.tokens().map(reward).collect()).collect();
        Ok(Reply::free(value, sessions.len()))
    }
}

/// Time of the forward passes of one whole search with models of such a vocabulary.
fn forward_time(vocab_size: usize) -> Duration {
    let (mut policy, mut reward) = (Timed::of_vocabulary(vocab_size), Timed::of_vocabulary(vocab_size));
    let session = session(&policy, 0);
    let outcome = searcher().run(&session, &mut policy, &mut reward);
    assert!(outcome.is_ok(), "a full search");
    policy.forward + reward.forward
}

/// Everything but the models: filter, sort, tree, events. Beside it the shares of the forward passes' time that are aimed at.
fn overhead(criterion: &mut Criterion) {
    for (vocab_size, share) in [(49_152, 0.03), (128_256, 0.05), (151_936, 0.05), (262_144, 0.05)] {
        let forward = forward_time(vocab_size);
        let (mut policy, mut reward) = (Instantly::new(vocab_size), Instantly::new(vocab_size));
        let session = session(&policy, 0);
        let name = format!("search/overhead/{vocab_size}");
        beside_floor(
            criterion,
            &name,
            forward.mul_f64(share),
            "1, where the floor is the share that is allowed",
            || {
                let begun = Instant::now();
                let outcome: Result<Outcome, _> = searcher().run(&session, &mut policy, &mut reward);
                let elapsed = begun.elapsed();
                assert!(outcome.is_ok(), "a search over prepared rows");
                elapsed
            },
        );
    }
}

const PROMPTS: u32 = 16;

/// Sixteen prompts of width 4, one after another and all at once: the same answers, and the ratio of their times.
fn many(criterion: &mut Criterion) {
    let (mut policy, mut reward) = (Timed::new(), Timed::new());
    let searcher = Searcher::new(Saffron::paper(4)).max_new_tokens(NEW_TOKENS).min_new_tokens(NEW_TOKENS);
    let mut salt = 1000;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    criterion.bench_function("search/sixteen_prompts_w4", |bench| {
        bench.iter_custom(|count| {
            let mut sum = Duration::ZERO;
            for _ in 0..count {
                salt += PROMPTS;
                let sessions: Vec<Session> = (0..PROMPTS).map(|prompt| session(&policy, salt + prompt)).collect();
                policy.engine.forget();
                reward.engine.forget();
                let begun = Instant::now();
                let single: Result<Vec<Outcome>, _> =
                    sessions.iter().map(|session| searcher.run(session, &mut policy, &mut reward)).collect();
                alone.push(begun.elapsed());
                policy.engine.forget();
                reward.engine.forget();
                let begun = Instant::now();
                let all = searcher.run_many(&sessions, &mut policy, &mut reward);
                together.push(begun.elapsed());
                sum += begun.elapsed();
                check_equal(single, all);
            }
            sum
        });
    });
    if let (false, sum) = (together.is_empty(), |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64()) {
        let (alone, together, runs) = (sum(&alone), sum(&together), together.len() as f64);
        eprintln!(
            "search/sixteen_prompts_w4: one after another {:.2} s, at once {:.2} s, ratio {:.2} (target 2.5)\n",
            alone / runs,
            together / runs,
            alone / together
        );
    }
}

fn check_equal(single: Result<Vec<Outcome>, SearchError>, all: Result<Vec<Result<Outcome, SearchError>>, SearchError>) {
    let all: Result<Vec<Outcome>, _> = all.and_then(|outcomes| outcomes.into_iter().collect());
    let (Ok(single), Ok(all)) = (single, all) else { panic!("a search failed") };
    let tokens = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.best.tokens.clone()).collect::<Vec<_>>();
    let same = tokens(&single).iter().zip(tokens(&all)).filter(|(a, b)| **a == *b).count();
    assert_eq!(same, PROMPTS as usize, "the same answers");
}

/// A model that one thread at a time works with.
#[derive(Clone)]
struct Lent(Arc<Mutex<Timed>>);

impl Lent {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Timed::new())))
    }

    fn model(&self) -> MutexGuard<'_, Timed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policy for Lent {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.model().vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.model().end_tokens()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.model().propose(sessions, filter)
    }
}

impl MultifurcationRewardModel for Lent {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        self.model().child_rewards(sessions, candidates)
    }
}

/// Sixteen requests, one after another and through a scheduler in which all wait at once, with the
/// same models.
fn scheduled(criterion: &mut Criterion) {
    let (mut policy, mut reward) = (Lent::new(), Lent::new());
    let limits = Limits { running: PROMPTS as usize, queued: PROMPTS as usize };
    let scheduler = Scheduler::with_limits(policy.clone(), reward.clone(), limits);
    let scheduler = scheduler.unwrap_or_else(|error| panic!("{error}"));
    let searcher = Searcher::new(Saffron::paper(4)).max_new_tokens(NEW_TOKENS).min_new_tokens(NEW_TOKENS);
    let mut salt = 5000;
    let (mut alone, mut together, mut same) = (Duration::ZERO, Duration::ZERO, Vec::new());
    criterion.bench_function("search/sixteen_scheduled_w4", |bench| {
        bench.iter_custom(|count| {
            let mut sum = Duration::ZERO;
            for _ in 0..count {
                salt += PROMPTS;
                let sessions: Vec<Session> = (0..PROMPTS).map(|prompt| session(&policy, salt + prompt)).collect();
                forget(&[&policy, &reward]);
                let begun = Instant::now();
                let single: Result<Vec<Outcome>, _> =
                    sessions.iter().map(|session| searcher.run(session, &mut policy, &mut reward)).collect();
                alone += begun.elapsed();
                forget(&[&policy, &reward]);
                let begun = Instant::now();
                let all = run_scheduled(&scheduler, &searcher, sessions);
                let elapsed = begun.elapsed();
                together += elapsed;
                sum += elapsed;
                let single = single.unwrap_or_else(|error| panic!("{error}"));
                same.push(single.iter().zip(&all).filter(|(a, b)| a.best.tokens == b.best.tokens).count());
            }
            sum
        });
    });
    if !same.is_empty() {
        eprintln!(
            "search/sixteen_scheduled_w4: one after another {:.2} s, scheduled {:.2} s, ratio {:.2} (target 2); \
             the same answers: {} of {}\n",
            alone.as_secs_f64() / same.len() as f64,
            together.as_secs_f64() / same.len() as f64,
            alone.as_secs_f64() / together.as_secs_f64(),
            same.iter().sum::<usize>(),
            same.len() * PROMPTS as usize,
        );
    }
}

fn forget(models: &[&Lent]) {
    models.iter().for_each(|lent| {
        lent.model().engine.forget();
    });
}

fn run_scheduled(scheduler: &Scheduler, searcher: &Searcher, sessions: Vec<Session>) -> Vec<Outcome> {
    let submit = |session| scheduler.submit(Request::new(searcher.clone(), session));
    let tickets: Result<Vec<Ticket>, _> = sessions.into_iter().map(submit).collect();
    let tickets = tickets.unwrap_or_else(|error| panic!("{error}"));
    tickets.into_iter().map(|ticket| ticket.wait().unwrap_or_else(|error| panic!("{error}"))).collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = overhead, whole, many, scheduled
}
criterion_main!(benches);
