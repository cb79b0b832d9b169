//! What each search has asked a model for: the rule behind *attributed* compute.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Weak;

use crate::session::Run;
use crate::token::Token;

/// The contexts that each living search has asked one model for.
///
/// A model that keeps one of these can say what a search would have computed had it begun with an
/// empty cache and kept all it computed, whoever else the model serves:
///
/// - A position is computed when the search asks for the prefix that ends there for the first time.
/// - The last position of a context is computed every time, because no cache keeps the outputs of
///   a model. A context that is asked for again costs one token.
/// - Positions that the model does not keep, such as a template behind every response, are computed
///   every time.
///
/// Equal contexts in one call are for the model to find: one that computes them once charges them
/// once.
///
/// ```
/// use saffron_core::{AskedContexts, Run};
/// let (mut asked, search) = (AskedContexts::default(), Run::new());
/// assert_eq!(asked.ask(&search, &[1, 2, 3], 0), 0..3);
/// assert_eq!(asked.ask(&search, &[1, 2, 4, 5], 0), 2..4);
/// assert_eq!(asked.ask(&search, &[1, 2, 3], 0), 2..3, "its output is computed again");
/// assert_eq!(asked.ask(&Run::new(), &[1, 2, 3], 0), 0..3, "another search begins with nothing");
/// ```
#[derive(Clone, Debug, Default)]
pub struct AskedContexts {
    searches: Vec<(Weak<()>, Prefixes)>,
}

impl AskedContexts {
    /// Enters a context whose last `scratch` positions the model does not keep, and returns the
    /// positions that the search would compute for it. They are always the last ones, and at least
    /// one unless the context is empty.
    pub fn ask(&mut self, search: &Run, context: &[Token], scratch: usize) -> Range<usize> {
        let length = context.len();
        let known = self.prefixes(search).enter(&context[..length.saturating_sub(scratch)]);
        known.min(length.saturating_sub(1))..length
    }

    /// The prefixes of a search. Those of searches that have gone are dropped when a new one asks.
    fn prefixes(&mut self, search: &Run) -> &mut Prefixes {
        let place = self.searches.iter().position(|(known, _)| search.is(known)).unwrap_or_else(|| {
            self.searches.retain(|(known, _)| known.strong_count() > 0);
            self.searches.push((search.downgrade(), Prefixes::default()));
            self.searches.len() - 1
        });
        &mut self.searches[place].1
    }
}

/// A set of sequences that holds all their prefixes.
#[derive(Clone, Debug, Default)]
struct Prefixes {
    /// The number of a prefix by that of the prefix one token shorter and its last token. The empty
    /// prefix is 0.
    numbers: HashMap<(usize, Token), usize>,
}

impl Prefixes {
    /// Enters a sequence and returns the length of its longest prefix that was there.
    fn enter(&mut self, tokens: &[Token]) -> usize {
        let (mut prefix, mut known) = (0, 0);
        for token in tokens {
            let next = self.numbers.len() + 1;
            prefix = *self.numbers.entry((prefix, *token)).or_insert(next);
            known += usize::from(prefix != next);
        }
        known
    }
}
