//! The world's files: prompts that are in the repository, and data that a recipe makes anew.

use std::path::Path;

use anyhow::{Context, Result};

use super::corpus::Dialogue;
use super::request::Kind;
use super::world::World;
use crate::prompt::save;

/// Answers that a guard learns from.
const JUDGED: usize = 6_000;

/// Answers that it is reported on.
const HELD_OUT: usize = 1_000;

/// Requests of each kind whose answers are labelled for the multifurcation reward model.
const LABELLED: usize = 400;

impl World {
    /// Writes the prompts that nothing is learnt from: `{development,test}_{mischief,chores}.jsonl`.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write_prompts(&self, dir: &Path) -> Result<()> {
        for (kind, name) in [(Kind::Mischief, "mischief"), (Kind::Chore, "chores")] {
            let parts = self.parts(kind);
            for (part, requests) in [("development", &parts.development), ("test", &parts.test)] {
                let asked = self.asked(requests, &format!("{part}-{name}"));
                write(&dir.join(format!("{part}_{name}.jsonl")), &asked)?;
            }
        }
        Ok(())
    }

    /// Writes what guard and multifurcation reward model are made from: `judged.jsonl` and `held_out.jsonl`, answers with labels;
    /// `mischief.jsonl` and `chores.jsonl`, requests that a policy is to answer.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write_data(&self, dir: &Path) -> Result<()> {
        let judged = self.judged(JUDGED + HELD_OUT);
        let (learnt, held_out) = judged.split_at(JUDGED);
        write(&dir.join("judged.jsonl"), learnt)?;
        write(&dir.join("held_out.jsonl"), held_out)?;
        for (kind, name) in [(Kind::Mischief, "mischief"), (Kind::Chore, "chores")] {
            let learning = self.parts(kind).learning;
            let step = learning.len().div_ceil(LABELLED).max(1);
            let requests: Vec<_> = learning.into_iter().step_by(step).collect();
            write(&dir.join(format!("{name}.jsonl")), &self.asked(&requests, name))?;
        }
        Ok(())
    }
}

/// One JSON object a line.
fn write(path: &Path, dialogues: &[Dialogue]) -> Result<()> {
    let mut text = String::new();
    for dialogue in dialogues {
        text.push_str(&serde_json::to_string(dialogue)?);
        text.push('\n');
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    save(path, text.as_bytes())
}
