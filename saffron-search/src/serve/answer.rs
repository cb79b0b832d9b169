//! What a search delivers.

use saffron_core::{Outcome, StopReason, Token};

/// A token of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The token.
    pub token: Token,
    /// The text that it adds; none where a character is not whole yet.
    pub text: String,
    /// The policy's log-probability.
    pub logprob: Option<f32>,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It is complete, or a stop string came.
    Stop,
    /// It was cut: by its longest length, the budget, the deadline, or because nothing could follow.
    Length,
    /// A verdict has put another text in its place.
    ContentFilter,
}

impl FinishReason {
    /// The name that clients know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
        }
    }

    pub(super) fn of(outcome: &Outcome, stopped: bool) -> Self {
        match outcome.best.stop {
            _ if outcome.replacement.is_some() => Self::ContentFilter,
            _ if stopped => Self::Stop,
            Some(StopReason::EndOfSequence(_)) => Self::Stop,
            _ => Self::Length,
        }
    }
}

/// An answer as it is delivered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its tokens, without one that ends it. Of a replacement there are none.
    pub pieces: Vec<Piece>,
    /// How many of them were told before.
    pub sent: usize,
    /// The text in place of an answer that is not shown, and its length in tokens.
    pub replacement: Option<(String, usize)>,
    /// Why it ends.
    pub finish: FinishReason,
    /// Whether it differs anywhere from what the policy held most probable among the search's
    /// candidates; none where that is not known. Of a replacement, whether the search's own answer
    /// did.
    pub intervened: Option<bool>,
    /// The outcome of the search.
    pub outcome: Outcome,
    /// Whether the search had thresholds, so that its verdict means something.
    pub judged: bool,
}

impl Answer {
    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.replacement {
            Some((text, _)) => text.clone(),
            None => self.pieces.iter().map(|piece| piece.text.as_str()).collect(),
        }
    }

    /// Delivered tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.replacement.as_ref().map_or(self.pieces.len(), |(_, tokens)| *tokens)
    }

    /// The pieces that were not told yet.
    #[must_use]
    pub fn rest(&self) -> &[Piece] {
        self.pieces.get(self.sent..).unwrap_or_default()
    }
}
