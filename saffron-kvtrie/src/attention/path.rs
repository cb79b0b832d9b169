//! Paths as runs of slots: what several have in common, and what a window leaves of one.

use crate::index::Extent;
use crate::reserve::Segment;

/// How far back the rows of a pass see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window(usize);

impl Window {
    /// A window of this many tokens. It counts the row itself, so it is at least 1. `None`: the
    /// whole context.
    pub(super) fn new(tokens: Option<usize>) -> Self {
        Self(tokens.map_or(usize::MAX, |tokens| tokens.max(1)))
    }

    /// Tokens that a row sees, itself included.
    pub(super) fn tokens(self) -> usize {
        self.0
    }

    /// Tokens before itself that a row sees.
    pub(super) fn reach(self) -> usize {
        self.0 - 1
    }

    /// The first of `count` tokens that the row sees which is the last of them.
    pub(super) fn start(self, count: usize) -> usize {
        count.saturating_sub(self.0)
    }
}

/// Number of slots of a path.
pub(super) fn length(path: &[Extent]) -> usize {
    path.iter().map(|extent| extent.len as usize).sum()
}

/// Leaves the last `count` slots of a path. Looks only at the extents that stay.
pub(super) fn keep_last(path: &mut Vec<Extent>, count: usize) {
    let (mut first, mut missing) = (path.len(), count);
    while missing > 0 && first > 0 {
        first -= 1;
        let extent = &mut path[first];
        let kept = missing.min(extent.len as usize);
        *extent = Extent { base: extent.end() - kept as u32, len: kept as u32 };
        missing -= kept;
    }
    path.drain(..first);
}

/// The slots that all prefixes begin with.
pub(super) fn common_prefix(segments: &[&Segment]) -> Vec<Extent> {
    let mut common: Vec<Extent> = segments.first().map(|segment| segment.prefix.clone()).unwrap_or_default();
    for segment in segments {
        common = common_extents(&common, &segment.prefix);
    }
    common
}

/// The slots that two paths begin with.
pub(super) fn common_extents(a: &[Extent], b: &[Extent]) -> Vec<Extent> {
    let mut shared: Vec<Extent> = Vec::new();
    for (a, b) in a.iter().zip(b) {
        if a.base != b.base {
            break;
        }
        let len = a.len.min(b.len);
        shared.push(Extent { base: a.base, len });
        if a.len != b.len {
            break;
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths() -> impl Strategy<Value = Vec<Extent>> {
        prop::collection::vec((1..500u32, 1..9u32), 0..12)
            .prop_map(|runs| runs.into_iter().map(|(base, len)| Extent { base, len }).collect())
    }

    fn slots(path: &[Extent]) -> Vec<u32> {
        path.iter().flat_map(|extent| extent.slots()).collect()
    }

    proptest! {
        #[test]
        fn a_trimmed_path_has_the_last_slots(path in paths(), count in 0..120usize) {
            let (whole, mut trimmed) = (slots(&path), path.clone());
            keep_last(&mut trimmed, count);
            prop_assert_eq!(slots(&trimmed), &whole[whole.len().saturating_sub(count)..]);
            prop_assert_eq!(length(&trimmed), whole.len().min(count));
            prop_assert!(trimmed.iter().all(|extent| extent.len > 0) && trimmed.len() <= path.len());
        }
    }

    #[test]
    fn a_window_counts_the_row_itself() {
        assert_eq!([1, 3, 4, 9].map(|count| Window::new(Some(3)).start(count)), [0, 0, 1, 6]);
        assert_eq!((Window::new(Some(0)), Window::new(Some(1)).reach()), (Window::new(Some(1)), 0));
        assert_eq!(Window::new(None).start(1 << 40), 0);
    }
}
