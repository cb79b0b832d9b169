//! Whether what a configuration says of publications can stand in it.

use super::config::ComparisonConfig;
use super::published::{PublishedConfig, PublishedError, PublishedPoint};

/// Checks what a configuration says of publications.
///
/// # Errors
///
/// The first thing that is wrong.
pub(super) fn check(config: &ComparisonConfig) -> Result<(), PublishedError> {
    let mut numbered = config.published.iter().enumerate();
    numbered.try_for_each(|(place, published)| published.check(&format!("published[{place}]"), config))
}

impl PublishedConfig {
    fn check(&self, at: &str, config: &ComparisonConfig) -> Result<(), PublishedError> {
        let attacked = config.data.iter().filter(|data| !data.benign);
        known(at, "strategy", &self.strategy, config.strategies.iter().map(|strategy| &strategy.name))?;
        known(at, "data", &self.data, attacked.map(|data| &data.name))?;
        known(at, "judge", &self.judge, config.judges.iter().map(|judge| &judge.name))?;
        filled(at, "source", self.source.trim().is_empty())?;
        filled(at, "points", self.points.is_empty())?;
        let mut numbered = self.points.iter().enumerate();
        numbered.try_for_each(|(place, point)| point.check(&format!("{at}.points[{place}]")))
    }
}

impl PublishedPoint {
    fn check(&self, at: &str) -> Result<(), PublishedError> {
        let Self { budget, asr, tflop } = *self;
        let positive = |number: f64| number > 0.0 && number.is_finite();
        let budget = budget.map(|budget| budget as f64);
        within(at, "budget", "at least 1", budget, positive)?;
        within(at, "asr", "a share from 0 to 1", Some(asr), |asr| (0.0..=1.0).contains(&asr))?;
        within(at, "tflop", "a finite number above 0", tflop, positive)
    }
}

fn known<'a>(
    at: &str,
    field: &str,
    found: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), PublishedError> {
    let known: Vec<String> = names.cloned().collect();
    if known.iter().any(|name| name == found) {
        return Ok(());
    }
    Err(PublishedError::Unknown { field: format!("{at}.{field}"), known, found: found.to_owned() })
}

fn filled(at: &str, field: &str, empty: bool) -> Result<(), PublishedError> {
    if empty { Err(PublishedError::Empty { field: format!("{at}.{field}") }) } else { Ok(()) }
}

fn within(
    at: &str,
    field: &str,
    expected: &'static str,
    number: Option<f64>,
    fits: impl Fn(f64) -> bool,
) -> Result<(), PublishedError> {
    match number.filter(|number| !fits(*number)) {
        Some(found) => Err(PublishedError::OutOfRange { field: format!("{at}.{field}"), expected, found }),
        None => Ok(()),
    }
}
