//! Preference pairs: HH-RLHF's dialogues and RewardBench's rows.

use std::ops::ControlFlow;

use serde_json::Value;

use super::chat;
use super::item::joined;
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
        Item {
            label: item.reply.is_some().then_some(Label::Complied),
            category: Some(self.subset.clone()),
            group: Some(self.subset),
            ..item
        }
    }

    pub(super) fn pair(self) -> Pair {
        let dialogue = vec![Turn { speaker: Speaker::Human, text: self.prompt.trim().to_owned() }];
        Pair { id: self.id, dialogue, chosen: self.chosen, rejected: self.rejected }
    }
}

pub(super) fn reward_bench(source: &Source, each: Row<'_, Comparison>) -> Result<(), DataErrorKind> {
    let filter = refusals();
    let columns = vec!["prompt", "chosen", "rejected", "subset", "id"];
    let wanted = Wanted { text: "prompt", columns, ..Wanted::default() };
    records(source, &wanted, &mut |record| match filter.keeps(&record)? {
        true => each(comparison(&record)?, record.place),
        false => {
            source.left_out.filtered();
            Ok(ControlFlow::Continue(()))
        }
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
    let wanted = Wanted { text: "chosen", columns: vec!["chosen", "rejected"], ..Wanted::default() };
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

/// Shows TRL's preferences: `chosen` and `rejected`, texts or chat messages, and perhaps `prompt`.
pub(super) fn preferences(source: &Source, each: Row<'_, Pair>) -> Result<(), DataErrorKind> {
    let wanted =
        Wanted { text: "chosen", columns: vec!["chosen", "rejected"], optional: Some("prompt"), ..Wanted::default() };
    records(source, &wanted, &mut |record| each(preference(&record)?, record.place))
}

fn preference(record: &Record) -> Result<Pair, DataErrorKind> {
    let replies = match (record.value_of("chosen")?, record.value_of("rejected")?) {
        (Value::String(_), Value::String(_)) => return completions(record),
        (Value::Array(chosen), Value::Array(rejected)) => [("chosen", chosen), ("rejected", rejected)],
        (chosen, rejected) => {
            let (column, found) = if chosen.is_array() { ("rejected", rejected) } else { ("chosen", chosen) };
            return Err(record.wrong_type(column, "text, or chat messages in both columns", found));
        }
    };
    let [chosen, rejected] = replies.map(|(column, messages)| last_reply(record, column, messages));
    let (chosen, rejected) = (chosen?, rejected?);
    if chosen.0 != rejected.0 {
        return Err(record.malformed("`chosen` and `rejected` answer different dialogues"));
    }
    let dialogue = match (record.has("prompt"), chosen.0) {
        (false, shared) => shared,
        (true, shared) => with_prompt(record, shared)?,
    };
    checked_pair(record, dialogue, chosen.1, rejected.1)
}

/// Plain texts: replies to `prompt`, or, without one, whole dialogues as HH-RLHF writes them.
fn completions(record: &Record) -> Result<Pair, DataErrorKind> {
    if !record.has("prompt") {
        return dialogues(record);
    }
    let (chosen, rejected) = (record.text("chosen")?.trim().to_owned(), record.text("rejected")?.trim().to_owned());
    checked_pair(record, with_prompt(record, Vec::new())?, chosen, rejected)
}

/// The dialogue that `prompt` says, which must be the one that the replies have before them.
fn with_prompt(record: &Record, shared: Vec<Turn>) -> Result<Vec<Turn>, DataErrorKind> {
    let prompt = match record.value_of("prompt")? {
        Value::Array(messages) => chat::turns(record, "prompt", messages, false)?.0,
        _ => vec![Turn { speaker: Speaker::Human, text: record.prompt("prompt")?.trim().to_owned() }],
    };
    match shared.is_empty() {
        true => Ok(prompt),
        // A prompt in words is the first or the last question of the dialogue.
        false
            if prompt == shared
                || matches!(&*prompt, [one] if shared.first() == Some(one) || shared.last() == Some(one)) =>
        {
            Ok(shared)
        }
        false => Err(record.malformed("`prompt` is not what `chosen` and `rejected` answer")),
    }
}

/// Parts a dialogue before its last turn, which must be an assistant's.
fn last_reply(record: &Record, column: &str, messages: &[Value]) -> Result<(Vec<Turn>, String), DataErrorKind> {
    let (mut turns, _) = chat::turns(record, column, messages, false)?;
    match turns.pop() {
        Some(Turn { speaker: Speaker::Assistant, text }) => Ok((turns, text)),
        _ => Err(record.malformed(format!("column `{column}`: expected messages that end with an assistant's"))),
    }
}

fn checked_pair(record: &Record, dialogue: Vec<Turn>, chosen: String, rejected: String) -> Result<Pair, DataErrorKind> {
    match dialogue.iter().all(|turn| turn.text.is_empty()) {
        true => Err(DataErrorKind::EmptyPrompt { place: record.place }),
        false => Ok(Pair { id: record.index.to_string(), dialogue, chosen, rejected }),
    }
}

/// Shows PKU-SafeRLHF's pairs: two replies, and which of them is safer.
pub(super) fn pku_safe_rlhf(source: &Source, each: Row<'_, Pair>) -> Result<(), DataErrorKind> {
    let columns = vec!["prompt", "response_0", "response_1", "safer_response_id"];
    let wanted = Wanted { text: "prompt", columns, ..Wanted::default() };
    records(source, &wanted, &mut |record| {
        let replies = [record.text("response_0")?.to_owned(), record.text("response_1")?.to_owned()];
        let [first, second] = replies;
        let (chosen, rejected) = match record.scalar("safer_response_id")?.as_str() {
            "0" => (first, second),
            "1" => (second, first),
            other => {
                return Err(record.malformed(format!("column `safer_response_id`: expected 0 or 1, found {other:?}")));
            }
        };
        let turn = Turn { speaker: Speaker::Human, text: record.prompt("prompt")?.trim().to_owned() };
        each(checked_pair(&record, vec![turn], chosen, rejected)?, record.place)
    })
}

/// Shows the transcripts of Anthropic's red team: the dialogue up to the last human turn, and the
/// assistant's reply to that.
pub(super) fn red_team(source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
    let mut wanted = Wanted { text: "transcript", columns: vec!["transcript"], ..Wanted::default() };
    // The published file is called `.jsonl.gz` and is one JSON array.
    wanted.layout.array = true;
    records(source, &wanted, &mut |record| {
        let turns = match turns(&record, record.text("transcript")?) {
            Err(DataErrorKind::EmptyPrompt { .. }) => Vec::new(),
            turns => turns?,
        };
        let behind = turns.iter().rposition(|turn| turn.speaker == Speaker::Human).map_or(0, |last| last + 1);
        let (asked, replies) = turns.split_at(behind);
        if asked.iter().all(|turn| turn.text.is_empty()) {
            source.left_out.empty();
            return Ok(ControlFlow::Continue(()));
        }
        let replies: Vec<&str> = replies.iter().map(|turn| turn.text.as_str()).collect();
        each(Item::new(record.index.to_string(), joined(asked)).with_reply(replies.join("\n\n")), record.place)
    })
}

fn mark(text: &str) -> Option<(Speaker, &str)> {
    let human = text.strip_prefix(HUMAN).map(|rest| (Speaker::Human, rest));
    human.or_else(|| text.strip_prefix(ASSISTANT).map(|rest| (Speaker::Assistant, rest)))
}
