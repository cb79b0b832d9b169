//! Which keys of its group a row must not see.

use std::ops::Range;

use super::path::Window;
use super::plan::{Chain, GroupPlan};

/// Keys that query rows must not see, true where hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) hidden: Vec<bool>,
    /// The query heads of a key head are folded into the rows: `[1, chains, len · group, keys]`, or
    /// `[1, 1, 1, keys]` where all rows see the same.
    pub(super) size: [usize; 4],
}

impl Chain {
    /// The suffix keys that the row at a place sees: those of its window that stand before its
    /// chain, and its chain's rows up to itself. Padding sees what the chain's last row does; of a
    /// chain that is padding it sees none.
    fn suffix_seen(&self, place: usize, window: Window) -> Range<usize> {
        let end = self.before + self.real.min(place + 1);
        window.start(end)..end
    }

    /// The trunk keys that the row at a place sees: the last ones that its window reaches.
    fn trunk_seen(&self, place: usize, window: Window, trunk: usize) -> Range<usize> {
        let after = self.skipped + self.before + self.real.min(place + 1);
        window.start(trunk + after).min(trunk)..trunk
    }
}

impl GroupPlan {
    /// What rows must not see of the suffixes; `None` where each may see all.
    pub(super) fn hidden_suffix(&self, group: usize) -> Option<Mask> {
        if !self.seen.is_empty() {
            return Some(self.unseen(group));
        }
        let seen: Vec<Range<usize>> = self.places(|chain, place| chain.suffix_seen(place, self.window)).collect();
        let whole = seen.iter().all(|seen| *seen == (0..self.suffix_len));
        (!whole).then(|| self.mask(&seen, group, self.suffix_len))
    }

    /// What rows must not see of the trunk, `keys` long with its padding; `None` where each may see
    /// all.
    pub(super) fn hidden_trunk(&self, group: usize, keys: usize) -> Option<Mask> {
        let trunk = self.trunk_len();
        let seen: Vec<Range<usize>> = self.places(|chain, place| chain.trunk_seen(place, self.window, trunk)).collect();
        let first = seen.first()?;
        if seen.iter().any(|other| other != first) {
            return Some(self.mask(&seen, group, keys));
        }
        let hidden = || (0..keys).map(|key| !first.contains(&key)).collect();
        (*first != (0..keys)).then(|| Mask { hidden: hidden(), size: [1, 1, 1, keys] })
    }

    fn places<'a, T>(&'a self, of: impl Fn(&'a Chain, usize) -> T + 'a) -> impl Iterator<Item = T> + 'a {
        let places = self.chains.iter().flat_map(|chain| (0..self.len).map(move |place| (chain, place)));
        places.map(move |(chain, place)| of(chain, place))
    }

    fn mask(&self, seen: &[Range<usize>], group: usize, keys: usize) -> Mask {
        let mut hidden = vec![true; seen.len() * group * keys];
        // Without keys there is nothing to cut into rows.
        for (row, part) in hidden.chunks_exact_mut(keys.max(1)).enumerate() {
            part[seen[row / group].clone()].fill(false);
        }
        Mask { hidden, size: [1, self.chains.len(), self.len * group, keys] }
    }

    /// All slots of a view that are not on a row's path, or before its window.
    fn unseen(&self, group: usize) -> Mask {
        let mut hidden = vec![true; self.len * group * self.suffix_len];
        for (row, part) in hidden.chunks_mut(self.suffix_len).enumerate() {
            for extent in &self.seen[row / group] {
                part[extent.base as usize..extent.end() as usize].fill(false);
            }
        }
        Mask { hidden, size: [1, 1, self.len * group, self.suffix_len] }
    }
}
