//! Prompts that spell what a chat template writes as plain text: the model cannot tell it from the
//! template's own.

use super::opener::Opener;

/// Prompts that are named in a note.
const NAMED: usize = 3;

impl Opener {
    /// Says which turns' marks a prompt spells, where the policy's chat template writes them as
    /// plain text.
    pub fn warn_of_marks(&mut self, prompt: &str) {
        let spelled = self.spelled(prompt);
        if !spelled.is_empty() {
            self.note_once(format!(
                "the prompt spells {spelled}, which the chat template writes as plain text: to the model a turn begins or \
                 ends there"
            ));
        }
    }

    /// Says how many of some prompts spell such marks, and which the first ones are, by their names.
    pub fn warn_of_marks_among<'a>(&mut self, prompts: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let (mut all, mut spelling, mut named) = (0_usize, 0_usize, Vec::new());
        for (name, prompt) in prompts {
            all += 1;
            let spelled = self.spelled(prompt);
            if !spelled.is_empty() {
                spelling += 1;
                if named.len() < NAMED {
                    named.push(format!("{name} ({spelled})"));
                }
            }
        }
        if spelling > 0 {
            let more = if spelling > named.len() { ", …" } else { "" };
            self.note_once(format!(
                "{spelling} of {all} prompts spell marks that the chat template writes as plain text: {}{more}; to the \
                 model a turn begins or ends there",
                named.join(", ")
            ));
        }
    }

    /// The marks that a prompt spells, in words.
    fn spelled(&self, prompt: &str) -> String {
        self.layout().map(|layout| layout.spells_markers(prompt).join(", ")).unwrap_or_default()
    }
}
