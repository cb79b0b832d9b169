//! Attributed compute: one ledger a search, dropped when the search has gone.

use std::ops::Range;
use std::sync::Weak;

use saffron_kvtrie::Ledger;

use super::Query;

/// The ledgers of all searches that are alive.
#[derive(Debug, Default)]
pub(super) struct Books {
    ledgers: Vec<(Weak<()>, Ledger)>,
}

impl Books {
    /// Positions of the query that a cache of its search alone would not hold: those never asked for, all that is scratch, and at
    /// least the last, whose output is wanted.
    pub(super) fn ask(&mut self, query: &Query<'_>) -> Range<usize> {
        let length = query.tokens.len();
        let kept = length - query.scratch.min(length);
        let new = self.ledger(query).ask(&query.tokens[..kept]);
        new.start.min(length - 1)..length
    }

    fn ledger(&mut self, query: &Query<'_>) -> &mut Ledger {
        let place = self.ledgers.iter().position(|(run, _)| query.run.is(run)).unwrap_or_else(|| {
            self.ledgers.retain(|(run, _)| run.strong_count() > 0);
            self.ledgers.push((query.run.downgrade(), Ledger::default()));
            self.ledgers.len() - 1
        });
        &mut self.ledgers[place].1
    }
}
