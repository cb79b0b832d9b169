//! Rows of data files as a guard's examples.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::below;
use saffron_core::{Token, Vocabulary};
use saffron_mrm::text::TextTokenizer;
use saffron_search::eval::data::{Choice, Item, Label, Pair, read_chosen, read_pairs_chosen};
use saffron_search::eval::inputs::data_files;

use super::{DataRecipe, GuardData, Limits};
use crate::objective::guard::{GuardExample, GuardReply};
use crate::recipe::RecipeError;

/// Reads rows, and counts what is left out of them.
pub(super) struct Reader<'a> {
    pub(super) tokenizer: &'a TextTokenizer,
    pub(super) limits: Limits,
    pub(super) data: &'a mut GuardData,
}

impl Reader<'_> {
    /// The rows of a file that are wanted.
    pub(super) fn items(&mut self, source: &DataRecipe, seed: u64) -> Result<Vec<Item>, RecipeError> {
        let set = read_chosen(&source.path, &source.format, &source.choice(seed))?;
        self.data.files.extend(data_files(&source.path, &source.format));
        self.data.left_out += set.left_out;
        Ok(set.items)
    }

    /// The pairs of a file that are wanted. They are drawn in a way of their own, on which recorded
    /// runs depend.
    pub(super) fn pairs(&mut self, source: &DataRecipe, seed: u64) -> Result<Vec<Pair>, RecipeError> {
        let choice = source.choice(seed);
        let whole = match choice.sample {
            Some(_) => Choice { sample: None, take: None, ..choice.clone() },
            None => choice.clone(),
        };
        let set = read_pairs_chosen(&source.path, &source.format, &whole)?;
        self.data.left_out += set.left_out;
        let mut left = set.pairs;
        self.data.files.push(source.path.clone());
        let Some((count, seed)) = choice.sample.filter(|(count, _)| *count < left.len()) else {
            left.truncate(choice.take.unwrap_or(usize::MAX));
            return Ok(left);
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let wanted = count.min(choice.take.unwrap_or(usize::MAX));
        Ok((0..wanted).map(|_| left.swap_remove(below(&mut rng, left.len()))).collect())
    }

    /// A row that has a reply and a label.
    pub(super) fn labelled(&mut self, item: &Item) -> Result<Option<GuardExample>, RecipeError> {
        let Some((reply, label)) = item.reply.as_ref().zip(item.label) else {
            self.data.skipped += 1;
            return Ok(None);
        };
        let reply = self.reply(&item.prompt, reply)?;
        Ok(reply.map(|reply| GuardExample::Labelled { reply, safe: label == Label::Refused }))
    }

    /// A pair of which both replies have tokens.
    pub(super) fn pair(&mut self, pair: &Pair) -> Result<Option<GuardExample>, RecipeError> {
        let prompt = pair.prompt();
        let (better, worse) = (self.reply(&prompt, &pair.chosen)?, self.reply(&prompt, &pair.rejected)?);
        let Some((better, worse)) = better.zip(worse) else { return Ok(None) };
        Ok(Some(GuardExample::pair(better, worse)?))
    }

    fn reply(&mut self, prompt: &str, reply: &str) -> Result<Option<GuardReply>, RecipeError> {
        let ids = self.tokenizer.encode(reply)?;
        let reply = self.beginning(ids);
        if reply.is_empty() {
            self.data.skipped += 1;
            return Ok(None);
        }
        let ids = self.tokenizer.encode(prompt)?;
        let (ids, text) = self.end(ids, prompt)?;
        let reply = GuardReply::new(ids, reply)?;
        Ok(Some(match text {
            Some(text) => reply.with_prompt_text(text),
            None => reply,
        }))
    }

    /// The last tokens of a prompt, and their text. A cut inside a character leaves tokens without
    /// a text that stands for them.
    fn end(&mut self, ids: Vec<Token>, prompt: &str) -> Result<(Vec<Token>, Option<String>), RecipeError> {
        let over = ids.len().saturating_sub(self.limits.prompt);
        if over == 0 {
            return Ok((ids, Some(prompt.to_owned())));
        }
        self.data.cut_prompts += 1;
        let ids = ids[over..].to_vec();
        let text = self.tokenizer.decode(&ids)?;
        let same = self.tokenizer.encode(&text)? == ids;
        Ok((ids, same.then_some(text)))
    }

    fn beginning(&mut self, mut reply: Vec<Token>) -> Vec<Token> {
        self.data.cut_replies += usize::from(reply.len() > self.limits.reply);
        reply.truncate(self.limits.reply);
        reply
    }
}
