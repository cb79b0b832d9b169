//! Many prompts at once, from a list. The models stay on the caller's thread.

use std::collections::BTreeMap;
use std::thread::{Builder, Scope};

use saffron_core::{ChildScorer, Outcome, Policy, SearchError, SearchObserver, Session};

use super::Searcher;
use super::gather::{Answer, Ask, Facts, GatheredPort, Live, Models, ModelsAtOnce, caught, name, no_thread};

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
        self.searcher.check(scorer)?;
        let facts = Facts::of(policy, scorer);
        let mut models = Models::new(policy, scorer);
        self.rounds(facts, Live::take_asked, |asked| models.answer(asked, &|_| false), &mut ended);
        Ok(())
    }

    /// [`run`](Self::run) with policy and rewards at work at the same time, each for half of the
    /// prompts: for models on two servers or devices. Models that share one are faster in turn.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    #[allow(clippy::type_complexity, reason = "one result for the settings, one a prompt")]
    pub fn run_overlapped(
        self,
        policy: &mut (dyn Policy + Send),
        scorer: &mut (dyn ChildScorer + Send),
    ) -> Result<Vec<Result<Outcome, SearchError>>, SearchError> {
        self.searcher.check(scorer)?;
        let facts = Facts::of(policy, scorer);
        let mut models = ModelsAtOnce { policy, scorer };
        let mut results = BTreeMap::new();
        let mut ended = |place, result| drop(results.insert(place, result));
        self.rounds(facts, Live::take_for_both, |asked| models.answer(asked), &mut ended);
        Ok(results.into_values().collect())
    }

    /// Rounds until all searches have ended: what `take` takes of what is asked is answered.
    fn rounds(
        self,
        facts: Facts,
        take: impl Fn(&mut Live) -> Asked,
        mut answer: impl FnMut(Asked) -> Vec<(usize, Answer)>,
        ended: &mut dyn FnMut(usize, Result<Outcome, SearchError>),
    ) {
        let Self { searcher, sessions, at_once, observers } = self;
        let (live, sessions) = (Live::new(facts), sessions.iter().enumerate());
        let waiting = Waiting { searcher, sessions, observers: observers.into_iter() };
        std::thread::scope(|scope| {
            let mut rounds = Rounds { scope, waiting, live, at_once };
            while let Some((asked, results)) = rounds.gather(&take) {
                results.into_iter().for_each(|(place, result)| ended(place, result));
                for (place, answer) in answer(asked) {
                    rounds.live.reply(place, answer);
                }
            }
        });
    }
}

/// The searches that have not begun.
struct Waiting<'a> {
    searcher: &'a Searcher,
    sessions: std::iter::Enumerate<std::slice::Iter<'a, Session>>,
    observers: std::vec::IntoIter<&'a mut (dyn SearchObserver + Send)>,
}

/// The searches that run, each at its session's place, and those that wait.
struct Rounds<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    waiting: Waiting<'env>,
    live: Live,
    at_once: usize,
}

type Asked = BTreeMap<usize, Ask>;
type Ended = BTreeMap<usize, Result<Outcome, SearchError>>;

impl<'env> Rounds<'_, 'env> {
    /// Waits until every living search has asked or ended, beginning new ones as others end. None when all are over.
    fn gather(&mut self, take: &impl Fn(&mut Live) -> Asked) -> Option<(Asked, Ended)> {
        let mut ended = BTreeMap::new();
        self.begin(&mut ended);
        while let Some((place, result)) = self.live.next_end() {
            ended.insert(place, result);
            self.begin(&mut ended);
        }
        let asked = take(&mut self.live);
        (!asked.is_empty() || !ended.is_empty()).then_some((asked, ended))
    }

    /// Begins searches as long as there is room and one that waits.
    fn begin(&mut self, ended: &mut Ended) {
        while self.live.len() < self.at_once {
            let Some((place, session)) = self.waiting.sessions.next() else { break };
            let port = self.live.join(place);
            let (searcher, observer) = (self.waiting.searcher, self.waiting.observers.next());
            let search = Search { searcher, session, observer };
            let thread = Builder::new().name(format!("search {place}"));
            if let Err(error) = thread.spawn_scoped(self.scope, move || search.run(port)) {
                self.live.withdraw(place);
                ended.insert(place, Err(no_thread(error)));
            }
        }
    }
}

/// One search, to be run on its own thread.
struct Search<'a> {
    searcher: &'a Searcher,
    session: &'a Session,
    observer: Option<&'a mut (dyn SearchObserver + Send)>,
}

impl Search<'_> {
    /// Runs to the end and says so whatever happens.
    fn run(self, mut port: GatheredPort) {
        let Self { searcher, session, observer } = self;
        let result = caught(name(&*searcher.strategy), || match observer {
            Some(mut observer) => searcher.run_port(session, &mut port, &mut observer),
            None => searcher.run_port(session, &mut port, &mut ()),
        });
        port.end(result);
    }
}
