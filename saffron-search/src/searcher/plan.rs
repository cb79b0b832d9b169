//! One search from its beginning to its end.

use saffron_core::{
    ConfigError, ContextSettings, ModelPort, Outcome, SearchContext, SearchError, SearchErrorKind, SearchObserver,
    SearchStrategy, Session, Step, StopReason,
};

use super::Rules;

/// What all searches of a searcher have in common, whatever thread they run on.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) settings: ContextSettings,
    pub(super) rules: Option<Rules>,
}

impl Plan {
    /// Whether a search can be run at all with a reward model, or with none.
    pub(super) fn check(&self, strategy: &dyn SearchStrategy, has_rewards: bool) -> Result<(), SearchError> {
        self.settings.check()?;
        self.rules.as_ref().map_or(Ok(()), Rules::check)?;
        if strategy.needs_rewards() && !has_rewards {
            return Err(ConfigError::NoRewardModel { strategy: strategy.describe() }.into());
        }
        strategy.check()
    }

    pub(super) fn search(
        &self,
        mut strategy: Box<dyn SearchStrategy>,
        session: &Session,
        port: &mut dyn ModelPort,
        observer: &mut dyn SearchObserver,
    ) -> Result<Outcome, SearchError> {
        self.check(&*strategy, port.scores())?;
        let mut cx = SearchContext::new(port, observer, session, self.settings.clone())?;
        cx.announce(strategy.describe());
        let stop = match drive(&mut *strategy, &mut cx) {
            Ok(()) => None,
            Err(error) => match error.kind() {
                SearchErrorKind::Halted(stop) => Some(*stop),
                _ => return Err(with_best_so_far(error, &cx, strategy.describe())),
            },
        };
        if let Some(rules) = &self.rules {
            cx.judge(&rules.thresholds).map_err(|error| with_best_so_far(error, &cx, strategy.describe()))?;
        }
        let mut outcome = cx.outcome(strategy.describe(), stop)?;
        let refused = self.rules.as_ref().and_then(|rules| rules.apply(&mut outcome));
        cx.finish(&outcome);
        match refused {
            Some(error) => Err(error.with_partial(outcome)),
            None => Ok(outcome),
        }
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
