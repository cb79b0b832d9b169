//! A guard's examples from data files.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use saffron_core::Token;
use saffron_mrm::Base;
use saffron_mrm::text::TextTokenizer;
use saffron_search::eval::data::{self, Format, Item, Label, Pair};
use saffron_train::Network;
use saffron_train::objective::guard::{GuardExample, GuardReply};

use super::config::{AdapterRecipe, DataRecipe, GuardRecipe, Limits};

/// The network that a recipe begins with. Its adapter names the base by its whole path, so that it is found from any folder.
///
/// # Errors
///
/// An adapter that does not load.
pub fn network(base: &Base, adapter: &AdapterRecipe) -> Result<Network> {
    let network = match &adapter.from {
        Some(dir) => Network::open(base, dir).with_context(|| dir.display().to_string())?,
        None => Network::fresh(base, adapter.config(), adapter.seed),
    };
    let network = network.with_base_name(std::path::absolute(base.dir())?.display().to_string());
    Ok(if adapter.bias { network } else { network.with_frozen_bias() })
}

/// Examples, and what was left out of them.
#[derive(Debug, Default)]
pub struct GuardData {
    /// To learn from.
    pub train: Vec<GuardExample>,
    /// Held out, with their rows.
    pub held_out: Vec<(GuardExample, Item)>,
    /// Replies that were cut.
    pub cut_replies: usize,
    /// Prompts that were cut.
    pub cut_prompts: usize,
    /// Rows without a reply or label, or with an empty one.
    pub skipped: usize,
    /// Held-out replies that stand in the training data, too: left out.
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
        let mut data = Self::default();
        let mut reader = Reader { tokenizer, limits: recipe.limits, data: &mut data };
        let mut known = BTreeSet::new();
        for source in &recipe.labelled {
            for item in reader.items(source, recipe.run.seed)? {
                known.extend(item.reply.clone());
                let example = reader.labelled(&item)?;
                reader.data.train.extend(example);
            }
        }
        for source in &recipe.pairs {
            for pair in reader.pairs(source)? {
                known.extend([pair.chosen.clone(), pair.rejected.clone()]);
                let example = reader.pair(&pair)?;
                reader.data.train.extend(example);
            }
        }
        for item in reader.items(&recipe.held_out, recipe.run.seed)? {
            if item.reply.as_ref().is_some_and(|reply| known.contains(reply)) {
                reader.data.seen += 1;
                continue;
            }
            let example = reader.labelled(&item)?;
            reader.data.held_out.extend(example.map(|example| (example, item)));
        }
        ensure!(!data.train.is_empty(), "there is nothing to learn from: no row has a reply and a label");
        ensure!(!data.held_out.is_empty(), "nothing is held out: no row has a label and a reply that training lacks");
        Ok(data)
    }
}

struct Reader<'a> {
    tokenizer: &'a TextTokenizer,
    limits: Limits,
    data: &'a mut GuardData,
}

impl Reader<'_> {
    fn items(&mut self, source: &DataRecipe, seed: u64) -> Result<Vec<Item>> {
        let set = data::read(&source.path, &source.format)?;
        self.data.files.push(source.path.clone());
        if let Format::GptfuzzResponses { questions } = &source.format {
            self.data.files.push(source.path.with_file_name(questions));
        }
        let set = match source.sample {
            Some(count) => set.sample(count, seed),
            None => set,
        };
        Ok(set.items)
    }

    fn pairs(&mut self, source: &DataRecipe) -> Result<Vec<Pair>> {
        let pairs = data::read_pairs(&source.path, &source.format)?.pairs;
        self.data.files.push(source.path.clone());
        Ok(pairs.into_iter().take(source.sample.unwrap_or(usize::MAX)).collect())
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
        let (prompt, reply) = (self.tokenizer.encode(prompt)?, self.tokenizer.encode(reply)?);
        let (prompt, reply) = (self.end(prompt), self.beginning(reply));
        if reply.is_empty() {
            self.data.skipped += 1;
            return Ok(None);
        }
        Ok(Some(GuardReply::new(prompt, reply)?))
    }

    fn end(&mut self, prompt: Vec<Token>) -> Vec<Token> {
        let over = prompt.len().saturating_sub(self.limits.prompt);
        self.data.cut_prompts += usize::from(over > 0);
        prompt[over..].to_vec()
    }

    fn beginning(&mut self, mut reply: Vec<Token>) -> Vec<Token> {
        self.data.cut_replies += usize::from(reply.len() > self.limits.reply);
        reply.truncate(self.limits.reply);
        reply
    }
}
