//! Policy and rewards at work at the same time, each for half of the prompts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ChildScorer, ModelError, PlainVocabulary, Policy, Reply, Session, Token,
    Vocabulary,
};
use saffron_search::{Greedy, Saffron, Searcher};

use crate::many::{Prompted, reward, timeless};
use crate::strategies::{all, searcher};

fn sessions(count: u32) -> Vec<Session> {
    (1..=count).map(|prompt| Session::new(PlainVocabulary::shared(40), vec![prompt, 5]).unwrap()).collect()
}

#[test]
fn every_prompt_has_the_outcome_that_it_has_alone_under_every_strategy() {
    let sessions = sessions(7);
    for (strategy, again) in all().into_iter().zip(all()) {
        let name = strategy.describe();
        let (together, alone) = (searcher(strategy, 5).seed(9), searcher(again, 5).seed(9));
        let many = together.many(&sessions).run_overlapped(&mut Prompted, &mut reward_that_is_sent()).unwrap();
        assert_eq!(many.len(), 7);
        for (session, outcome) in sessions.iter().zip(many) {
            let own = alone.run(session, &mut Prompted, &mut reward()).unwrap();
            assert_eq!(timeless(outcome.unwrap()), timeless(own), "{name}");
        }
    }
}

fn reward_that_is_sent() -> impl ChildScorer + Send {
    let over = Meeting { met: AtomicBool::new(true), ..Meeting::default() };
    Slow { inner: Box::new(|| Box::new(reward())), meeting: Arc::new(over) }
}

/// Where two models meet if both are called at the same time.
#[derive(Default)]
struct Meeting {
    inside: AtomicUsize,
    met: AtomicBool,
}

impl Meeting {
    /// Stays until the other is inside, or for some time.
    fn stay(&self, longest: Duration) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let begun = Instant::now();
        while begun.elapsed() < longest && !self.met.load(Ordering::SeqCst) {
            self.met.fetch_or(self.inside.load(Ordering::SeqCst) == 2, Ordering::SeqCst);
            std::thread::yield_now();
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Makes its rewards anew in every call, so that it can be sent.
struct Slow {
    inner: Box<dyn Fn() -> Box<dyn ChildScorer> + Send>,
    meeting: Arc<Meeting>,
}

impl ChildScorer for Slow {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        self.meeting.stay(Duration::from_millis(200));
        (self.inner)().score_children(sessions, candidates)
    }

    fn describe(&self) -> String {
        (self.inner)().describe()
    }
}

struct SlowPolicy(Arc<Meeting>);

impl Policy for SlowPolicy {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        Prompted.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        Prompted.end_tokens()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.0.stay(Duration::from_millis(200));
        Prompted.propose(sessions, filter)
    }
}

#[test]
fn both_models_are_called_at_the_same_time() {
    let meeting = Arc::new(Meeting::default());
    let mut rewards = Slow { inner: Box::new(|| Box::new(reward())), meeting: meeting.clone() };
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3);
    let found = searcher.many(&sessions(4)).run_overlapped(&mut SlowPolicy(meeting.clone()), &mut rewards).unwrap();
    assert!(found.iter().all(Result::is_ok));
    assert!(meeting.met.load(Ordering::SeqCst));

    // In turn they never meet.
    let meeting = Arc::new(Meeting::default());
    let mut rewards = Slow { inner: Box::new(|| Box::new(reward())), meeting: meeting.clone() };
    let found = searcher.many(&sessions(2)).run(&mut SlowPolicy(meeting.clone()), &mut rewards).unwrap();
    assert!(found.iter().all(Result::is_ok) && !meeting.met.load(Ordering::SeqCst));
}

#[test]
fn searches_without_rewards_go_on_together() {
    let mut policy = saffron_core::testing::Counting::new(Prompted);
    let searcher = Searcher::new(Greedy).max_new_tokens(3).min_new_tokens(3);
    let found = searcher.many(&sessions(6)).run_overlapped(&mut policy, &mut saffron_core::NoReward).unwrap();
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(policy.calls, 3);
}
