//! The loop around a strategy. Holds settings only; models are borrowed for one run, so nothing leaks from run to run.

use saffron_core::{
    Budget, CandidateFilter, ChildScorer, ContextSettings, DirectPort, ModelPort, Outcome, Policy, SearchContext,
    SearchError, SearchErrorKind, SearchObserver, SearchStrategy, Session, Step, StopReason,
};

use crate::strategy::Defaults;

/// Runs a strategy over prompts.
///
/// One searcher serves many prompts; each gets a fresh instance of the strategy.
pub struct Searcher {
    strategy: Box<dyn SearchStrategy>,
    settings: ContextSettings,
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let strategy = self.strategy.describe();
        f.debug_struct("Searcher").field("strategy", &strategy).field("settings", &self.settings).finish()
    }
}

impl Searcher {
    /// A searcher with the settings that belong to the strategy (for Saffron the paper's: top-p 0.8, at least 16 and at most 32
    /// new tokens, Appendix A.1), no budget and seed 0.
    pub fn new<S: SearchStrategy + Defaults + 'static>(strategy: S) -> Self {
        let (filter, max_new_tokens) = (strategy.filter(), strategy.max_new_tokens());
        Self::with_settings(
            Box::new(strategy),
            ContextSettings { filter, max_new_tokens, budget: Budget::default(), seed: 0 },
        )
    }

    /// A searcher for any strategy, with all settings given.
    #[must_use]
    pub fn with_settings(strategy: Box<dyn SearchStrategy>, settings: ContextSettings) -> Self {
        Self { strategy, settings }
    }

    /// Longest response, in tokens.
    #[must_use]
    pub fn max_new_tokens(mut self, tokens: usize) -> Self {
        self.settings.max_new_tokens = tokens;
        self
    }

    /// No end-of-sequence token before the response has this many tokens.
    #[must_use]
    pub fn min_new_tokens(mut self, tokens: usize) -> Self {
        self.settings.filter.min_new_tokens = tokens;
        self
    }

    /// Mass of the nucleus, in (0, 1].
    #[must_use]
    pub fn top_p(mut self, top_p: f32) -> Self {
        self.settings.filter.top_p = top_p;
        self
    }

    /// End-of-sequence tokens other than the policy's own.
    #[must_use]
    pub fn end_tokens(mut self, tokens: Vec<saffron_core::Token>) -> Self {
        self.settings.filter.end_tokens = tokens;
        self
    }

    /// Which next tokens the policy may propose, all at once.
    #[must_use]
    pub fn filter(mut self, filter: CandidateFilter) -> Self {
        self.settings.filter = filter;
        self
    }

    /// What a search may cost.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.settings.budget = budget;
        self
    }

    /// Seed of the strategy's random numbers.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &ContextSettings {
        &self.settings
    }

    /// Searches an answer to one prompt.
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with, or a model's failure; the error then carries the best result so far.
    pub fn run(
        &self,
        session: &Session,
        policy: &mut dyn Policy,
        scorer: &mut dyn ChildScorer,
    ) -> Result<Outcome, SearchError> {
        self.run_observed(session, policy, scorer, &mut ())
    }

    /// [`run`](Self::run), watched.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run_observed(
        &self,
        session: &Session,
        policy: &mut dyn Policy,
        scorer: &mut dyn ChildScorer,
        observer: &mut dyn SearchObserver,
    ) -> Result<Outcome, SearchError> {
        self.run_port(session, &mut DirectPort::new(policy, scorer), observer)
    }

    /// [`run_observed`](Self::run_observed) over any port to models.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run_port(
        &self,
        session: &Session,
        port: &mut dyn ModelPort,
        observer: &mut dyn SearchObserver,
    ) -> Result<Outcome, SearchError> {
        let mut strategy = self.strategy.fresh();
        strategy.check()?;
        let mut cx = SearchContext::new(port, observer, session, self.settings.clone())?;
        cx.announce(strategy.describe());
        let stop = match drive(&mut *strategy, &mut cx) {
            Ok(()) => None,
            Err(error) => match error.kind() {
                SearchErrorKind::Halted(stop) => Some(*stop),
                _ => return Err(with_best_so_far(error, &cx, strategy.describe())),
            },
        };
        let outcome = cx.outcome(strategy.describe(), stop)?;
        cx.finish(&outcome);
        Ok(outcome)
    }
}

/// Steps until the strategy is done.
fn drive(strategy: &mut dyn SearchStrategy, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
    for step in 0.. {
        let changes = cx.changes();
        match strategy.step(cx)? {
            Step::Done => break,
            Step::Continue if cx.changes() == changes => {
                return Err(SearchErrorKind::Stalled { strategy: strategy.describe(), step }.into());
            }
            Step::Continue => {}
        }
    }
    Ok(())
}

fn with_best_so_far(error: SearchError, cx: &SearchContext<'_>, strategy: String) -> SearchError {
    match cx.outcome(strategy, Some(StopReason::Strategy)) {
        Ok(outcome) => error.with_partial(outcome),
        Err(_) => error,
    }
}
