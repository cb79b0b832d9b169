//! Requests to a scheduler over real decoders: the answers that each has alone.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use saffron_core::{
    CandidateFilter, Candidates, ChildScorer, ModelError, Outcome, Policy, Reply, Session, TextPolicy, Token,
    Vocabulary,
};
use saffron_examples::cases::Node;
use saffron_examples::models::{NamedGuard, NamedPolicy};
use saffron_mrm::{GuardRewardModel, LmPolicy, ModelOptions, Mrm};
use saffron_search::scheduler::{Limits, Request, Scheduler};
use saffron_search::{BestOfN, Greedy, Saffron, Searcher, StepBeam};

use crate::margin::{Levels, Trail, Witness};

/// Decisions closer than this may fall either way.
const MARGIN: f32 = 1e-4;

#[test]
fn models_are_sent() {
    fn sent<T: Send + 'static>() {}
    sent::<LmPolicy>();
    sent::<Mrm>();
    sent::<GuardRewardModel>();
    sent::<NamedPolicy>();
    sent::<NamedGuard>();
}

fn models(options: ModelOptions) -> (LmPolicy, Mrm) {
    let (dir, device) = (crate::fixtures().join("tiny-b"), Device::flex());
    let policy = LmPolicy::open_with(dir.join("policy"), &device, options).unwrap();
    let mrm = Mrm::builder(dir.join("guard"), &device, options).unwrap().with_adapter(dir.join("mrm")).unwrap();
    (policy, mrm)
}

/// Sixteen requests with widths, nuclei, lengths and seeds of their own, some by other strategies.
fn requests(policy: &LmPolicy) -> Vec<(Searcher, Session)> {
    let searcher = |place: usize| match place {
        3 => Searcher::new(Greedy).top_p(1.0),
        7 => Searcher::new(BestOfN::new(3)),
        11 => Searcher::new(StepBeam::new(4, 2)),
        _ => Searcher::new(Saffron::paper(1 + place / 2)),
    };
    let request = |place: usize| {
        let searcher = searcher(place).max_new_tokens(6 + place % 5).min_new_tokens(place % 7).seed(place as u64);
        let searcher = match place % 3 {
            0 => searcher,
            1 => searcher.top_p(0.95),
            _ => searcher.no_repeat_ngram(2),
        };
        (searcher, policy.session(&format!("question {place}: what is it?")).unwrap())
    };
    (0..16).map(request).collect()
}

/// A search as it went in company.
struct Found {
    outcome: Outcome,
    levels: Vec<Vec<Node>>,
}

/// Runs all through a scheduler. Each arrives when the one before it has finished a level, and so
/// in the middle of its search.
fn together(running: usize) -> Vec<Found> {
    let (policy, mrm) = models(ModelOptions::default());
    let requests = requests(&policy);
    let scheduler = Scheduler::with_limits(policy, mrm, Limits { running, queued: 16 }).unwrap();
    let submit = |(searcher, session)| {
        let (levels, seen) = channel();
        let ticket = scheduler.submit(Request::new(searcher, session).observed(Levels(levels))).unwrap();
        let first: Option<Vec<Node>> = if running == 16 { seen.recv().ok() } else { None };
        (ticket, first, seen)
    };
    let submitted: Vec<(_, _, Receiver<_>)> = requests.into_iter().map(submit).collect();
    let found = submitted.into_iter().map(|(ticket, first, seen)| {
        let outcome = ticket.wait().unwrap();
        Found { outcome, levels: first.into_iter().chain(seen).collect() }
    });
    found.collect()
}

#[test]
fn sixteen_that_arrive_one_after_another_have_the_answers_that_each_has_alone() {
    let (mut policy, mut mrm) = models(ModelOptions::default());
    for running in [3, 16] {
        for (place, found) in together(running).into_iter().enumerate() {
            let (searcher, session) = requests(&policy).swap_remove(place);
            let (levels, seen) = channel();
            let mut witness = Witness::new(&mut mrm);
            let alone = searcher.run_observed(&session, &mut policy, &mut witness, &mut Levels(levels)).unwrap();
            let levels: Vec<Vec<Node>> = seen.try_iter().collect();
            let own = Trail { levels: &levels, output: &alone.best.tokens };
            let other = Trail { levels: &found.levels, output: &found.outcome.best.tokens };
            match witness.parting(own, other, searcher.settings().filter.top_p) {
                Some(parting) => assert!(parting.margin < MARGIN, "request {place}, {running} at once: {parting:?}"),
                None => {
                    let attributed = |outcome: &Outcome| {
                        let usage = outcome.usage;
                        [usage.policy, usage.reward].map(|role| (role.calls, role.attributed))
                    };
                    assert_eq!(attributed(&found.outcome), attributed(&alone), "request {place}");
                }
            }
        }
    }
}

/// A policy that can be looked at while a scheduler has it.
struct Lent(Arc<Mutex<LmPolicy>>);

impl Policy for Lent {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.0.lock().unwrap().vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.0.lock().unwrap().end_tokens()
    }

    fn propose(&mut self, s: &[Session], filter: &CandidateFilter) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.0.lock().unwrap().propose(s, filter)
    }
}

#[test]
fn a_scheduler_runs_on_within_its_models_budgets() {
    let options = ModelOptions { cache_bytes: 1 << 20, ..ModelOptions::default() };
    let (policy, mrm) = models(options);
    let policy = Arc::new(Mutex::new(policy));
    let scorer: Box<dyn ChildScorer + Send> = Box::new(mrm);
    let boxed: Box<dyn Policy + Send> = Box::new(Lent(policy.clone()));
    let scheduler = Scheduler::with_boxes(boxed, scorer, Limits::default()).unwrap();
    let mut bytes = Vec::new();
    for round in 0..6 {
        let prompts = (0..8).map(|place| scheduler.session(&format!("round {round}, question {place}")).unwrap());
        let searcher = Searcher::new(Saffron::paper(4)).max_new_tokens(8).min_new_tokens(8);
        let tickets: Vec<_> =
            prompts.map(|session| scheduler.submit(Request::new(searcher.clone(), session)).unwrap()).collect();
        for ticket in tickets {
            let outcome = ticket.wait().unwrap();
            assert!(!scheduler.text(&outcome.best).unwrap().is_empty());
        }
        let mut policy = policy.lock().unwrap();
        assert!(policy.engine().cache_stats().tokens_computed > 0);
        bytes.push(policy.engine().pools().bytes());
    }
    assert!(bytes.iter().all(|bytes| *bytes <= options.cache_bytes), "{bytes:?}");
    assert_eq!(bytes[2], bytes[5], "the pools have their size");
}
