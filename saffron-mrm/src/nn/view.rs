//! Which rows of a batch of sequences may look at which.

/// Who sees whom.
#[derive(Debug)]
#[cfg_attr(not(all(feature = "flex", feature = "autodiff")), allow(dead_code, reason = "for the operation's kernel"))]
pub(crate) struct View {
    pub(crate) sequences: usize,
    /// Rows a sequence.
    pub(crate) length: usize,
    /// `[sequences or 1, length, length]`: of each key, of each row, whether the row must not look at it.
    pub(crate) hidden: Vec<bool>,
    /// Whether no row looks at a later one.
    pub(crate) causal: bool,
}
