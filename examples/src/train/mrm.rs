//! Samples from token rewards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use saffron_core::PromptLayout;
use saffron_train::Sample;
use saffron_train::labels::{self, TokenRewards};

use super::config::MrmRecipe;

/// Samples, parted by prompt.
#[derive(Debug, Default)]
pub struct MrmData {
    /// To learn from.
    pub train: Vec<Sample>,
    /// Held out.
    pub held_out: Vec<Sample>,
    /// Replies of which something was cut off to keep within the most tokens.
    pub cut: usize,
    /// Replies of which nothing was left.
    pub skipped: usize,
    /// The files.
    pub files: Vec<PathBuf>,
}

impl MrmData {
    /// Reads what a recipe names. All replies to a prompt, or of a group where records have one, are held out together or not at all.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, records that do not fit the vocabulary, nothing to learn from.
    pub fn read(recipe: &MrmRecipe, layout: &PromptLayout, vocab_size: usize) -> Result<Self> {
        ensure!((0.0..1.0).contains(&recipe.held_out), "held_out: expected 0 to below 1, found {}", recipe.held_out);
        let mut data = Self::default();
        for path in &recipe.labels {
            for record in records(path).with_context(|| path.display().to_string())? {
                record.check(vocab_size).with_context(|| path.display().to_string())?;
                data.add(&record, recipe, layout)?;
            }
            data.files.push(file(path));
        }
        ensure!(!data.train.is_empty(), "there is nothing to learn from: no reply has a token with a reward");
        Ok(data)
    }

    fn add(&mut self, record: &TokenRewards, recipe: &MrmRecipe, layout: &PromptLayout) -> Result<()> {
        let Some(sample) = record.sample(layout, recipe.max_tokens)? else {
            self.skipped += 1;
            return Ok(());
        };
        self.cut += usize::from(sample.rewards().len() < record.reply.len() || record.cut > 0);
        let side = if held_out(record, recipe) { &mut self.held_out } else { &mut self.train };
        side.push(sample);
        Ok(())
    }
}

/// Whether a record's prompt falls among those held out: a share of them, chosen by checksum.
fn held_out(record: &TokenRewards, recipe: &MrmRecipe) -> bool {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&recipe.run.seed.to_le_bytes());
    match &record.group {
        Some(group) => sum.update(group.as_bytes()),
        None => record.prompt.iter().for_each(|token| sum.update(&token.to_le_bytes())),
    }
    f64::from(sum.finalize()) < recipe.held_out * f64::from(u32::MAX)
}

fn records(path: &Path) -> Result<Vec<TokenRewards>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        _ if path.is_dir() => Ok(labels::read(path)?.1),
        Some("parquet") => Ok(labels::parquet::read(path)?.1),
        _ => bail!("expected a directory of `label`, or a .parquet file that it wrote"),
    }
}

/// The file that a fingerprint is taken of.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("labels.jsonl") } else { path.to_path_buf() }
}
