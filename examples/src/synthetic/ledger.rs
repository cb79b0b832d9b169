//! What each search has already asked a model, so that it is charged for no position twice.

use std::collections::BTreeMap;
use std::sync::Weak;

use saffron_core::{DecoderShape, Run, Session, Token, Work};

/// The contexts of the searches that are alive.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    searches: Vec<(Weak<()>, Trie)>,
}

/// Sequences by their nodes: node and next token lead to a node. The root is 0.
type Trie = BTreeMap<(usize, Token), usize>;

impl Ledger {
    /// The cost of one answer about `hidden` tokens, the same for the whole search, a response, and `suffix` tokens that no cache keeps.
    pub(super) fn charge(&mut self, shape: &DecoderShape, session: &Session, hidden: usize, suffix: usize) -> Work {
        let response = session.response();
        let trie = self.search(session.run());
        let fresh = trie.is_empty();
        let known = enter(trie, response);
        let length = hidden + response.len();
        let cached = if fresh { 0 } else { hidden + known };
        // An answer about what is known whole takes its last position again, unless a suffix follows.
        let from = if suffix == 0 { cached.min(length - 1) } else { cached };
        let forwarded = shape.continuation(from as u64, (length + suffix) as u64, 1);
        let (asked, cached) = ((length + suffix) as u64, from as u64);
        Work { asked, cached, computed: forwarded, attributed: forwarded, ..Work::default() }
    }

    fn search(&mut self, run: &Run) -> &mut Trie {
        self.searches.retain(|(search, _)| search.strong_count() > 0);
        let place = self.searches.iter().position(|(search, _)| run.is(search)).unwrap_or_else(|| {
            self.searches.push((run.downgrade(), Trie::new()));
            self.searches.len() - 1
        });
        &mut self.searches[place].1
    }
}

/// Enters a sequence and says how many of its tokens were known.
fn enter(trie: &mut Trie, tokens: &[Token]) -> usize {
    // The root itself, so that a search that has asked is told from one that has not.
    trie.entry((0, Token::MAX)).or_insert(0);
    let (mut node, mut known) = (0, 0);
    for token in tokens {
        let next = trie.len();
        node = *trie.entry((node, *token)).or_insert(next);
        known += usize::from(node != next);
    }
    known
}
