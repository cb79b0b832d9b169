//! Runs of slots.

/// `len` slots from `base` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First slot.
    pub base: u32,
    /// Number of slots.
    pub len: u32,
}

impl Extent {
    /// The slot after the last.
    #[must_use]
    pub fn end(self) -> u32 {
        self.base + self.len
    }

    /// Adds a slot to the end of a path, joined to the last extent if it follows it.
    #[cfg(feature = "tensors")]
    pub(crate) fn append(path: &mut Vec<Self>, slot: u32) {
        Self::join(path, Self { base: slot, len: 1 });
    }

    /// Adds an extent to the end of a path, joined to the last if it follows it.
    pub(crate) fn join(path: &mut Vec<Self>, extent: Self) {
        match path.last_mut() {
            Some(last) if last.end() == extent.base => last.len += extent.len,
            _ => path.push(extent),
        }
    }

    /// The slots.
    pub fn slots(self) -> impl Iterator<Item = u32> {
        self.base..self.end()
    }
}

/// Rows that change their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where they are.
    pub from: Extent,
    /// Where the first of them goes.
    pub to: u32,
}

impl Move {
    /// Where they go.
    #[must_use]
    pub fn target(self) -> Extent {
        Extent { base: self.to, len: self.from.len }
    }

    /// Adds a move to others, joined to the last if both go on from it; one to its own place is left out.
    pub(crate) fn append(moves: &mut Vec<Self>, from: Extent, to: u32) {
        if from.base == to {
            return;
        }
        match moves.last_mut() {
            Some(last) if last.from.end() == from.base && last.target().end() == to => last.from.len += from.len,
            _ => moves.push(Self { from, to }),
        }
    }
}
