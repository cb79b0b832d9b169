//! Searches that are asked for one after another and run together.
//!
//! A [`Scheduler`] owns the models. A request joins the next round of the running searches, with
//! settings of its own, and leaves alone when it ends or is cancelled. Each model call serves all
//! that run.
//!
//! ```
//! use saffron_core::StopReason;
//! use saffron_core::testing::{ScriptedReward, TablePolicy};
//! use saffron_search::scheduler::{Limits, Request, Scheduler, SchedulerError};
//! use saffron_search::{Greedy, Saffron, Searcher};
//!
//! let policy = TablePolicy::new(vec![0.0, 1.0, 1.5], vec![0]);
//! let sessions = [policy.session(&[1])?, policy.session(&[2])?];
//! let limits = Limits { running: 4, queued: 8 };
//! let scheduler = Scheduler::with_limits(policy, ScriptedReward::new(1.0), limits)?;
//! let searchers = [Searcher::new(Saffron::paper(2)).max_new_tokens(3), Searcher::new(Greedy).max_new_tokens(5)];
//! let requests = searchers.into_iter().zip(sessions).map(|(searcher, session)| Request::new(searcher, session));
//! let tickets: Vec<_> = requests.map(|request| scheduler.submit(request)).collect::<Result<_, SchedulerError>>()?;
//! for (ticket, tokens) in tickets.into_iter().zip([3, 5]) {
//!     let outcome = ticket.wait()?;
//!     assert_eq!((outcome.best.tokens.len(), outcome.stop), (tokens, StopReason::MaxNewTokens));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod limits;
mod request;
mod shared;
mod ticket;
mod worker;

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use saffron_core::{ChildScorer, Hypothesis, ModelError, Policy, Session, StopReason};
use serde::Serialize;

use super::gather::Facts;
use shared::Shared;
use worker::Worker;

pub use error::SchedulerError;
pub use limits::Limits;
pub use request::Request;
pub use ticket::{Canceller, Ticket};

/// Runs searches for many callers with one pair of models.
///
/// The models work on a thread of their own. Requests begin in the order in which they came; a
/// request that finds a place joins within two rounds. An answer does not depend on its neighbours
/// beyond float noise. Dropping the scheduler cancels what waits and runs, and waits until it has
/// ended.
pub struct Scheduler {
    shared: Arc<Shared>,
    facts: Facts,
    thread: Option<JoinHandle<()>>,
}

/// How busy a scheduler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Searches that run.
    pub running: usize,
    /// Requests that wait for a place.
    pub queued: usize,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl Scheduler {
    /// A scheduler with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// No thread for the models.
    pub fn new(
        policy: impl Policy + Send + 'static,
        scorer: impl ChildScorer + Send + 'static,
    ) -> Result<Self, SchedulerError> {
        Self::with_limits(policy, scorer, Limits::default())
    }

    /// A scheduler that takes on so much at most.
    ///
    /// # Errors
    ///
    /// Limits that cannot be worked with, no thread for the models.
    pub fn with_limits(
        policy: impl Policy + Send + 'static,
        scorer: impl ChildScorer + Send + 'static,
        limits: Limits,
    ) -> Result<Self, SchedulerError> {
        Self::with_boxes(Box::new(policy), Box::new(scorer), limits)
    }

    /// [`with_limits`](Self::with_limits) for models of which only the traits are known.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_boxes(
        policy: Box<dyn Policy + Send>,
        scorer: Box<dyn ChildScorer + Send>,
        limits: Limits,
    ) -> Result<Self, SchedulerError> {
        limits.check()?;
        let facts = Facts::of(&*policy, &*scorer);
        let shared = Arc::new(Shared::new(limits));
        let worker = Worker::new(shared.clone(), policy, scorer, facts.clone());
        let thread = Builder::new().name(String::from("scheduler")).spawn(move || worker.run());
        Ok(Self { shared, facts, thread: Some(thread.map_err(SchedulerError::Thread)?) })
    }

    /// A session for a prompt in words. A policy behind a server may have to ask it for the ids.
    ///
    /// # Errors
    ///
    /// An empty prompt, text that cannot be encoded, a policy that has no words.
    pub fn session(&self, prompt: &str) -> Result<Session, ModelError> {
        let vocabulary = &self.facts.vocabulary;
        let ids = vocabulary.encode(prompt).map_err(|error| ModelError::other("encoding a prompt", error))?;
        let ids = ids.ok_or_else(|| ModelError::other("encoding a prompt", "the policy's vocabulary has no words"))?;
        Session::of_text(vocabulary.clone(), prompt, ids)
    }

    /// The text of a response, without the token that ends it.
    ///
    /// # Errors
    ///
    /// Tokens that cannot be decoded.
    pub fn text(&self, hypothesis: &Hypothesis) -> Result<String, ModelError> {
        let tokens = match (hypothesis.stop, &hypothesis.tokens[..]) {
            (Some(StopReason::EndOfSequence(_)), [before @ .., _]) => before,
            (_, tokens) => tokens,
        };
        let text = self.facts.vocabulary.decode(tokens);
        text.map_err(|error| ModelError::other("decoding a response", error))
    }

    /// Takes a request. Does not wait for its search.
    ///
    /// # Errors
    ///
    /// A full queue, settings that cannot be run with, a scheduler that takes no more requests.
    pub fn submit(&self, request: Request) -> Result<Ticket, SchedulerError> {
        let searcher = &request.searcher;
        searcher.plan.check(&*searcher.strategy, self.facts.scores)?;
        let (id, result) = self.shared.submit(request)?;
        Ok(Ticket::new(result, Canceller { request: id, shared: self.shared.clone() }))
    }

    /// How many searches run and how many requests wait.
    #[must_use]
    pub fn load(&self) -> Load {
        self.shared.load()
    }

    /// Takes no more requests and waits until all that were taken have ended.
    pub fn drain(&self) {
        self.shared.close();
        self.shared.wait_until_idle();
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.close();
        self.shared.cancel_all();
        if let Some(thread) = self.thread.take() {
            // It panics only if a model panics when it is dropped, and then it has done its work.
            let _ = thread.join();
        }
    }
}
