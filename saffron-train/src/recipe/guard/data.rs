//! A guard's examples from data files.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::Token;
use saffron_core::random::below;
use saffron_mrm::text::TextTokenizer;
use saffron_search::eval::data::{Item, LeftOut};

use super::reader::Reader;
use super::{GuardRecipe, Limits};
use crate::objective::guard::GuardExample;
use crate::recipe::RecipeError;

/// Sets the draw of validation apart from others of the same seed.
const VALIDATION: u64 = 0x7661_6c69;

/// Examples, and what was left out of them.
#[derive(Debug, Default)]
pub struct GuardData {
    /// To learn from.
    pub train: Vec<GuardExample>,
    /// For validations.
    pub validation: Vec<GuardExample>,
    /// Held out, with their rows.
    pub held_out: Vec<(GuardExample, Item)>,
    /// Replies that were cut.
    pub cut_replies: usize,
    /// Prompts that were cut.
    pub cut_prompts: usize,
    /// Rows without a reply or label, or with an empty one.
    pub skipped: usize,
    /// What the formats leave out of the files.
    pub left_out: LeftOut,
    /// Held-out replies that, as far as they are kept, stand in the training data, too: left out.
    pub seen: usize,
    /// The files.
    pub files: Vec<PathBuf>,
}

impl GuardData {
    /// Reads what a recipe names.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, nothing to learn from, nothing held out.
    pub fn read(recipe: &GuardRecipe, tokenizer: &TextTokenizer) -> Result<Self, RecipeError> {
        let Limits { prompt, reply } = recipe.limits;
        if prompt == 0 || reply == 0 {
            return Err(RecipeError::Limits { prompt, reply });
        }
        let mut data = Self::default();
        let mut reader = Reader { tokenizer, limits: recipe.limits, data: &mut data };
        let known = reader.training(recipe)?;
        reader.held_out(recipe, &known)?;
        data.part(recipe.validation, recipe.run.seed);
        if data.train.is_empty() {
            return Err(RecipeError::NothingToLearn { reason: "no row has a reply and a label" });
        }
        match data.held_out.is_empty() {
            true => Err(RecipeError::NothingHeldOut),
            false => Ok(data),
        }
    }

    /// Sets examples apart for validation, drawn from those to learn from, and at most half of
    /// them.
    fn part(&mut self, count: usize, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ VALIDATION);
        for _ in 0..count.min(self.train.len() / 2) {
            let place = below(&mut rng, self.train.len());
            self.validation.push(self.train.swap_remove(place));
        }
    }
}

impl Reader<'_> {
    /// Reads the examples to learn from; gives their replies, as far as they are kept.
    fn training(&mut self, recipe: &GuardRecipe) -> Result<BTreeSet<Vec<Token>>, RecipeError> {
        let mut known = BTreeSet::new();
        for source in &recipe.labelled {
            for item in self.items(source, recipe.run.seed)? {
                let example = self.labelled(&item)?;
                known.extend(example.iter().flat_map(replies));
                self.data.train.extend(example);
            }
        }
        for source in &recipe.pairs {
            for pair in self.pairs(source, recipe.run.seed)? {
                let example = self.pair(&pair)?;
                known.extend(example.iter().flat_map(replies));
                self.data.train.extend(example);
            }
        }
        Ok(known)
    }

    /// Reads the examples that are held out, without those whose replies are known.
    fn held_out(&mut self, recipe: &GuardRecipe, known: &BTreeSet<Vec<Token>>) -> Result<(), RecipeError> {
        for item in self.items(&recipe.held_out, recipe.run.seed)? {
            let Some(example) = self.labelled(&item)? else { continue };
            match replies(&example).iter().any(|reply| known.contains(reply)) {
                true => self.data.seen += 1,
                false => self.data.held_out.push((example, item)),
            }
        }
        Ok(())
    }
}

/// The replies of an example, as far as they are kept.
fn replies(example: &GuardExample) -> Vec<Vec<Token>> {
    example.replies().iter().map(|reply| reply.reply().to_vec()).collect()
}
