//! What a caller wants searched.

use saffron_core::{Outcome, SearchError, SearchObserver, Session};

use crate::searcher::Searcher;
use crate::searcher::gather::GatheredPort;

/// A search that a scheduler is asked for: a prompt, and settings of its own.
pub struct Request {
    pub(super) searcher: Searcher,
    session: Session,
    observer: Option<Box<dyn SearchObserver + Send>>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("searcher", &self.searcher).field("session", &self.session).finish()
    }
}

impl Request {
    /// A search for an answer to one prompt.
    #[must_use]
    pub fn new(searcher: Searcher, session: Session) -> Self {
        Self { searcher, session, observer: None }
    }

    /// Watches the search. The observer is called on the search's own thread and dropped when the
    /// search ends; a channel or an `Arc` takes out what it has seen. It must not own the
    /// scheduler. A round waits for all that run: an observer that blocks holds up everybody.
    #[must_use]
    pub fn observed(mut self, observer: impl SearchObserver + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    pub(super) fn run(mut self, port: &mut GatheredPort) -> Result<Outcome, SearchError> {
        match &mut self.observer {
            Some(observer) => self.searcher.run_port(&self.session, port, &mut **observer),
            None => self.searcher.run_port(&self.session, port, &mut ()),
        }
    }
}
