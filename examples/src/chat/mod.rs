//! The terminal side of a conversation: questions read line by line, Ctrl-C, answers shown as they
//! grow.

mod interrupt;
mod questions;
mod screen;
mod talk;

pub use interrupt::{Interrupt, listen, while_answering};
pub use questions::{LONGEST, LineError, Questions};
pub use screen::Screen;
pub use talk::{is_final, talk};
