//! Searches that are asked for one after another and run together.

mod answers;
mod cancelling;
mod ending;
mod faults;
mod limits;
mod rounds;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use saffron_core::{
    CandidateFilter, Candidates, ModelError, PlainVocabulary, Policy, Reply, Session, Token, Vocabulary,
};
use saffron_search::scheduler::{Request, Ticket};
use saffron_search::{Greedy, Scheduler, Searcher};

use crate::many::Prompted;

/// Longer than anything here takes: a test that fails does not hang.
const LONG: Duration = Duration::from_secs(30);

/// A policy that says what it is asked and answers when it is allowed to.
struct Gated {
    calls: Sender<Vec<Token>>,
    permits: Receiver<()>,
}

/// The other side of the gate. When it is dropped, the gate is open.
struct Gate {
    calls: Receiver<Vec<Token>>,
    permits: Sender<()>,
}

fn gate() -> (Gated, Gate) {
    let ((calls, called), (permit, permits)) = (channel(), channel());
    (Gated { calls, permits }, Gate { calls: called, permits: permit })
}

impl Gate {
    /// Waits for the next call, and gives the first token of each session's prompt.
    fn call(&self) -> Vec<Token> {
        self.calls.recv_timeout(LONG).unwrap()
    }

    /// Lets the policy answer the call.
    fn allow(&self) {
        self.permits.send(()).unwrap();
    }
}

impl Policy for Gated {
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
        // Both fail once the other side has gone.
        let _ = self.calls.send(sessions.iter().map(|session| session.prompt()[0]).collect());
        let _ = self.permits.recv_timeout(LONG);
        Prompted.propose(sessions, filter)
    }
}

fn session(prompt: Token) -> Session {
    Session::new(PlainVocabulary::shared(40), vec![prompt, 5]).unwrap()
}

/// Greedy decoding of exactly so many tokens: one policy call a token, no reward call.
fn greedy(tokens: usize) -> Searcher {
    Searcher::new(Greedy).filter(CandidateFilter::default()).min_new_tokens(tokens).max_new_tokens(tokens)
}

fn submit(scheduler: &Scheduler, searcher: Searcher, prompt: Token) -> Ticket {
    scheduler.submit(Request::new(searcher, session(prompt))).unwrap()
}
