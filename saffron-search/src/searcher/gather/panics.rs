//! Panics of searches and models, as errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use saffron_core::{Outcome, SearchError, SearchErrorKind, SearchStrategy};

/// The strategy's name, empty if it panics over it.
pub(in crate::searcher) fn name(strategy: &dyn SearchStrategy) -> String {
    catch_unwind(AssertUnwindSafe(|| strategy.describe())).unwrap_or_default()
}

/// Runs a search whatever happens: a panic ends this search and no other.
pub(in crate::searcher) fn caught(
    strategy: String,
    search: impl FnOnce() -> Result<Outcome, SearchError>,
) -> Result<Outcome, SearchError> {
    catch_unwind(AssertUnwindSafe(search)).unwrap_or_else(|panic| {
        let message = message(&*panic);
        Err(SearchErrorKind::Panicked { strategy, message }.into())
    })
}

/// What was said with a panic; empty if it was no text.
pub(in crate::searcher) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
