//! Why a scheduler does not take a request.

use saffron_core::{Role, SearchError};

/// A scheduler could not be made, or does not take a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// A limit that no scheduler can work with.
    #[error("{what} must lie between 1 and {most}, found {found}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// The most that it can be.
        most: usize,
        /// The value given.
        found: usize,
    },
    /// The system gave no thread for the models.
    #[error("the scheduler's thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The request cannot be run with these models. Waiting does not help.
    #[error(transparent)]
    Settings(#[from] SearchError),
    /// As many requests wait as may. Try again later, or tell the client that the server is busy.
    #[error("the queue is full: {limit} requests wait")]
    Full {
        /// [`Limits::queued`](super::Limits::queued).
        limit: usize,
    },
    /// The scheduler is shutting down.
    #[error("the scheduler is shutting down and takes no more requests")]
    Closed,
    /// A model has panicked, so nothing it would say can be trusted. A new scheduler needs new
    /// models.
    #[error("the scheduler takes no more requests: the {role} model panicked: {message}")]
    Broken {
        /// Which model.
        role: Role,
        /// What it said.
        message: String,
    },
}
