//! What is asked for.

use crate::handle::Seq;

/// One context of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// A stored sequence that the context begins with; none where `tokens` are all of it.
    pub after: Option<&'a Seq>,
    /// The tokens, or those after the stored sequence.
    pub tokens: &'a [u32],
    /// How many of these tokens stay in the trie after the commit; the rest is scratch.
    pub keep: usize,
}

impl<'a> Want<'a> {
    /// A context that stays whole.
    #[must_use]
    pub fn keep(tokens: &'a [u32]) -> Self {
        Self { after: None, tokens, keep: tokens.len() }
    }

    /// A context whose last `scratch` tokens are of use only now: a guard's question after the text it judges.
    #[must_use]
    pub fn with_scratch(tokens: &'a [u32], scratch: usize) -> Self {
        Self { after: None, tokens, keep: tokens.len().saturating_sub(scratch) }
    }

    /// A held sequence and what follows it, which stays whole. The sequence is not looked up again, so that a step of a search costs
    /// its new tokens, however deep it is.
    #[must_use]
    pub fn after(seq: &'a Seq, tokens: &'a [u32]) -> Self {
        Self { after: Some(seq), tokens, keep: tokens.len() }
    }

    /// The same context with its last `scratch` tokens of use only now. What is held already stays.
    #[must_use]
    pub fn scratch(self, scratch: usize) -> Self {
        Self { keep: self.tokens.len().saturating_sub(scratch), ..self }
    }
}

/// Whether contexts may use what is stored and what others of the batch compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// They may; what they keep stays.
    Cached,
    /// Every context is computed from its first token, and nothing stays: the baseline to compare with.
    Nothing,
}
