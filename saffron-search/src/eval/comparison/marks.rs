//! Prompts that spell the words by which the policy's layout marks turns.

use std::collections::BTreeSet;
use std::fmt;

/// How many prompts are named.
const NAMED: usize = 3;

/// Collects prompts that spell marks of the policy's layout, for a [`MarksNote`].
#[derive(Clone, Debug, Default)]
pub struct SpelledMarks {
    prompts: Vec<String>,
    marks: BTreeSet<String>,
}

/// Prompts that spell marks which the policy's layout writes as plain text. To the model a turn
/// begins or ends there, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MarksNote {
    /// How many prompts.
    pub prompts: usize,
    /// The names in the records of the first few.
    pub first: Vec<String>,
    /// The marks that they spell, sorted.
    pub marks: Vec<String>,
}

impl SpelledMarks {
    /// Takes note of a prompt if it spells marks, as
    /// [`ComparedPolicy::spelled_marks`](crate::eval::models::ComparedPolicy::spelled_marks) tells
    /// them.
    pub fn add(&mut self, id: &str, marks: Vec<String>) {
        if !marks.is_empty() {
            self.prompts.push(id.to_owned());
            self.marks.extend(marks);
        }
    }

    /// What there is to say; `None` if no prompt spells a mark.
    #[must_use]
    pub fn note(&self) -> Option<MarksNote> {
        let first = self.prompts.iter().take(NAMED).cloned().collect();
        let note = MarksNote { prompts: self.prompts.len(), first, marks: self.marks.iter().cloned().collect() };
        (note.prompts > 0).then_some(note)
    }
}

impl fmt::Display for MarksNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prompts, first, marks } = self;
        let (marks, named) = (marks.join(", "), first.join(", "));
        let more = if *prompts > first.len() { ", …" } else { "" };
        let (noun, verb) = if *prompts == 1 { ("prompt", "spells") } else { ("prompts", "spell") };
        write!(f, "{prompts} {noun} ({named}{more}) {verb} {marks}, which the policy's layout writes as plain text: ")?;
        f.write_str("to the model a turn begins or ends there")
    }
}
