//! Running strategies. Holds settings only; models are borrowed for one run, so nothing leaks from run to run.

mod config;
mod gather;
mod many;
mod plan;
mod rules;
pub mod scheduler;

use saffron_core::{
    Budget, CandidateFilter, ChildScorer, ContextSettings, DirectPort, ModelPort, Outcome, Policy, SearchError,
    SearchObserver, SearchStrategy, Session, Thresholds,
};

use plan::Plan;

pub use config::SearchConfig;
pub use many::Many;
pub use rules::{Reaction, Rules};

/// Runs a strategy over prompts.
///
/// One searcher serves many prompts; each gets a fresh instance of the strategy. It may be cloned,
/// sent to other threads and shared between them.
pub struct Searcher {
    strategy: Box<dyn SearchStrategy>,
    plan: Plan,
}

impl Clone for Searcher {
    /// A searcher with the same settings and a fresh instance of the strategy.
    fn clone(&self) -> Self {
        Self { strategy: self.strategy.fresh(), plan: self.plan.clone() }
    }
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let strategy = self.strategy.describe();
        f.debug_struct("Searcher").field("strategy", &strategy).field("plan", &self.plan).finish()
    }
}

impl Searcher {
    /// A searcher for any strategy, with the candidates and the longest response that the strategy
    /// is published with ([`SearchStrategy::default_filter`]), no budget and seed 0.
    pub fn new(strategy: impl SearchStrategy + 'static) -> Self {
        let filter = strategy.default_filter();
        let max_new_tokens = strategy.default_max_new_tokens();
        Self::with_settings(
            Box::new(strategy),
            ContextSettings { filter, max_new_tokens, budget: Budget::default(), seed: 0 },
        )
    }

    /// A searcher for any strategy, with all settings given.
    #[must_use]
    pub fn with_settings(strategy: Box<dyn SearchStrategy>, settings: ContextSettings) -> Self {
        Self { strategy, plan: Plan { settings, rules: None } }
    }

    /// Longest response, in tokens.
    #[must_use]
    pub fn max_new_tokens(mut self, tokens: usize) -> Self {
        self.plan.settings.max_new_tokens = tokens;
        self
    }

    /// No end-of-sequence token before the response has this many tokens.
    #[must_use]
    pub fn min_new_tokens(mut self, tokens: usize) -> Self {
        self.plan.settings.filter.min_new_tokens = tokens;
        self
    }

    /// Mass of the nucleus, in (0, 1].
    #[must_use]
    pub fn top_p(mut self, top_p: f32) -> Self {
        self.plan.settings.filter.top_p = top_p;
        self
    }

    /// At most this many candidates a sequence.
    #[must_use]
    pub fn top_k(mut self, candidates: usize) -> Self {
        self.plan.settings.filter.top_k = Some(candidates);
        self
    }

    /// Least share of the most probable token's probability that a candidate has, in [0, 1]; 0 asks for nothing.
    #[must_use]
    pub fn min_p(mut self, share: f32) -> Self {
        self.plan.settings.filter.min_p = share;
        self
    }

    /// Forbids repeating any n-gram of generated tokens of this length; 0 disables.
    #[must_use]
    pub fn no_repeat_ngram(mut self, tokens: usize) -> Self {
        self.plan.settings.filter.no_repeat_ngram = tokens;
        self
    }

    /// End-of-sequence tokens other than the policy's own.
    #[must_use]
    pub fn end_tokens(mut self, tokens: Vec<saffron_core::Token>) -> Self {
        self.plan.settings.filter.end_tokens = tokens;
        self
    }

    /// Which next tokens the policy may propose, all at once.
    #[must_use]
    pub fn filter(mut self, filter: CandidateFilter) -> Self {
        self.plan.settings.filter = filter;
        self
    }

    /// What a search may cost.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.plan.settings.budget = budget;
        self
    }

    /// Judges every answer by these thresholds: the outcome carries a verdict.
    #[must_use]
    pub fn judged_by(self, thresholds: Thresholds) -> Self {
        self.ruled_by(Rules::new(thresholds))
    }

    /// Judges every answer, and does with unsafe and undecided ones as the rules say.
    #[must_use]
    pub fn ruled_by(mut self, rules: Rules) -> Self {
        self.plan.rules = Some(rules);
        self
    }

    /// Seed of the strategy's random numbers.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.settings.seed = seed;
        self
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &ContextSettings {
        &self.plan.settings
    }

    /// How answers are judged, if they are.
    #[must_use]
    pub fn rules(&self) -> Option<&Rules> {
        self.plan.rules.as_ref()
    }

    /// Whether a text may stand in an answer's place, by the rules or by the strategy
    /// ([`SearchStrategy::may_replace`]), or an error. Nothing of an answer should be shown before
    /// its search has ended.
    #[must_use]
    pub fn may_replace(&self) -> bool {
        self.strategy.may_replace() || self.plan.rules.as_ref().is_some_and(Rules::may_replace)
    }

    /// Whether searches can be run with this scorer at all. Every run does this first.
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with; a strategy that needs rewards and a scorer that has none.
    pub fn check(&self, scorer: &dyn ChildScorer) -> Result<(), SearchError> {
        self.plan.check(&*self.strategy, scorer.scores())
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
        self.plan.search(self.strategy.fresh(), session, port, observer)
    }

    /// Searches answers to many prompts at once, sixteen at a time: each model call serves all of them. Every prompt has its own outcome
    /// or error, in the order of the sessions; it does not depend on its neighbours beyond float noise.
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with.
    #[allow(clippy::type_complexity, reason = "one result for the settings, one a prompt")]
    pub fn run_many(
        &self,
        sessions: &[Session],
        policy: &mut dyn Policy,
        scorer: &mut dyn ChildScorer,
    ) -> Result<Vec<Result<Outcome, SearchError>>, SearchError> {
        self.many(sessions).run(policy, scorer)
    }

    /// [`run_many`](Self::run_many) with more to say: how many at once, who watches, what to do with each outcome as it comes.
    #[must_use]
    pub fn many<'a>(&'a self, sessions: &'a [Session]) -> Many<'a> {
        Many::new(self, sessions)
    }
}
