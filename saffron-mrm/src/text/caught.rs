//! Panics of other crates as errors.
//!
//! What is known to panic is refused before the crate sees it. This is for the rest. The panic hook
//! of the program still runs; where panics abort, they abort.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call returns; none where it panics.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    // A value that a panic left half changed is dropped, or only read by calls that are caught,
    // too.
    catch_unwind(AssertUnwindSafe(call)).ok()
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_is_none() {
        assert_eq!(caught(|| 1), Some(1));
        // Without the hook, which writes to the terminal.
        assert_eq!(caught(|| -> u32 { std::panic::resume_unwind(Box::new("no")) }), None);
    }
}
