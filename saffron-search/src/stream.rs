//! An answer while it is being found.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::{Level, Outcome, SearchObserver, Token, Vocabulary};

/// Tells an answer's tokens as soon as they are certain: those that all sequences of the beam begin
/// with, since one of them will be the answer. The whole answer is told when the search ends.
///
/// For strategies whose answer comes out of their beam, such as [`Saffron`](crate::Saffron) and
/// [`Greedy`](crate::Greedy). Where a strategy goes back on what it had, nothing more is told until
/// the end. What has been told cannot be taken back: a searcher that may put a text in the answer's
/// place ([`Searcher::may_replace`](crate::Searcher::may_replace)) should not be listened to. Of an
/// answer that was replaced, nothing more is told at the end.
///
/// ```
/// use saffron_core::NoReward;
/// use saffron_core::testing::TablePolicy;
/// use saffron_search::stream::CertainTokens;
/// use saffron_search::{Greedy, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]);
/// let session = policy.session(&[1])?;
/// let mut told = Vec::new();
/// let mut stream = CertainTokens::new(|tokens: &[u32]| told.push(tokens.len()));
/// Searcher::new(Greedy).max_new_tokens(3).run_observed(&session, &mut policy, &mut NoReward, &mut stream)?;
/// assert_eq!(told, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CertainTokens<F> {
    told: Vec<Token>,
    tell: F,
}

impl<F> fmt::Debug for CertainTokens<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertainTokens").field("told", &self.told).finish_non_exhaustive()
    }
}

impl<F: FnMut(&[Token])> CertainTokens<F> {
    /// Calls `tell` with all tokens that are certain, whenever there are more of them.
    pub fn new(tell: F) -> Self {
        Self { told: Vec::new(), tell }
    }

    fn certain(&mut self, tokens: &[Token]) {
        if tokens.len() > self.told.len() && tokens.starts_with(&self.told) {
            self.told = tokens.to_vec();
            (self.tell)(&self.told);
        }
    }
}

impl<F: FnMut(&[Token])> SearchObserver for CertainTokens<F> {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        if let Some(tokens) = shared(level) {
            self.certain(tokens);
        }
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        if outcome.replacement.is_none() {
            self.certain(&outcome.best.tokens);
        }
    }
}

/// The tokens that all sequences of a level's beam begin with; none for an empty beam.
fn shared(level: &Level) -> Option<&[Token]> {
    let (first, others) = level.beam.split_first()?;
    let with = |other: &[Token]| first.tokens.iter().zip(other).take_while(|(one, other)| one == other).count();
    let length = others.iter().map(|entry| with(&entry.tokens)).min().unwrap_or(first.tokens.len());
    Some(&first.tokens[..length])
}

/// Tells an answer's text piece by piece, as soon as it is certain; [`CertainTokens`] says when
/// that is. The bytes of a character are held back until the character is whole.
///
/// A tokenizer may give the whole answer another text than what was told: compare it with
/// [`text`](Self::text) after the search.
///
/// ```
/// use saffron_core::testing::TablePolicy;
/// use saffron_core::{NoReward, Policy};
/// use saffron_search::stream::CertainText;
/// use saffron_search::{Greedy, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]);
/// let session = policy.session(&[1])?;
/// let mut told = Vec::new();
/// let mut stream = CertainText::new(policy.vocabulary(), |piece: &str| told.push(piece.to_owned()));
/// Searcher::new(Greedy).max_new_tokens(3).run_observed(&session, &mut policy, &mut NoReward, &mut stream)?;
/// assert_eq!(stream.into_text(), "2 2 2");
/// assert_eq!(told, ["2", " 2", " 2"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CertainText<F> {
    vocabulary: Arc<dyn Vocabulary>,
    tokens: Vec<Token>,
    text: String,
    tell: F,
}

impl<F> fmt::Debug for CertainText<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertainText").field("text", &self.text).finish_non_exhaustive()
    }
}

impl<F: FnMut(&str)> CertainText<F> {
    /// Calls `tell` with every new piece of text. The tokens belong to the vocabulary.
    pub fn new(vocabulary: Arc<dyn Vocabulary>, tell: F) -> Self {
        Self { vocabulary, tokens: Vec::new(), text: String::new(), tell }
    }

    /// The text that was told so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text that was told.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn certain(&mut self, tokens: &[Token]) {
        if tokens.len() <= self.tokens.len() || !tokens.starts_with(&self.tokens) {
            return;
        }
        self.tokens = tokens.to_vec();
        let Ok(decoded) = self.vocabulary.decode(tokens) else { return };
        let whole = decoded.trim_end_matches(char::REPLACEMENT_CHARACTER);
        if let Some(piece) = whole.strip_prefix(self.text.as_str()).filter(|piece| !piece.is_empty()) {
            (self.tell)(piece);
            self.text.push_str(piece);
        }
    }
}

impl<F: FnMut(&str)> SearchObserver for CertainText<F> {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        if let Some(tokens) = shared(level) {
            self.certain(tokens);
        }
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        if outcome.replacement.is_none() {
            self.certain(&outcome.best.tokens);
        }
    }
}
