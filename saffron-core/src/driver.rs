//! What runs a search: it makes the context, lends it to a strategy step by step, and reads the
//! result.

use crate::context::{ContextSettings, SearchContext};
use crate::error::ModelError;
use crate::meter::Role;
use crate::observer::{SearchObserver, SearchStart};
use crate::outcome::Outcome;
use crate::port::ModelPort;
use crate::search_error::{SearchError, SearchErrorKind};
use crate::session::{Run, Session};
use crate::stop::StopReason;
use crate::strategy::{SearchStrategy, Step};
use crate::verdict::{Thresholds, Verdict};

/// Drives one search. It owns the [`SearchContext`] and lends it to a strategy, which cannot begin,
/// judge or end a search.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_core::{Budget, CandidateFilter, ContextSettings, DirectPort, SearchDriver, Step};
/// # use saffron_core::{SearchContext, SearchError, SearchStrategy, StopReason};
/// # struct Greedy;
/// # impl SearchStrategy for Greedy {
/// #     fn fresh(&self) -> Box<dyn SearchStrategy> { Box::new(Greedy) }
/// #     fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
/// #         for (node, children) in cx.score_children(&cx.open())? {
/// #             match children.best() {
/// #                 Some(child) => cx.extend(node, child)?,
/// #                 None => cx.close(node, StopReason::NoSeenCandidate)?,
/// #             }
/// #         }
/// #         Ok(if cx.open().is_empty() { Step::Done } else { Step::Continue })
/// #     }
/// # }
/// let mut policy = TablePolicy::new(vec![0.0, 1.0], vec![0]);
/// let mut reward = ScriptedReward::new(1.0);
/// let session = policy.session(&[1])?;
/// let settings = ContextSettings {
///     filter: CandidateFilter::default(),
///     max_new_tokens: 2,
///     budget: Budget::default(),
///     seed: 0,
/// };
/// let (mut port, mut observer) = (DirectPort::new(&mut policy, &mut reward), ());
/// let mut driver = SearchDriver::new(&mut port, &mut observer, &session, settings)?;
/// let mut strategy = Greedy;
/// driver.begin(&strategy);
/// while driver.step(&mut strategy)? == Step::Continue {}
/// let outcome = driver.outcome(strategy.describe(), None)?;
/// driver.finish(&outcome);
/// assert_eq!(outcome.best.tokens, [1, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SearchDriver<'a> {
    context: SearchContext<'a>,
    steps: usize,
}

impl<'a> SearchDriver<'a> {
    /// A driver at the root of a new search. Empty [`CandidateFilter::end_tokens`] are filled in
    /// from the policy.
    ///
    /// [`CandidateFilter::end_tokens`]: crate::CandidateFilter::end_tokens
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with, a session of another vocabulary than the policy's.
    pub fn new(
        port: &'a mut dyn ModelPort,
        observer: &'a mut dyn SearchObserver,
        session: &Session,
        mut settings: ContextSettings,
    ) -> Result<Self, SearchError> {
        settings.check()?;
        if settings.filter.end_tokens.is_empty() {
            settings.filter.end_tokens = port.end_tokens();
        }
        check_vocabulary(&*port, session)?;
        let context = SearchContext::at_root(port, observer, session.with_run(Run::new()), settings);
        Ok(Self { context, steps: 0 })
    }

    /// What strategies work through.
    pub fn context(&mut self) -> &mut SearchContext<'a> {
        &mut self.context
    }

    /// Tells observers that the search begins.
    pub fn begin(&mut self, strategy: &dyn SearchStrategy) {
        let cx = &mut self.context;
        let start = SearchStart {
            strategy: strategy.describe(),
            reward: cx.port.describe_rewards(),
            prompt: cx.session.prompt().to_vec(),
            prefill: cx.session.prefill().to_vec(),
            max_new_tokens: cx.settings().max_new_tokens,
        };
        cx.observer.on_start(&start);
    }

    /// Lets the strategy make one step.
    ///
    /// # Errors
    ///
    /// The step's; a step that wants to continue and has changed nothing.
    pub fn step(&mut self, strategy: &mut dyn SearchStrategy) -> Result<Step, SearchError> {
        let (changes, step) = (self.context.changes, self.steps);
        self.steps += 1;
        match strategy.step(&mut self.context)? {
            Step::Continue if self.context.changes == changes => {
                Err(SearchErrorKind::Stalled { strategy: strategy.describe(), step }.into())
            }
            step => Ok(step),
        }
    }

    /// Judges the answer so far by its reward. Later [`outcome`](Self::outcome)s carry the verdict.
    /// Asks the reward model if the answer has no reward yet; when its budget is spent, the answer
    /// stays undecided.
    ///
    /// # Errors
    ///
    /// A failed reward model.
    pub fn judge(&mut self, thresholds: &Thresholds) -> Result<Verdict, SearchError> {
        self.context.judge(thresholds)
    }

    /// The result as it stands. `stop` says why the whole search ended; `None` takes the answer's
    /// own reason.
    ///
    /// # Errors
    ///
    /// None in a context that strategies used through its methods.
    pub fn outcome(&self, strategy: String, stop: Option<StopReason>) -> Result<Outcome, SearchError> {
        self.context.outcome(strategy, stop)
    }

    /// Tells observers that the search has ended.
    pub fn finish(self, outcome: &Outcome) {
        self.context.observer.on_finish(outcome);
    }
}

/// Refuses ids of a vocabulary that is not the policy's: it would take them for its own.
fn check_vocabulary(port: &dyn ModelPort, session: &Session) -> Result<(), SearchError> {
    let (expected, found) = (port.vocabulary().id(), session.vocabulary().id());
    if expected == found {
        return Ok(());
    }
    let source = ModelError::VocabularyMismatch { expected, found };
    Err(SearchErrorKind::Model { role: Role::Policy, source }.into())
}
