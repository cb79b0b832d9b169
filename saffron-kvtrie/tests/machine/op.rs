//! What can happen to a cache.

/// One thing that happens. Places are of the handles that are held, and mean nothing where there are not as many.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Reserve contexts, forward, commit all but a scratch tail.
    Step {
        /// The contexts.
        contexts: Vec<Vec<u32>>,
        /// Tokens at the end of each that do not stay.
        scratch: usize,
        /// Whether what is stored is used.
        cached: bool,
    },
    /// The same for what follows handles.
    After {
        /// Handles by place, and the tokens after each.
        ends: Vec<(usize, Vec<u32>)>,
        /// Tokens at the end of each that do not stay.
        scratch: usize,
    },
    /// Reserve, then give up.
    Abandon(Vec<Vec<u32>>),
    /// A forward pass that fails half-way.
    Fail(Vec<Vec<u32>>),
    /// Two reservations open at once, committed in the order opposite to their making; in between something is evicted and the
    /// capacity raised.
    Interleave(Vec<Vec<u32>>, Vec<Vec<u32>>, usize, u32),
    /// Let a handle go.
    Drop(usize),
    /// Clone a handle.
    Fork(usize),
    /// Hold what is stored of a context.
    Match(Vec<u32>),
    /// Hold the first tokens of a handle.
    Truncate(usize, usize),
    /// Value a handle.
    Score(usize, f32),
    /// Forget so many tokens.
    Evict(usize),
    /// Forget all that can go.
    Clear,
    /// Put the rows in order.
    Compact,
    /// Change the capacity.
    Capacity(u32),
    /// Save, and go on with what is loaded again.
    Restore,
}
