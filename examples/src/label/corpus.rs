//! Replies from data files.

use anyhow::{Result, ensure};
use saffron_core::ModelError;
use saffron_search::eval::data::{Dataset, Format, Item, Label, Pair, read, read_pairs};
use saffron_train::labels::Conversation;

use super::config::DataConfig;
use crate::models::NamedGuard;

/// A prompt and a reply to it, as text.
pub(super) struct Text {
    id: String,
    set: String,
    group: Option<String>,
    label: Option<Label>,
    prompt: String,
    reply: String,
}

impl Text {
    /// The ids of a guard.
    pub(super) fn encode(&self, guard: &NamedGuard) -> Result<Conversation, ModelError> {
        Ok(Conversation {
            id: self.id.clone(),
            set: self.set.clone(),
            group: self.group.clone(),
            label: self.label,
            prompt: guard.encode(&self.prompt)?,
            prompt_text: Some(self.prompt.clone()),
            reply: guard.encode(&self.reply)?,
        })
    }
}

/// The rows of a file that are wanted.
pub(super) fn items(data: &DataConfig, seed: u64) -> Result<Vec<Item>> {
    Ok(chosen(read(&data.path, &data.format)?, data, seed).items)
}

fn chosen(set: Dataset, data: &DataConfig, seed: u64) -> Dataset {
    let set = match data.share {
        Some(share) => set.share(share),
        None => set,
    };
    let set = match data.sample {
        Some(count) => set.sample(count, seed),
        None => set,
    };
    set.take(data.limit.unwrap_or(usize::MAX))
}

/// The replies of a file: of preference pairs both, else one a row.
pub(super) fn texts(data: &DataConfig, seed: u64) -> Result<Vec<Text>> {
    let texts: Vec<Text> = match data.format {
        Format::HhRlhf | Format::RewardBench => both_replies(data, seed)?,
        _ => items(data, seed)?.into_iter().map(|item| of_item(item, &data.name)).collect(),
    };
    let replies = texts.iter().filter(|text| !text.reply.is_empty()).count();
    ensure!(replies > 0, "no row of {} has a reply; [corpus.sampled] has a policy reply", data.path.display());
    Ok(texts)
}

fn of_item(item: Item, set: &str) -> Text {
    let Item { id, prompt, reply, label, group, .. } = item;
    Text { id, set: set.to_owned(), group, label, prompt, reply: reply.unwrap_or_default() }
}

/// The pairs that are wanted, chosen by their rows as items are.
fn both_replies(data: &DataConfig, seed: u64) -> Result<Vec<Text>> {
    let pairs = read_pairs(&data.path, &data.format)?;
    let rows = pairs.pairs.iter().enumerate().map(|(row, pair)| Item::new(row.to_string(), pair.prompt())).collect();
    let rows = chosen(Dataset { items: rows, origin: pairs.origin }, data, seed).items;
    let pair = |row: &Item| row.id.parse::<usize>().map(|row| of_pair(&pairs.pairs[row], &data.name));
    Ok(rows.iter().map(pair).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Both belong to one group, so that no part of the data holds one reply to a prompt and another part the other.
fn of_pair(pair: &Pair, set: &str) -> [Text; 2] {
    [("chosen", &pair.chosen), ("rejected", &pair.rejected)].map(|(which, reply)| Text {
        id: format!("{}/{which}", pair.id),
        set: set.to_owned(),
        group: Some(pair.id.clone()),
        label: None,
        prompt: pair.prompt(),
        reply: reply.clone(),
    })
}
