//! Which tokens a search has asked a model for, whatever the cache held: the book behind *attributed* compute.

use std::ops::Range;

use rustc_hash::FxHashMap;

/// The set of prefixes that one search has asked for.
///
/// ```
/// use saffron_kvtrie::Ledger;
/// let mut ledger = Ledger::default();
/// assert_eq!(ledger.ask(&[1, 2, 3]), 0..3);
/// assert_eq!(ledger.ask(&[1, 2, 4]), 2..3);
/// assert_eq!(ledger.ask(&[1, 2, 4]), 3..3); // nothing new
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    children: FxHashMap<(u32, u32), u32>,
}

impl Ledger {
    /// Enters a context and returns the positions that were not asked for before; they are always the last ones.
    pub fn ask(&mut self, tokens: &[u32]) -> Range<usize> {
        let (mut at, mut first_new) = (0, tokens.len());
        for (position, token) in tokens.iter().enumerate() {
            let next = self.children.len() as u32 + 1;
            at = *self.children.entry((at, *token)).or_insert(next);
            if at == next {
                first_new = first_new.min(position);
            }
        }
        first_new..tokens.len()
    }

    /// Number of distinct prefixes asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Whether nothing has been asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }
}
