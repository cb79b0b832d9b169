//! What a caller holds for a request.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use saffron_core::{ModelError, Outcome, Role, SearchError, SearchErrorKind};

use super::shared::Shared;

/// A request that a scheduler has taken. Dropping the ticket cancels the request.
pub struct Ticket {
    result: Receiver<Result<Outcome, SearchError>>,
    canceller: Canceller,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("request", &self.canceller.request).finish_non_exhaustive()
    }
}

impl Ticket {
    pub(super) fn new(result: Receiver<Result<Outcome, SearchError>>, canceller: Canceller) -> Self {
        Self { result, canceller }
    }

    /// Waits until the search has ended.
    ///
    /// # Errors
    ///
    /// Those of [`Searcher::run`](crate::Searcher::run). A request that was cancelled while it
    /// waited for a place ends with [`SearchErrorKind::Halted`]; one that ran has an outcome with
    /// [`StopReason::Cancelled`](saffron_core::StopReason::Cancelled).
    pub fn wait(self) -> Result<Outcome, SearchError> {
        self.result.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Waits for so long at most.
    ///
    /// # Errors
    ///
    /// The ticket, if the search has not ended. The search goes on; drop or
    /// [`cancel`](Self::cancel) the ticket to end it.
    pub fn wait_timeout(self, most: Duration) -> Result<Result<Outcome, SearchError>, Self> {
        match self.result.recv_timeout(most) {
            Ok(result) => Ok(result),
            Err(RecvTimeoutError::Timeout) => Err(self),
            Err(RecvTimeoutError::Disconnected) => Ok(Err(gone())),
        }
    }

    /// The result, if the search has ended.
    ///
    /// # Errors
    ///
    /// The ticket, if it has not.
    pub fn try_wait(self) -> Result<Result<Outcome, SearchError>, Self> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Ends the search the next time it asks a model, with the best answer so far; a request that
    /// waits for a place ends at once. Other requests are not touched. Does not wait.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }

    /// A handle that cancels the request while another thread waits with the ticket.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Cancels a request from another thread than the one that waits. Dropping it does nothing.
#[derive(Clone)]
pub struct Canceller {
    pub(super) request: usize,
    pub(super) shared: Arc<Shared>,
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canceller").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Canceller {
    /// See [`Ticket::cancel`].
    pub fn cancel(&self) {
        self.shared.cancel(self.request);
    }
}

/// The scheduler's thread has died of a fault of its own.
fn gone() -> SearchError {
    let source = ModelError::other("waiting for a scheduled search", "the scheduler's thread has gone");
    SearchErrorKind::Model { role: Role::Policy, source }.into()
}
