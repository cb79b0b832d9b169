//! A guard's examples from data files.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use saffron_core::random::below;
use saffron_core::{ModelName, Token, Vocabulary};
use saffron_mrm::Base;
use saffron_mrm::text::TextTokenizer;
use saffron_search::eval::data::{self, Item, Label, Pair};
use saffron_train::Network;
use saffron_train::objective::guard::{GuardExample, GuardReply};

use crate::compare::data_files;
use crate::models::base_name;

use super::config::{AdapterRecipe, DataRecipe, GuardRecipe, Limits};

/// Sets the draw of validation apart from others of the same seed.
const VALIDATION: u64 = 0x7661_6c69;

/// The network that a recipe begins with, on a base of this name. The adapter calls it so, unless
/// the recipe says otherwise.
///
/// # Errors
///
/// An adapter that does not load, or that the base has no layers for.
pub fn network(base: &Base, name: &ModelName, adapter: &AdapterRecipe) -> Result<Network> {
    adapter.check(base.decoder().config())?;
    let network = match &adapter.from {
        Some(dir) => Network::open(base, dir).with_context(|| dir.display().to_string())?,
        None => Network::fresh(base, adapter.config(), adapter.seed)?,
    };
    let name = match &adapter.base_name {
        Some(name) => name.clone(),
        None => base_name(name)?,
    };
    let network = network.with_base_name(name);
    Ok(if adapter.bias { network } else { network.with_frozen_bias() })
}

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
    pub fn read(recipe: &GuardRecipe, tokenizer: &TextTokenizer) -> Result<Self> {
        let Limits { prompt, reply } = recipe.limits;
        ensure!(
            prompt > 0 && reply > 0,
            "limits: prompt and reply must be at least 1 token, found {prompt} and {reply}"
        );
        let mut data = Self::default();
        let mut reader = Reader { tokenizer, limits: recipe.limits, data: &mut data };
        let mut known = BTreeSet::new();
        for source in &recipe.labelled {
            for item in reader.items(source, recipe.run.seed)? {
                let example = reader.labelled(&item)?;
                known.extend(example.iter().flat_map(replies));
                reader.data.train.extend(example);
            }
        }
        for source in &recipe.pairs {
            for pair in reader.pairs(source, recipe.run.seed)? {
                let example = reader.pair(&pair)?;
                known.extend(example.iter().flat_map(replies));
                reader.data.train.extend(example);
            }
        }
        for item in reader.items(&recipe.held_out, recipe.run.seed)? {
            let Some(example) = reader.labelled(&item)? else { continue };
            match replies(&example).iter().any(|reply| known.contains(reply)) {
                true => reader.data.seen += 1,
                false => reader.data.held_out.push((example, item)),
            }
        }
        data.part(recipe.validation, recipe.run.seed);
        ensure!(!data.train.is_empty(), "there is nothing to learn from: no row has a reply and a label");
        ensure!(!data.held_out.is_empty(), "nothing is held out: no row has a label and a reply that training lacks");
        Ok(data)
    }
}

impl GuardData {
    /// Sets examples apart for validation, drawn from those to learn from, and at most half of them.
    fn part(&mut self, count: usize, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ VALIDATION);
        for _ in 0..count.min(self.train.len() / 2) {
            let place = below(&mut rng, self.train.len());
            self.validation.push(self.train.swap_remove(place));
        }
    }
}

/// The replies of an example, as far as they are kept.
fn replies(example: &GuardExample) -> Vec<Vec<Token>> {
    example.replies().iter().map(|reply| reply.reply().to_vec()).collect()
}

struct Reader<'a> {
    tokenizer: &'a TextTokenizer,
    limits: Limits,
    data: &'a mut GuardData,
}

impl Reader<'_> {
    fn items(&mut self, source: &DataRecipe, seed: u64) -> Result<Vec<Item>> {
        let set = data::read(&source.path, &source.format)?;
        self.data.files.extend(data_files(&source.path, &source.format));
        let set = match source.share {
            Some(share) => set.share(share),
            None => set,
        };
        let set = match source.sample {
            Some(count) => set.sample(count, seed),
            None => set,
        };
        Ok(set.items)
    }

    fn pairs(&mut self, source: &DataRecipe, seed: u64) -> Result<Vec<Pair>> {
        let mut pairs = data::read_pairs(&source.path, &source.format)?.pairs;
        pairs.retain(|pair| source.share.is_none_or(|share| share.has(&pair.prompt())));
        self.data.files.push(source.path.clone());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut left = pairs;
        let count = source.sample.unwrap_or(left.len()).min(left.len());
        match count == left.len() {
            true => Ok(left),
            false => Ok((0..count).map(|_| left.swap_remove(below(&mut rng, left.len()))).collect()),
        }
    }

    fn labelled(&mut self, item: &Item) -> Result<Option<GuardExample>> {
        let Some((reply, label)) = item.reply.as_ref().zip(item.label) else {
            self.data.skipped += 1;
            return Ok(None);
        };
        let reply = self.reply(&item.prompt, reply)?;
        Ok(reply.map(|reply| GuardExample::Labelled { reply, safe: label == Label::Refused }))
    }

    fn pair(&mut self, pair: &Pair) -> Result<Option<GuardExample>> {
        let prompt = pair.prompt();
        let (better, worse) = (self.reply(&prompt, &pair.chosen)?, self.reply(&prompt, &pair.rejected)?);
        let Some((better, worse)) = better.zip(worse) else { return Ok(None) };
        Ok(Some(GuardExample::pair(better, worse)?))
    }

    fn reply(&mut self, prompt: &str, reply: &str) -> Result<Option<GuardReply>> {
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
    fn end(&mut self, ids: Vec<Token>, prompt: &str) -> Result<(Vec<Token>, Option<String>)> {
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
