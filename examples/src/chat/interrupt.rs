//! Ctrl-C: the first one ends an answer, the next one the program.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use saffron_core::{Level, SearchObserver};

use crate::output::reader_is_gone;

/// Whether a search for an answer runs.
static ANSWERING: AtomicBool = AtomicBool::new(false);
/// Whether it is to end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes Ctrl-C over. It ends the program with exit code 130 while nothing is answered, and at the
/// second time in one answer: a model may not come back.
///
/// # Errors
///
/// A system without the signal, or a program that has taken it over already.
pub fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        if !ANSWERING.load(Ordering::Relaxed) || INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(())
}

/// Runs a search that Ctrl-C ends, if [`Interrupt`] observes it.
pub fn while_answering<T>(search: impl FnOnce() -> T) -> T {
    INTERRUPTED.store(false, Ordering::Relaxed);
    ANSWERING.store(true, Ordering::Relaxed);
    let found = search();
    ANSWERING.store(false, Ordering::Relaxed);
    found
}

/// Ends a search on Ctrl-C, or when nobody reads the answer any more.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt;

impl SearchObserver for Interrupt {
    fn on_level(&mut self, _level: &Level) -> ControlFlow<()> {
        let over = INTERRUPTED.load(Ordering::Relaxed) || reader_is_gone();
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
