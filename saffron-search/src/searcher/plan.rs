//! One search from its beginning to its end.

use saffron_core::{
    ConfigError, ContextSettings, ModelPort, Outcome, SearchDriver, SearchError, SearchErrorKind, SearchObserver,
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
        let mut driver = SearchDriver::new(port, observer, session, self.settings.clone())?;
        driver.begin(&*strategy);
        let stop = match drive(&mut *strategy, &mut driver) {
            Ok(()) => None,
            Err(error) => match error.kind() {
                SearchErrorKind::Halted(stop) => Some(*stop),
                _ => return Err(with_best_so_far(error, &driver, strategy.describe())),
            },
        };
        if let Some(rules) = &self.rules {
            let judged = driver.judge(&rules.thresholds);
            judged.map_err(|error| with_best_so_far(error, &driver, strategy.describe()))?;
        }
        let mut outcome = driver.outcome(strategy.describe(), stop)?;
        let refused = self.rules.as_ref().and_then(|rules| rules.apply(&mut outcome));
        driver.finish(&outcome);
        match refused {
            Some(error) => Err(error.with_partial(outcome)),
            None => Ok(outcome),
        }
    }
}

/// Steps until the strategy is done.
fn drive(strategy: &mut dyn SearchStrategy, driver: &mut SearchDriver<'_>) -> Result<(), SearchError> {
    while driver.step(strategy)? == Step::Continue {}
    Ok(())
}

fn with_best_so_far(error: SearchError, driver: &SearchDriver<'_>, strategy: String) -> SearchError {
    match driver.outcome(strategy, Some(StopReason::Strategy)) {
        Ok(outcome) => error.with_partial(outcome),
        Err(_) => error,
    }
}
