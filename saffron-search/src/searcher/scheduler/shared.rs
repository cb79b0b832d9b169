//! What callers and the scheduler's thread share: the queue, and what is cancelled.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use saffron_core::{ModelError, Outcome, Role, SearchError, SearchErrorKind, StopReason};

use super::{Limits, Load, Request, SchedulerError};

pub(super) type SearchResult = Result<Outcome, SearchError>;

/// A request that waits for a place.
pub(super) struct Queued {
    pub(super) id: usize,
    pub(super) request: Request,
    pub(super) result: Sender<SearchResult>,
}

impl Queued {
    /// Ends the request before its search has begun.
    fn end(self, error: SearchError) {
        let Self { request, result, .. } = self;
        // Whoever dropped the ticket does not want to know.
        let _ = result.send(Err(error));
        // An observer that panics when it is dropped takes nobody with it.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(request)));
    }
}

#[derive(Clone)]
enum Entry {
    Open,
    Closed,
    Broken { role: Role, message: String },
}

struct State {
    entry: Entry,
    queue: VecDeque<Queued>,
    /// The searches that run, and whether they are cancelled.
    running: BTreeMap<usize, bool>,
    next: usize,
}

/// The state behind a lock. Nothing of a caller's runs under it.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    limits: Limits,
}

impl Shared {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State { entry: Entry::Open, queue: VecDeque::new(), running: BTreeMap::new(), next: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request. Its number says when it came.
    pub(super) fn submit(&self, request: Request) -> Result<(usize, Receiver<SearchResult>), SchedulerError> {
        let mut state = self.lock();
        match &state.entry {
            Entry::Open => {}
            Entry::Closed => return Err(SchedulerError::Closed),
            Entry::Broken { role, message } => {
                return Err(SchedulerError::Broken { role: *role, message: message.clone() });
            }
        }
        if state.queue.len() >= self.limits.queued {
            return Err(SchedulerError::Full { limit: self.limits.queued });
        }
        let id = state.next;
        let (result, receiver) = channel();
        state.next += 1;
        state.queue.push_back(Queued { id, request, result });
        drop(state);
        self.changed.notify_all();
        Ok((id, receiver))
    }

    /// The first request that waits, if there is a place for it. It counts as running from now on.
    pub(super) fn begin_next(&self) -> Option<Queued> {
        let mut state = self.lock();
        if state.running.len() >= self.limits.running {
            return None;
        }
        let first = state.queue.pop_front()?;
        state.running.insert(first.id, false);
        Some(first)
    }

    /// Whether a request waits that there is a place for.
    pub(super) fn could_begin(&self) -> bool {
        let state = self.lock();
        !state.queue.is_empty() && state.running.len() < self.limits.running
    }

    /// Frees the place of a search that has ended, and delivers its result.
    pub(super) fn end(&self, id: usize, receiver: &Sender<SearchResult>, result: SearchResult) {
        let mut state = self.lock();
        state.running.remove(&id);
        // Whoever dropped the ticket does not want to know.
        let unwanted = receiver.send(result);
        drop(state);
        drop(unwanted);
        self.changed.notify_all();
    }

    pub(super) fn is_cancelled(&self, id: usize) -> bool {
        self.lock().running.get(&id).is_some_and(|cancelled| *cancelled)
    }

    pub(super) fn cancel(&self, id: usize) {
        let mut state = self.lock();
        if let Some(cancelled) = state.running.get_mut(&id) {
            *cancelled = true;
        }
        // The queue is in the order of the numbers.
        let place = state.queue.binary_search_by_key(&id, |queued| queued.id);
        let withdrawn = place.ok().and_then(|place| state.queue.remove(place));
        drop(state);
        if let Some(queued) = withdrawn {
            self.changed.notify_all();
            queued.end(cancelled());
        }
    }

    /// Waits for a request. False when there will be none.
    pub(super) fn wait_for_request(&self) -> bool {
        let mut state = self.lock();
        while state.queue.is_empty() && matches!(state.entry, Entry::Open) {
            state = self.wait(state);
        }
        !state.queue.is_empty()
    }

    /// Takes no more requests.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.entry, Entry::Open) {
            state.entry = Entry::Closed;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Cancels everything.
    pub(super) fn cancel_all(&self) {
        let mut state = self.lock();
        state.running.values_mut().for_each(|cancelled| *cancelled = true);
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        queue.into_iter().for_each(|queued| queued.end(cancelled()));
        self.changed.notify_all();
    }

    /// Takes no more requests and ends those that wait: a model has panicked.
    pub(super) fn break_down(&self, role: Role, message: &str) {
        let mut state = self.lock();
        state.entry = Entry::Broken { role, message: message.to_owned() };
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        for queued in queue {
            let source = ModelError::Panicked { message: message.to_owned() };
            queued.end(SearchErrorKind::Model { role, source }.into());
        }
        self.changed.notify_all();
    }

    /// The scheduler's thread ends. What it left, if it died, is let go.
    pub(super) fn finish(&self) {
        self.close();
        let mut state = self.lock();
        state.running.clear();
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        queue.into_iter().for_each(|queued| queued.end(cancelled()));
        self.changed.notify_all();
    }

    /// Waits until nothing waits and nothing runs.
    pub(super) fn wait_until_idle(&self) {
        let mut state = self.lock();
        while !(state.queue.is_empty() && state.running.is_empty()) {
            state = self.wait(state);
        }
    }

    pub(super) fn load(&self) -> Load {
        let state = self.lock();
        Load { running: state.running.len(), queued: state.queue.len() }
    }
}

fn cancelled() -> SearchError {
    SearchErrorKind::Halted(StopReason::Cancelled).into()
}
