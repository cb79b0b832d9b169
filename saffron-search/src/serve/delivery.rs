//! What may be sent of a search that still runs.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::{
    BeamEntry, Candidates, Level, NodeId, Outcome, SearchObserver, StopReason, Token, TreeChange, Vocabulary,
};

use super::answer::{Answer, FinishReason, Piece};
use super::detokenize::Detokenizer;
use super::error::ApiError;
use super::record::{Record, intervened};
use super::stop_filter::StopFilter;

/// News of an answer.
#[derive(Debug)]
pub enum Update {
    /// More of its text. It will not be taken back.
    Text(Vec<Piece>),
    /// The search has ended with this answer. A search that fails sends none.
    End(Result<Box<Answer>, ApiError>),
}

/// Watches a search, and tells of its answer what no surviving sequence can change.
///
/// - Released are the tokens that all sequences of a level's beam begin with, finished ones that
///   may still win included: every strategy of this crate answers with one of them or what follows
///   it. Their text is released in whole characters, and not where a stop string may begin.
/// - Where a verdict may replace the answer, everything is withheld until the end.
/// - A stop string among what is released ends the search.
/// - The token that ends an answer is no part of it.
pub struct Delivery<F> {
    withheld: bool,
    judged: bool,
    tell: F,
    vocabulary: Arc<dyn Vocabulary>,
    record: Record,
    detokenizer: Detokenizer,
    stops: StopFilter,
    /// The tokens that were released to the detokenizer.
    released: Vec<Token>,
    /// Tokens behind which a character is not whole.
    open: Vec<Piece>,
    /// The pieces that are told, or will be.
    pieces: Vec<Piece>,
    sent: usize,
    failed: Option<ApiError>,
}

impl<F> fmt::Debug for Delivery<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("withheld", &self.withheld).field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl<F: FnMut(Update)> Delivery<F> {
    /// Calls `tell` with the news of one search, whose tokens belong to the vocabulary. The answer
    /// ends before the first of the `stop` strings, none of which is empty. `withheld` releases
    /// nothing before the end.
    pub fn new(vocabulary: Arc<dyn Vocabulary>, stop: &[String], withheld: bool, tell: F) -> Self {
        Self {
            withheld,
            judged: withheld,
            tell,
            detokenizer: Detokenizer::new(vocabulary.clone()),
            vocabulary,
            record: Record::default(),
            stops: StopFilter::new(stop),
            released: Vec::new(),
            open: Vec::new(),
            pieces: Vec::new(),
            sent: 0,
            failed: None,
        }
    }

    /// The same for a search that is judged by thresholds: its answer says what the verdict is.
    #[must_use]
    pub fn judged(mut self, judged: bool) -> Self {
        self.judged = judged;
        self
    }

    /// Releases more tokens, of which those before are the beginning.
    fn release(&mut self, tokens: &[Token]) -> Result<(), ApiError> {
        if tokens.len() <= self.released.len() || self.stops.matched() {
            return Ok(());
        }
        if !tokens.starts_with(&self.released) {
            return Err(taken_back());
        }
        let known = self.record.path(tokens);
        for (token, taken) in tokens.iter().zip(known).skip(self.released.len()) {
            let (text, whole) = self.detokenizer.push(*token)?;
            self.open.push(Piece { token: *token, text, logprob: taken.map(|taken| taken.logprob) });
            if whole {
                self.close();
            }
        }
        self.released = tokens.to_vec();
        Ok(())
    }

    /// Hands on the tokens whose characters are whole.
    fn close(&mut self) {
        for piece in std::mem::take(&mut self.open) {
            self.pieces.extend(self.stops.push(piece));
        }
    }

    fn tell_new(&mut self) {
        let new = self.pieces.get(self.sent..).unwrap_or_default();
        if !self.withheld && new.iter().any(|piece| !piece.text.is_empty()) {
            (self.tell)(Update::Text(new.to_vec()));
            self.sent = self.pieces.len();
        }
    }

    /// The answer of a search that has ended.
    fn end(&mut self, outcome: &Outcome) -> Result<Box<Answer>, ApiError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let best = &outcome.best;
        let tokens = without_end(&best.tokens, best.stop);
        if !tokens.starts_with(&self.released) {
            return Err(taken_back());
        }
        self.release(tokens)?;
        if !self.stops.matched() {
            let rest = self.detokenizer.finish()?;
            if let Some(last) = self.open.last_mut() {
                last.text.push_str(&rest);
            }
            self.close();
            self.pieces.extend(self.stops.finish());
        }
        let replacement = outcome.replacement.as_ref().map(|text| {
            let tokens = self.vocabulary.encode(text).ok().flatten();
            (text.clone(), tokens.map_or(0, |tokens| tokens.len()))
        });
        let path = self.record.path(&best.tokens);
        let pieces = if replacement.is_some() { Vec::new() } else { std::mem::take(&mut self.pieces) };
        Ok(Box::new(Answer {
            sent: self.sent.min(pieces.len()),
            pieces,
            replacement,
            finish: FinishReason::of(outcome, self.stops.matched()),
            intervened: intervened(&path),
            outcome: outcome.clone(),
            judged: self.judged,
        }))
    }
}

impl<F: FnMut(Update)> SearchObserver for Delivery<F> {
    fn on_propose(&mut self, node: NodeId, candidates: &Candidates) {
        self.record.propose(node, candidates);
    }

    fn on_change(&mut self, change: &TreeChange) {
        self.record.change(change);
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        if self.failed.is_none() {
            self.failed = self.release(certain(&level.beam)).err();
            self.tell_new();
        }
        // What follows a stop string is not delivered, and a failure cannot be mended.
        if self.stops.matched() || self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        let end = self.end(outcome);
        (self.tell)(Update::End(end));
    }
}

/// The tokens that all sequences of a beam begin with, without one that ends them; none of an empty
/// beam.
fn certain(beam: &[BeamEntry]) -> &[Token] {
    let Some((first, others)) = beam.split_first() else { return &[] };
    let with = |other: &[Token]| first.tokens.iter().zip(other).take_while(|(one, other)| one == other).count();
    let length = others.iter().map(|entry| with(&entry.tokens)).min().unwrap_or(first.tokens.len());
    without_end(&first.tokens, first.stop).get(..length).unwrap_or(without_end(&first.tokens, first.stop))
}

fn without_end(tokens: &[Token], stop: Option<StopReason>) -> &[Token] {
    match (stop, tokens) {
        (Some(StopReason::EndOfSequence(_)), [before @ .., _]) => before,
        _ => tokens,
    }
}

/// A strategy has gone back on what all its sequences began with.
fn taken_back() -> ApiError {
    ApiError::server(500, "answer_changed", "the search went back on a part of its answer that was certain")
}
