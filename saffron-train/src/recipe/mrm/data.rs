//! Samples from token rewards.

use std::path::{Path, PathBuf};

use saffron_core::{ContextLayout, TokenSet};

use super::MrmRecipe;
use crate::labels::{self, LabelError, TokenRewards};
use crate::objective::{Sample, unseen_tokens};
use crate::recipe::RecipeError;

/// Samples, parted by prompt.
#[derive(Debug, Default)]
pub struct MrmData {
    /// To learn from.
    pub train: Vec<Sample>,
    /// For validations.
    pub validation: Vec<Sample>,
    /// Held out for the report.
    pub held_out: Vec<Sample>,
    /// Replies that were cut to keep within the most tokens.
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
    pub fn read(recipe: &MrmRecipe, layout: &ContextLayout, vocab_size: usize) -> Result<Self, RecipeError> {
        let apart = recipe.held_out + recipe.validation;
        let shares = recipe.held_out >= 0.0 && recipe.validation >= 0.0 && apart < 1.0;
        if !shares {
            return Err(RecipeError::Shares { found: apart });
        }
        let mut data = Self::default();
        for path in &recipe.labels {
            let labels = |error| RecipeError::Labels { path: path.clone(), source: Box::new(error) };
            for record in records(path, vocab_size)? {
                record.check(vocab_size).map_err(labels)?;
                data.together |= record.prompt_text.is_some() && layout.text().is_some();
                data.add(&record, recipe, layout)?;
            }
            data.files.push(file(path));
        }
        match data.train.is_empty() {
            true => Err(RecipeError::NothingToLearn { reason: "no reply has a token with a reward" }),
            false => Ok(data),
        }
    }

    /// The tokens that the samples to learn from never reward, of a vocabulary of `vocab_size` ids.
    ///
    /// # Errors
    ///
    /// A token outside the vocabulary.
    pub fn unseen(&self, vocab_size: usize) -> Result<TokenSet, RecipeError> {
        Ok(unseen_tokens(&self.train, vocab_size)?)
    }

    fn add(&mut self, record: &TokenRewards, recipe: &MrmRecipe, layout: &ContextLayout) -> Result<(), RecipeError> {
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
fn records(path: &Path, vocab_size: usize) -> Result<Vec<TokenRewards>, RecipeError> {
    let failed = |error| RecipeError::Labels { path: path.to_owned(), source: Box::new(error) };
    let done = path.join("summary.json").is_file();
    let (manifest, records) = match path.extension().and_then(|extension| extension.to_str()) {
        _ if path.is_dir() && done => labels::read(path).map_err(failed)?,
        _ if path.is_dir() => return Err(RecipeError::UnfinishedLabels { path: path.to_owned() }),
        Some("parquet") => parquet(path).map_err(failed)?,
        _ => return Err(RecipeError::NoLabels { path: path.to_owned() }),
    };
    let found = &manifest.settings["vocab_size"];
    if found.as_u64() != Some(vocab_size as u64) {
        let found = found.to_string();
        return Err(RecipeError::VocabularyOfLabels { path: path.to_owned(), expected: vocab_size, found });
    }
    Ok(records)
}

type Records = (saffron_search::eval::runs::Manifest, Vec<TokenRewards>);

#[cfg(feature = "parquet")]
fn parquet(path: &Path) -> Result<Records, LabelError> {
    labels::parquet::read(path)
}

#[cfg(not(feature = "parquet"))]
fn parquet(path: &Path) -> Result<Records, LabelError> {
    Err(LabelError::WithoutParquet { path: path.to_owned() })
}

/// The file that a fingerprint is taken of.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("labels.jsonl") } else { path.to_path_buf() }
}
