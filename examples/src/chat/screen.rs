//! An answer on standard output while it grows.

use anyhow::Result;
use saffron_core::{Outcome, StopReason};

use crate::output::{OutputError, chain, line, partial, piece, reader_is_gone, say};

/// Shows one answer. What cannot be written is kept until the end of the answer.
#[derive(Debug, Default)]
pub struct Screen {
    begun: bool,
    failed: Option<OutputError>,
}

impl Screen {
    /// Shows a piece of text.
    pub fn show(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = piece(text).err();
            self.begun = true;
        }
    }

    /// The outcome of a search. Of a search that failed half-way it is the best so far, and the
    /// error is shown.
    ///
    /// # Errors
    ///
    /// Those of a search that has nothing to show.
    pub fn kept(self, found: Result<Outcome>) -> Result<(Self, Outcome)> {
        let error = match found {
            Ok(outcome) => return Ok((self, outcome)),
            Err(error) => error,
        };
        match partial(&error).filter(|outcome| !outcome.best.tokens.is_empty()) {
            Some(outcome) => {
                say(format_args!("\n{}", chain(&error)));
                Ok((self, outcome.clone()))
            }
            None => {
                self.break_off()?;
                Err(error)
            }
        }
    }

    /// Ends the answer: adds what was not shown of it. An answer that does not begin with what was
    /// shown follows as a whole, on a line of its own.
    ///
    /// # Errors
    ///
    /// Whatever kept a part of it from being written.
    pub fn end(self, shown: &str, answer: &str, stop: StopReason) -> Result<()> {
        match (self.failed, answer.strip_prefix(shown)) {
            (Some(error), _) => return Err(error.into()),
            (None, Some(rest)) => line(rest)?,
            (None, None) => line(format_args!("\n{answer}"))?,
        }
        if stop == StopReason::Observer && !reader_is_gone() {
            say("(ended early)");
        }
        Ok(())
    }

    /// Ends the line of an answer that broke off, if it had begun.
    fn break_off(self) -> Result<(), OutputError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.begun => line(""),
            None => Ok(()),
        }
    }
}
