//! What contexts cost that a server has answered: its cache serves everybody, and says at most what
//! it has saved.

use saffron_core::{AskedContexts, DecoderShape, Forwarded, Session, Sliding, Token, Work};

/// The costs of a served model.
#[derive(Debug, Default)]
pub(super) struct ServedCost {
    asked: AskedContexts,
    /// Sizes of the model, where they are known: without them operations are not counted.
    pub(super) shape: Option<DecoderShape>,
}

impl ServedCost {
    /// The cost of a context of which the server served `cached` tokens from its cache, if it says.
    pub(super) fn of(&mut self, session: &Session, context: &[Token], cached: Option<u64>) -> Work {
        let new = self.asked.ask(session.run(), context, 0);
        let attributed = self.continuation(new.start as u64, context.len() as u64);
        Work { attributed, ..self.asked(context, cached) }
    }

    /// What ran for a context, as far as the server says.
    fn asked(&self, context: &[Token], cached: Option<u64>) -> Work {
        let length = context.len() as u64;
        // A server computes the last token anew even where it knows it.
        let cached = cached.map(|cached| cached.min(length.saturating_sub(1)));
        let computed = cached.map_or_else(Forwarded::default, |cached| self.continuation(cached, length));
        let unknown = if cached.is_some() { 0 } else { length };
        Work { asked: length, cached: cached.unwrap_or(0), unknown, computed, attributed: Forwarded::default() }
    }

    /// The cost of asking about the same context once more in the same call: what it would have cost
    /// alone is attributed already.
    pub(super) fn again(&self, context: &[Token], cached: Option<u64>) -> Work {
        Work { attributed: Forwarded::default(), ..self.asked(context, cached) }
    }

    fn continuation(&self, from: u64, to: u64) -> Forwarded {
        let nothing = DecoderShape {
            layers: 0,
            hidden: 0,
            q: 0,
            kv: 0,
            intermediate: 0,
            vocab: 0,
            lora_per_token: 0,
            lora_per_output: 0,
            sliding: Sliding::NONE,
        };
        self.shape.unwrap_or(nothing).continuation(from, to, 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use saffron_core::PlainVocabulary;

    use super::*;

    #[test]
    fn a_context_that_is_asked_again_costs_its_last_token_as_with_a_local_model() {
        let (mut cost, session) = (ServedCost::default(), Session::new(PlainVocabulary::shared(9), vec![1]).unwrap());
        let mut tokens = |context: &[Token]| {
            let work = cost.of(&session, context, Some(context.len() as u64));
            (work.attributed.tokens, work.computed.tokens)
        };
        assert_eq!(tokens(&[1, 2, 3]), (3, 1));
        assert_eq!(tokens(&[1, 2, 3]), (1, 1));
        assert_eq!(tokens(&[1, 2, 3, 4, 5]), (2, 1));
        assert_eq!(tokens(&[1, 2]), (1, 1));
    }
}
