//! What each search alone is answerable for: the server's cache serves everybody, and says at most what it has saved.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Weak;

use saffron_core::{DecoderShape, Forwarded, Run, Session, Token, Work};

/// The beginnings of contexts that each search has asked about.
#[derive(Debug, Default)]
pub(super) struct Books {
    runs: Vec<(Weak<()>, BTreeSet<u64>)>,
    /// Sizes of the model, where they are known: without them operations are not counted.
    pub(super) shape: Option<DecoderShape>,
}

impl Books {
    /// The cost of a context of which the server served `cached` tokens from its cache, if it says.
    pub(super) fn enter(&mut self, session: &Session, context: &[Token], cached: Option<u64>) -> Work {
        let length = context.len() as u64;
        let new = self.new_tokens(session.run(), context);
        let attributed = match new {
            0 => Forwarded::default(),
            new => self.continuation(length - new, length),
        };
        // A server computes the last token anew even where it knows it.
        let cached = cached.map(|cached| cached.min(length.saturating_sub(1)));
        let computed = cached.map_or_else(Forwarded::default, |cached| self.continuation(cached, length));
        let unknown = if cached.is_some() { 0 } else { length };
        Work { asked: length, cached: cached.unwrap_or(0), unknown, computed, attributed }
    }

    fn continuation(&self, from: u64, to: u64) -> Forwarded {
        let nothing = DecoderShape { layers: 0, hidden: 0, q: 0, kv: 0, intermediate: 0, vocab: 0, lora_per_token: 0 };
        self.shape.unwrap_or(nothing).continuation(from, to, 1)
    }

    /// How many of a context's last tokens the search has not asked about before. Beginnings are told apart by 64 bits of hash.
    fn new_tokens(&mut self, run: &Run, context: &[Token]) -> u64 {
        self.runs.retain(|(run, _)| run.strong_count() > 0);
        let place = match self.runs.iter().position(|(known, _)| run.is(known)) {
            Some(place) => place,
            None => {
                self.runs.push((run.downgrade(), BTreeSet::new()));
                self.runs.len() - 1
            }
        };
        let known = &mut self.runs[place].1;
        let mut hasher = DefaultHasher::new();
        let mut new = 0;
        for token in context {
            hasher.write_u32(*token);
            new += u64::from(known.insert(hasher.finish()));
        }
        new
    }
}
