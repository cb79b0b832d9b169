//! Many prompts at once. Every search is plain sequential code on a thread of its own, parked whenever it asks a model. The models
//! stay on the caller's thread, which waits until every living search has asked or ended and answers all in one batch.

mod models;
mod port;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

use saffron_core::{
    ChildScorer, ModelError, Outcome, Policy, Role, SearchError, SearchErrorKind, SearchObserver, SearchStrategy,
    Session,
};

use super::Searcher;
use super::plan::Plan;
use models::Models;
use port::{Answer, Facts, GatheredPort, Message, Request};

/// Searches over many prompts, to be run. See [`Searcher::many`].
pub struct Many<'a> {
    searcher: &'a Searcher,
    sessions: &'a [Session],
    at_once: usize,
    observers: Vec<&'a mut (dyn SearchObserver + Send)>,
}

impl std::fmt::Debug for Many<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Many").field("searcher", &self.searcher).field("sessions", &self.sessions.len()).finish()
    }
}

impl<'a> Many<'a> {
    pub(super) fn new(searcher: &'a Searcher, sessions: &'a [Session]) -> Self {
        Self { searcher, sessions, at_once: 16, observers: Vec::new() }
    }

    /// How many prompts are searched at the same time; 16 by default. When one ends, the next begins.
    #[must_use]
    pub fn at_once(mut self, prompts: usize) -> Self {
        self.at_once = prompts.max(1);
        self
    }

    /// Observers of the searches, in the order of the sessions; those behind the last are not observed.
    #[must_use]
    pub fn observed<O: SearchObserver + Send>(mut self, observers: &'a mut [O]) -> Self {
        self.observers = observers.iter_mut().map(|observer| observer as &mut (dyn SearchObserver + Send)).collect();
        self
    }

    /// Runs all and gives their results in the order of the sessions.
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with.
    #[allow(clippy::type_complexity, reason = "one result for the settings, one a prompt")]
    pub fn run(
        self,
        policy: &mut dyn Policy,
        scorer: &mut dyn ChildScorer,
    ) -> Result<Vec<Result<Outcome, SearchError>>, SearchError> {
        let mut results = BTreeMap::new();
        self.run_each(policy, scorer, |place, result| {
            results.insert(place, result);
        })?;
        Ok(results.into_values().collect())
    }

    /// Runs all and hands over every result as its search ends, with its session's place; those that end in the same round in order.
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with; nothing has begun then.
    pub fn run_each(
        self,
        policy: &mut dyn Policy,
        scorer: &mut dyn ChildScorer,
        mut ended: impl FnMut(usize, Result<Outcome, SearchError>),
    ) -> Result<(), SearchError> {
        let Self { searcher, sessions, at_once, observers } = self;
        searcher.check(scorer)?;
        let mut models = Models { policy, scorer };
        let facts = models.facts();
        let waiting = Waiting { searcher, sessions: sessions.iter().enumerate(), observers: observers.into_iter() };
        std::thread::scope(|scope| {
            let (sender, messages) = channel();
            let mut rounds = Rounds { scope, waiting, facts, sender, messages, live: BTreeMap::new(), at_once };
            while let Some((asked, results)) = rounds.gather() {
                results.into_iter().for_each(|(place, result)| ended(place, result));
                for (place, answer) in models.answer(asked) {
                    rounds.reply(place, answer);
                }
            }
        });
        Ok(())
    }
}

/// The searches that have not begun.
struct Waiting<'a> {
    searcher: &'a Searcher,
    sessions: std::iter::Enumerate<std::slice::Iter<'a, Session>>,
    observers: std::vec::IntoIter<&'a mut (dyn SearchObserver + Send)>,
}

/// The searches that run, and what they say.
struct Rounds<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    waiting: Waiting<'env>,
    facts: Facts,
    sender: Sender<Message>,
    messages: Receiver<Message>,
    /// Where the answers of living searches go, by place.
    live: BTreeMap<usize, Sender<Answer>>,
    at_once: usize,
}

type Asked = BTreeMap<usize, Request>;
type Ended = BTreeMap<usize, Result<Outcome, SearchError>>;

impl<'env> Rounds<'_, 'env> {
    /// Waits until every living search has asked or ended, beginning new ones as others end. None when all are over.
    fn gather(&mut self) -> Option<(Asked, Ended)> {
        let (mut asked, mut ended) = (BTreeMap::new(), BTreeMap::new());
        self.begin(&mut ended);
        while asked.len() < self.live.len() {
            match self.messages.recv() {
                Ok(Message::Ask(place, request)) => {
                    asked.insert(place, request);
                }
                Ok(Message::End(place, result)) => {
                    self.live.remove(&place);
                    ended.insert(place, *result);
                    self.begin(&mut ended);
                }
                // We hold a sender ourselves.
                Err(_) => break,
            }
        }
        (!asked.is_empty() || !ended.is_empty()).then_some((asked, ended))
    }

    /// Begins searches as long as there is room and one that waits.
    fn begin(&mut self, ended: &mut Ended) {
        while self.live.len() < self.at_once {
            let Some((place, session)) = self.waiting.sessions.next() else { break };
            let (answers, port) = self.port(place);
            let search = Search {
                plan: &self.waiting.searcher.plan,
                strategy: self.waiting.searcher.strategy.fresh(),
                session,
                observer: self.waiting.observers.next(),
            };
            let name = format!("search {place}");
            match Builder::new().name(name).spawn_scoped(self.scope, move || search.run(port)) {
                Ok(_) => {
                    self.live.insert(place, answers);
                }
                Err(error) => {
                    let source = ModelError::other("starting a thread for a search", error);
                    ended.insert(place, Err(SearchErrorKind::Model { role: Role::Policy, source }.into()));
                }
            }
        }
    }

    fn port(&self, place: usize) -> (Sender<Answer>, GatheredPort) {
        let (answers, receiver) = channel();
        (answers, GatheredPort::new(place, self.facts.clone(), self.sender.clone(), receiver))
    }

    fn reply(&self, place: usize, answer: Answer) {
        if let Some(search) = self.live.get(&place) {
            // A search that no longer listens has ended, and will say so.
            let _ = search.send(answer);
        }
    }
}

/// One search, to be run on its own thread.
struct Search<'a> {
    plan: &'a Plan,
    strategy: Box<dyn SearchStrategy>,
    session: &'a Session,
    observer: Option<&'a mut (dyn SearchObserver + Send)>,
}

impl Search<'_> {
    /// Runs to the end and says so whatever happens: a panic ends this search and no other.
    fn run(self, mut port: GatheredPort) {
        let Self { plan, strategy, session, observer } = self;
        let name = catch_unwind(AssertUnwindSafe(|| strategy.describe())).unwrap_or_default();
        let search = AssertUnwindSafe(|| match observer {
            Some(mut observer) => plan.search(strategy, session, &mut port, &mut observer),
            None => plan.search(strategy, session, &mut port, &mut ()),
        });
        let result = catch_unwind(search).unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<&str>().map(ToString::to_string);
            let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(SearchErrorKind::Panicked { strategy: name, message }.into())
        });
        port.end(result);
    }
}
