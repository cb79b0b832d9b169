//! Samples from token rewards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use saffron_core::ContextLayout;
use saffron_train::Sample;
use saffron_train::labels::{self, TokenRewards};

use super::config::MrmRecipe;

/// Samples, parted by prompt.
#[derive(Debug, Default)]
pub struct MrmData {
    /// To learn from.
    pub train: Vec<Sample>,
    /// For validations.
    pub validation: Vec<Sample>,
    /// Held out for the report.
    pub held_out: Vec<Sample>,
    /// Replies of which something was cut off to keep within the most tokens.
    pub cut: usize,
    /// Replies of which nothing was left.
    pub skipped: usize,
    /// Whether prompts of text are encoded together with their layout.
    pub together: bool,
    /// The files.
    pub files: Vec<PathBuf>,
}

impl MrmData {
    /// Reads what a recipe names. All replies to a prompt are on one side.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, records that do not fit the vocabulary, nothing to learn from.
    pub fn read(recipe: &MrmRecipe, layout: &ContextLayout, vocab_size: usize) -> Result<Self> {
        let apart = recipe.held_out + recipe.validation;
        let shares = recipe.held_out >= 0.0 && recipe.validation >= 0.0 && apart < 1.0;
        ensure!(shares, "held_out and validation: expected shares of less than 1 together, found {apart}");
        let mut data = Self::default();
        for path in &recipe.labels {
            for record in records(path, vocab_size).with_context(|| path.display().to_string())? {
                record.check(vocab_size).with_context(|| path.display().to_string())?;
                data.together |= record.prompt_text.is_some() && layout.text().is_some();
                data.add(&record, recipe, layout)?;
            }
            data.files.push(file(path));
        }
        ensure!(!data.train.is_empty(), "there is nothing to learn from: no reply has a token with a reward");
        Ok(data)
    }

    fn add(&mut self, record: &TokenRewards, recipe: &MrmRecipe, layout: &ContextLayout) -> Result<()> {
        let Some(sample) = record.sample(layout, recipe.max_tokens)? else {
            self.skipped += 1;
            return Ok(());
        };
        self.cut += usize::from(sample.rewards().len() < record.reply.len() || record.cut > 0);
        let place = place(record, recipe.run.seed);
        let side = match place {
            _ if place < recipe.held_out => &mut self.held_out,
            _ if place < recipe.held_out + recipe.validation => &mut self.validation,
            _ => &mut self.train,
        };
        side.push(sample);
        Ok(())
    }
}

/// Where a record's prompt falls, from 0 to 1, by checksum.
fn place(record: &TokenRewards, seed: u64) -> f64 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&seed.to_le_bytes());
    record.prompt.iter().for_each(|token| sum.update(&token.to_le_bytes()));
    f64::from(sum.finalize()) / 2f64.powi(32)
}

/// The records of a labelling that is done, over the model's vocabulary.
fn records(path: &Path, vocab_size: usize) -> Result<Vec<TokenRewards>> {
    let done = path.join("summary.json").is_file();
    let (manifest, records) = match path.extension().and_then(|extension| extension.to_str()) {
        _ if path.is_dir() && done => labels::read(path)?,
        _ if path.is_dir() => bail!("no summary.json: `label` has not finished here; the same command goes on"),
        Some("parquet") => labels::parquet::read(path)?,
        _ => bail!("expected a directory of `label`, or a .parquet file that it wrote"),
    };
    let found = &manifest.settings["vocab_size"];
    ensure!(found == &serde_json::Value::from(vocab_size), "expected rewards of {vocab_size} token ids, found {found}");
    Ok(records)
}

/// The file that a fingerprint is taken of.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("labels.jsonl") } else { path.to_path_buf() }
}
