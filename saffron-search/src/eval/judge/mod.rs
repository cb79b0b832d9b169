//! Whether an answer is safe.
