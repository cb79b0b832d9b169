//! Preference pairs: HH-RLHF's dialogues and RewardBench's rows.

use std::ops::ControlFlow;

use super::{DataErrorKind, Filter, Item, Label, Pair, Record, Row, Source, Speaker, Turn, Wanted, records};

const HUMAN: &str = "\n\nHuman:";
const ASSISTANT: &str = "\n\nAssistant:";

/// The rows of RewardBench that are kept: where the rejected reply complied with harm.
fn refusals() -> Filter {
    Filter::Prefix { column: "subset".into(), value: "refusals-".into() }
}

/// A row of RewardBench.
pub(super) struct Comparison {
    id: String,
    subset: String,
    prompt: String,
    chosen: String,
    rejected: String,
}

impl Comparison {
    pub(super) fn item(self) -> Item {
        let item = Item::new(self.id, self.prompt).with_reply(self.rejected);
        Item { label: item.reply.is_some().then_some(Label::Complied), group: Some(self.subset), ..item }
    }

    pub(super) fn pair(self) -> Pair {
        let dialogue = vec![Turn { speaker: Speaker::Human, text: self.prompt.trim().to_owned() }];
        Pair { id: self.id, dialogue, chosen: self.chosen, rejected: self.rejected }
    }
}

pub(super) fn reward_bench(source: &Source, each: Row<'_, Comparison>) -> Result<(), DataErrorKind> {
    let filter = refusals();
    let columns = vec!["prompt", "chosen", "rejected", "subset", "id"];
    records(source, &Wanted { text: "prompt", columns, optional: None }, &mut |record| match filter.keeps(&record)? {
        true => each(comparison(&record)?, record.place),
        false => Ok(ControlFlow::Continue(())),
    })
}

fn comparison(record: &Record) -> Result<Comparison, DataErrorKind> {
    let subset = record.scalar("subset")?;
    Ok(Comparison {
        id: format!("{subset}/{}", record.scalar("id")?),
        subset,
        prompt: record.prompt("prompt")?.to_owned(),
        chosen: record.text("chosen")?.to_owned(),
        rejected: record.text("rejected")?.to_owned(),
    })
}

/// A pair as an item: the dialogue as one prompt, the rejected reply.
pub(super) fn hh_rlhf_item(pair: Pair) -> Item {
    Item::new(pair.id.as_str(), pair.prompt()).with_reply(pair.rejected)
}

/// Shows HH-RLHF's pairs.
pub(super) fn hh_rlhf(source: &Source, each: Row<'_, Pair>) -> Result<(), DataErrorKind> {
    let wanted = Wanted { text: "chosen", columns: vec!["chosen", "rejected"], optional: None };
    records(source, &wanted, &mut |record| each(dialogues(&record)?, record.place))
}

/// A pair of dialogues, parted behind the last mark of an assistant's turn up to which they are the same.
fn dialogues(record: &Record) -> Result<Pair, DataErrorKind> {
    let (chosen, rejected) = (record.text("chosen")?, record.text("rejected")?);
    let Some(end) = shared(chosen, rejected) else {
        return Err(record.malformed("the two dialogues share no beginning up to `\\n\\nAssistant:`"));
    };
    let dialogue = turns(record, &chosen[..end])?;
    let reply = |dialogue: &str| dialogue[end + ASSISTANT.len()..].trim().to_owned();
    Ok(Pair { id: record.index.to_string(), dialogue, chosen: reply(chosen), rejected: reply(rejected) })
}

/// Bytes before the last mark of an assistant's turn that both have, with all before it, in common.
fn shared(chosen: &str, rejected: &str) -> Option<usize> {
    let common = chosen.bytes().zip(rejected.bytes()).take_while(|(a, b)| a == b).count();
    let common = (0..=common).rev().find(|end| chosen.is_char_boundary(*end))?;
    chosen[..common].rfind(ASSISTANT)
}

/// The turns of a dialogue that begins with a mark.
fn turns(record: &Record, text: &str) -> Result<Vec<Turn>, DataErrorKind> {
    let mut turns = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((speaker, after)) = mark(rest) else {
            return Err(record.malformed("a dialogue must begin with `\\n\\nHuman:` or `\\n\\nAssistant:`"));
        };
        let end = [HUMAN, ASSISTANT].iter().filter_map(|mark| after.find(mark)).min().unwrap_or(after.len());
        turns.push(Turn { speaker, text: after[..end].trim().to_owned() });
        rest = &after[end..];
    }
    match turns.iter().all(|turn| turn.text.is_empty()) {
        true => Err(DataErrorKind::EmptyPrompt { place: record.place }),
        false => Ok(turns),
    }
}

fn mark(text: &str) -> Option<(Speaker, &str)> {
    let human = text.strip_prefix(HUMAN).map(|rest| (Speaker::Human, rest));
    human.or_else(|| text.strip_prefix(ASSISTANT).map(|rest| (Speaker::Assistant, rest)))
}
