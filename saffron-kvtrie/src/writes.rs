//! Which rows are written to which slots.

use std::ops::Range;

use crate::index::Extent;

/// The slots of rows, in the order of the rows: an extent for each stretch of both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes {
    /// The first row of every extent, and the extent.
    extents: Vec<(usize, Extent)>,
    rows: usize,
}

impl FromIterator<Extent> for Writes {
    /// Rows from 0 on, as many as the extents have slots.
    fn from_iter<I: IntoIterator<Item = Extent>>(extents: I) -> Self {
        let mut writes = Self::default();
        for extent in extents {
            writes.extents.push((writes.rows, extent));
            writes.rows += extent.len as usize;
        }
        writes
    }
}

impl Writes {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// First row and slots of every stretch.
    pub(crate) fn stretches(&self) -> &[(usize, Extent)] {
        &self.extents
    }

    /// The extents alone.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.extents.iter().map(|(_, extent)| *extent)
    }

    /// The slots of some of the rows, in order.
    pub(crate) fn of(&self, rows: Range<usize>) -> impl Iterator<Item = Extent> + '_ {
        let from = self.extents.partition_point(|(first, extent)| first + extent.len as usize <= rows.start);
        let reached =
            self.extents[from..].iter().take_while(move |(first, _)| rows.start < rows.end && *first < rows.end);
        reached.map(move |(first, extent)| {
            let (begin, end) = (rows.start.max(*first), rows.end.min(first + extent.len as usize));
            Extent { base: extent.base + (begin - first) as u32, len: (end - begin) as u32 }
        })
    }

    /// What is left without slots that were stored, each of them once.
    pub(crate) fn without(&self, mut stored: Vec<Extent>) -> Self {
        if stored.iter().map(|extent| extent.len as usize).sum::<usize>() == self.rows {
            return Self::default();
        }
        stored.sort_unstable_by_key(|extent| extent.base);
        self.extents().flat_map(|extent| outside(extent, &stored)).collect()
    }
}

/// The parts of an extent that are in none of the others, which are sorted.
fn outside(extent: Extent, others: &[Extent]) -> Vec<Extent> {
    let (mut parts, mut base) = (Vec::new(), extent.base);
    let from = others.partition_point(|other| other.end() <= extent.base);
    for other in others[from..].iter().take_while(|other| other.base < extent.end()) {
        parts.push(Extent { base, len: other.base.saturating_sub(base) });
        base = other.end();
    }
    parts.push(Extent { base, len: extent.end().saturating_sub(base) });
    parts.retain(|part| part.len > 0);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(base: u32, len: u32) -> Extent {
        Extent { base, len }
    }

    fn writes() -> Writes {
        [extent(10, 4), extent(3, 2), extent(20, 1)].into_iter().collect()
    }

    #[test]
    fn rows_are_found_in_their_extents() {
        let of = |rows| writes().of(rows).collect::<Vec<_>>();
        assert_eq!(of(0..7), [extent(10, 4), extent(3, 2), extent(20, 1)]);
        assert_eq!(of(3..5), [extent(13, 1), extent(3, 1)]);
        assert_eq!(of(6..7), [extent(20, 1)]);
        assert_eq!(of(2..2), []);
        assert_eq!(writes().stretches().iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0, 4, 6]);
    }

    #[test]
    fn what_was_stored_is_not_left() {
        let left = |stored: &[Extent]| writes().without(stored.to_vec()).extents().collect::<Vec<_>>();
        assert_eq!(left(&[]), [extent(10, 4), extent(3, 2), extent(20, 1)]);
        assert_eq!(left(&[extent(20, 1), extent(11, 2)]), [extent(10, 1), extent(13, 1), extent(3, 2)]);
        assert_eq!(left(&[extent(10, 4), extent(3, 1)]), [extent(4, 1), extent(20, 1)]);
        assert_eq!(left(&[extent(10, 4), extent(3, 2), extent(20, 1)]), []);
    }
}
