//! Where the rows are: keys and values of every slot, behind a trait. The trie says which slots; a store knows what is in them.
//!
//! [`KvPools`](crate::KvPools) keeps rows in burn tensors, [`HostStore`] in plain vectors.

mod error;
mod host;
mod shape;

use crate::index::{Extent, MOST_SLOTS, Move};
pub use error::StoreError;
pub use host::{HostRows, HostStore};
pub use shape::{Element, StoreShape};

/// Rows of keys and values by layer and slot.
///
/// Slot 0 is the null row: zeros, never written, for padding. An error means that nothing has changed: a store checks what it is asked
/// on the host before it touches a device, where an address out of range has no defined meaning.
pub trait KvStore {
    /// Keys and values of some tokens in one layer.
    type Rows;

    /// The sizes of a row.
    fn shape(&self) -> StoreShape;

    /// Slots there are now, the null row included.
    fn slots(&self) -> usize;

    /// Slots there may be, the null row included.
    fn limit(&self) -> usize;

    /// Grows until there are at least so many slots. Rows stay.
    ///
    /// # Errors
    ///
    /// More than the limit; a device without room.
    fn ensure(&mut self, slots: usize) -> Result<(), StoreError>;

    /// Changes how many slots there may be, the null row included; those above a lower limit are given up.
    ///
    /// # Errors
    ///
    /// A device without room.
    fn set_limit(&mut self, slots: usize) -> Result<(), StoreError>;

    /// Writes rows of a layer: each pair takes as many as its extent has slots, from its first row on.
    ///
    /// # Errors
    ///
    /// A layer, slots or rows that there are not; rows of another shape.
    fn write(&mut self, layer: usize, writes: &[(usize, Extent)], rows: &Self::Rows) -> Result<(), StoreError>;

    /// The rows of some extents of a layer, in order, copied.
    ///
    /// # Errors
    ///
    /// A layer or slots that there are not.
    fn read(&self, layer: usize, extents: &[Extent]) -> Result<Self::Rows, StoreError>;

    /// Moves rows in all layers. All are read before one is written.
    ///
    /// # Errors
    ///
    /// Slots that there are not.
    fn copy(&mut self, moves: &[Move]) -> Result<(), StoreError>;

    /// Rows of a layer as bytes, keys and values: `[kv_heads, rows, head_dim]` each, little-endian.
    ///
    /// # Errors
    ///
    /// A layer or slots that there are not; a device that fails.
    fn export(&self, layer: usize, extents: &[Extent]) -> Result<[Vec<u8>; 2], StoreError>;

    /// Writes what [`export`](Self::export) gave into extents of the same lengths.
    ///
    /// # Errors
    ///
    /// A layer or slots that there are not; bytes that are not as many as the rows take.
    fn import(&mut self, layer: usize, extents: &[Extent], bytes: [Vec<u8>; 2]) -> Result<(), StoreError>;

    /// The counts.
    fn stats(&self) -> StoreStats;
}

/// What a store has done since it was made, and its size now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Writes in place, one for keys and one for values.
    pub writes_in_place: u64,
    /// Writes that had to copy a whole pool, because something else still held it.
    pub writes_copied: u64,
    /// Bytes of rows that were copied together to be read.
    pub gathered_bytes: u64,
    /// How often it has grown.
    pub grows: u64,
    /// Bytes of all slots now.
    pub bytes: u64,
}

/// The number of slots that a store of `slots` grows to for `need`: it doubles up to its limit.
pub(crate) fn grown(slots: usize, need: usize, limit: usize) -> Result<usize, StoreError> {
    if need > limit {
        return Err(StoreError::Limit { need, limit });
    }
    let mut target = slots.max(1);
    while target < need {
        target = (target * 2).min(limit);
    }
    Ok(target.max(slots))
}

/// Whether a store has a layer and the slots of some extents.
pub(crate) fn check(
    layer: usize,
    layers: usize,
    extents: impl IntoIterator<Item = Extent>,
    slots: usize,
) -> Result<(), StoreError> {
    if layer >= layers {
        return Err(StoreError::Layer { layer, layers });
    }
    let outside = |extent: &Extent| u64::from(extent.base) + u64::from(extent.len) > slots as u64;
    match extents.into_iter().find(outside) {
        Some(extent) => Err(StoreError::OutOfRange { base: extent.base, len: extent.len, slots }),
        None => Ok(()),
    }
}

/// The same for slots that are written to: not the null row.
pub(crate) fn check_target(extents: impl IntoIterator<Item = Extent>) -> Result<(), StoreError> {
    let mut extents = extents.into_iter();
    if extents.any(|extent| extent.base == 0 && extent.len > 0) { Err(StoreError::NullRow) } else { Ok(()) }
}

/// Whether there are the rows that some writes take.
pub(crate) fn check_rows(writes: &[(usize, Extent)], rows: usize) -> Result<(), StoreError> {
    let need = writes.iter().map(|(first, extent)| first.saturating_add(extent.len as usize)).max().unwrap_or(0);
    if need <= rows { Ok(()) } else { Err(StoreError::RowCount { need, found: rows }) }
}

/// Rows that follow each other, one extent after another.
pub(crate) fn in_order(extents: &[Extent]) -> Vec<(usize, Extent)> {
    let starts = extents.iter().scan(0, |row, extent| {
        let first = *row;
        *row += extent.len as usize;
        Some((first, *extent))
    });
    starts.collect()
}

/// Slots of all extents.
pub(crate) fn total(extents: &[Extent]) -> usize {
    extents.iter().map(|extent| extent.len as usize).sum()
}

/// How many tokens a store has room for, the null slot excepted, as far as slots can be numbered.
pub(crate) fn tokens_within<S: KvStore>(store: &S) -> u32 {
    u32::try_from(store.limit().saturating_sub(1)).unwrap_or(MOST_SLOTS).min(MOST_SLOTS)
}
