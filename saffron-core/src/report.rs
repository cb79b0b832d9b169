//! Words for error messages.

use std::error::Error;
use std::fmt::{Display, Write};

/// The most items of a list that a message names.
const LISTED: usize = 10;
/// The most characters of an item that a message shows.
const SHOWN: usize = 100;

/// The first ten items of a list and how many more there are, so that a message does not grow with
/// the list. Long items are cut, too.
///
/// ```
/// use saffron_core::listed;
/// assert_eq!(listed(["a", "b"]), "a, b");
/// assert_eq!(listed(0..13), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more");
/// ```
pub fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let first: Vec<String> = items.by_ref().take(LISTED).map(|item| shortened(&item.to_string(), SHOWN)).collect();
    let list = first.join(", ");
    match items.count() {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

/// A text of at most so many characters, with `…` in place of the rest.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An error with its causes, as `what: why: why that`. Messages of this workspace's errors leave
/// their causes to [`Error::source`].
///
/// ```
/// use saffron_core::{ModelError, with_causes};
/// let error = ModelError::other("asking a server", "it is asleep");
/// assert_eq!(error.to_string(), "asking a server");
/// assert_eq!(with_causes(&error), "asking a server: it is asleep");
/// ```
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
