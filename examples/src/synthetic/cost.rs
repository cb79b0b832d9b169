//! What an answer costs a search, as if a language model had given it.

use saffron_core::{AskedContexts, DecoderShape, Session, Work};

/// Stands for a token that is the same in the whole search.
const HIDDEN: u32 = 0;

/// The costs of the searches that are alive.
#[derive(Debug, Default)]
pub(super) struct SearchCost {
    asked: AskedContexts,
}

impl SearchCost {
    /// The cost of one answer about `hidden` tokens, the same for the whole search, a response, and
    /// `suffix` tokens that no cache keeps.
    pub(super) fn of(&mut self, shape: &DecoderShape, session: &Session, hidden: usize, suffix: usize) -> Work {
        let context = [&vec![HIDDEN; hidden], session.response(), &vec![HIDDEN; suffix]].concat();
        let computed = self.asked.ask(session.run(), &context, suffix);
        let forwarded = shape.continuation(computed.start as u64, computed.end as u64, 1);
        let (asked, cached) = (context.len() as u64, computed.start as u64);
        Work { asked, cached, computed: forwarded, attributed: forwarded, ..Work::default() }
    }
}
