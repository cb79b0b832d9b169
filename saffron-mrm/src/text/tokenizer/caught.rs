//! Panics of the `tokenizers` crate as its errors.

use crate::text::caught;

/// What a call of the crate returns, or an error where it panics.
pub(super) fn caught<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    caught::caught(call).unwrap_or_else(|| Err("the tokenizers crate panicked".into()))
}
