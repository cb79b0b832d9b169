//! Why a store refuses.

/// A store cannot do what it was asked; it is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A layer that there is not.
    #[error("layer {layer} of a store of {layers}")]
    Layer {
        /// The layer asked for.
        layer: usize,
        /// Layers there are.
        layers: usize,
    },
    /// Slots that there are not.
    #[error("{len} slots from {base} on, in a store of {slots}")]
    OutOfRange {
        /// First slot asked for.
        base: u32,
        /// Number of slots asked for.
        len: u32,
        /// Slots there are.
        slots: usize,
    },
    /// Slot 0 holds the zeros that padding reads.
    #[error("slot 0 is the null row and is never written")]
    NullRow,
    /// Fewer rows than are to be written.
    #[error("{need} rows are to be written, {found} are given")]
    RowCount {
        /// Rows that the writes take.
        need: usize,
        /// Rows there are.
        found: usize,
    },
    /// Rows of another model.
    #[error("{what} are of shape {found:?}, expected {expected:?}")]
    Shape {
        /// Keys or values.
        what: &'static str,
        /// The store's shape of the rows.
        expected: Vec<usize>,
        /// Theirs.
        found: Vec<usize>,
    },
    /// Bytes that are not what the rows take.
    #[error("{found} bytes for rows of {expected}")]
    Bytes {
        /// Bytes that the rows take.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// More slots than the store may have.
    #[error("{need} slots in a store that may have {limit}")]
    Limit {
        /// Slots needed.
        need: usize,
        /// Slots allowed.
        limit: usize,
    },
    /// The host has no memory for more slots.
    #[error("no memory for another {bytes} bytes of keys or values")]
    Memory {
        /// Bytes asked for at once.
        bytes: u64,
    },
    /// The device or the host failed.
    #[error("the device failed: {0}")]
    Device(String),
}
