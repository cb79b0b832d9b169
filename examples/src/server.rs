//! Asynchronous clients of a scheduler: deadlines, clients that go away, a queue that is full.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use saffron_core::{Outcome, SearchErrorKind, StopReason};
use saffron_search::Searcher;
use saffron_search::scheduler::{Canceller, Request, Scheduler, SchedulerError, Ticket};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// What a client is told.
#[derive(Debug)]
pub enum Reply {
    /// The answer.
    Answer(Outcome),
    /// The request was cancelled: the deadline came first, or the server shuts down. If the search
    /// had begun, its best answer until then.
    Late(Option<Outcome>),
    /// Too many requests wait; ask again later.
    Busy,
}

/// Answers a prompt within a time. A client that drops the future cancels its search.
///
/// # Errors
///
/// A prompt or settings that cannot be searched with, a failed model.
pub async fn ask(scheduler: Arc<Scheduler>, searcher: Searcher, prompt: String, most: Duration) -> Result<Reply> {
    // The scheduler stays until this request is over: dropping the last of it cancels all.
    let submit = {
        let scheduler = scheduler.clone();
        move || -> Result<Ticket> {
            let session = scheduler.session(&prompt)?;
            Ok(scheduler.submit(Request::new(searcher, session))?)
        }
    };
    let ticket = match spawn_blocking(submit).await? {
        Ok(ticket) => ticket,
        Err(error) if is_full(&error) => return Ok(Reply::Busy),
        Err(error) => return Err(error),
    };
    let guard = CancelOnDrop(ticket.canceller());
    let mut waiting = spawn_blocking(move || ticket.wait());
    let found = match timeout(most, &mut waiting).await {
        Ok(found) => found?,
        Err(_) => {
            guard.0.cancel();
            // The search ends the next time it asks a model.
            waiting.await?
        }
    };
    let cancelled = |outcome: &Outcome| outcome.stop == StopReason::Cancelled;
    match found {
        Ok(outcome) if cancelled(&outcome) => Ok(Reply::Late(Some(outcome))),
        Ok(outcome) => Ok(Reply::Answer(outcome)),
        Err(error) if matches!(error.kind(), SearchErrorKind::Halted(_)) => Ok(Reply::Late(None)),
        // Rules may refuse a partial answer.
        Err(error) if error.partial().is_some_and(cancelled) => Ok(Reply::Late(None)),
        Err(error) => Err(error.into()),
    }
}

fn is_full(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SchedulerError::Full { .. }))
}

struct CancelOnDrop(Canceller);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
