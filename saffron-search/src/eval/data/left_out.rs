//! What a reader leaves out of a file because it was told to.

use std::cell::Cell;
use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Rows, and parts of rows, that were left out of what was read. A reader that stops early counts
/// up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Rows that the filter does not keep.
    pub filtered: usize,
    /// Rows without a prompt.
    pub empty: usize,
    /// System messages of dialogues.
    pub system: usize,
}

impl LeftOut {
    /// Whether nothing was left out.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for LeftOut {
    fn add_assign(&mut self, other: Self) {
        self.filtered += other.filtered;
        self.empty += other.empty;
        self.system += other.system;
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {many}")),
        };
        let parts = [
            counted(self.filtered, "row that the filter does not keep", "rows that the filter does not keep"),
            counted(self.empty, "row without a prompt", "rows without a prompt"),
            counted(self.system, "system message", "system messages"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => f.write_str("nothing was left out"),
            false => write!(f, "left out: {}", parts.join(", ")),
        }
    }
}

/// Counts what is left out while a file is read.
#[derive(Debug, Default)]
pub(crate) struct LeftOutCounts {
    filtered: Cell<usize>,
    empty: Cell<usize>,
    system: Cell<usize>,
}

impl LeftOutCounts {
    pub(crate) fn filtered(&self) {
        self.filtered.set(self.filtered.get() + 1);
    }

    pub(crate) fn empty(&self) {
        self.empty.set(self.empty.get() + 1);
    }

    pub(crate) fn system(&self, messages: usize) {
        self.system.set(self.system.get() + messages);
    }

    pub(crate) fn counted(&self) -> LeftOut {
        LeftOut { filtered: self.filtered.get(), empty: self.empty.get(), system: self.system.get() }
    }
}
