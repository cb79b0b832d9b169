//! Chat messages: lists of `role` and `content`, or of `from` and `value`.

use serde_json::Value;

use super::item::{Speaker, Turn, joined};
use super::{DataErrorKind, Record};

/// A dialogue as one prompt, with what an assistant answers to it.
#[derive(Debug)]
pub(super) struct Asked {
    /// All turns up to the last one of a user.
    pub(super) prompt: String,
    /// The assistant's turn behind them.
    pub(super) reply: Option<String>,
}

/// The turns of a list of messages, and how many system messages were among them.
pub(super) fn turns(
    record: &Record,
    column: &str,
    messages: &[Value],
    drop_system: bool,
) -> Result<(Vec<Turn>, usize), DataErrorKind> {
    let (mut turns, mut dropped) = (Vec::new(), 0);
    for (place, message) in messages.iter().enumerate() {
        let fault = |what: String| record.malformed(format!("column `{column}`, message {}: {what}", place + 1));
        let (role, text) = parts(message).map_err(&fault)?;
        let speaker = match role {
            "user" | "human" => Speaker::Human,
            "assistant" | "gpt" | "model" => Speaker::Assistant,
            "system" if drop_system => {
                dropped += 1;
                continue;
            }
            "system" => return Err(fault(SYSTEM.to_owned())),
            other => return Err(fault(format!("expected the role {ROLES}, found {other:?}"))),
        };
        turns.push(Turn { speaker, text: text.trim().to_owned() });
    }
    Ok((turns, dropped))
}

const ROLES: &str = "`user`, `human`, `assistant`, `gpt`, `model` or `system`";
const SYSTEM: &str = "a system message is no part of a prompt: leave it out by `system = \"drop\"`, and give the policy one by \
                      its own `system`";

/// Who says what in a message.
fn parts(message: &Value) -> Result<(&str, &str), String> {
    let pair = |role: &str, text: &str| Some((message.get(role)?, message.get(text)?));
    let found = pair("role", "content").or_else(|| pair("from", "value"));
    let (role, text) = found.ok_or("expected `role` and `content`, or `from` and `value`")?;
    match (role.as_str(), text.as_str()) {
        (Some(role), Some(text)) => Ok((role, text)),
        _ => Err(String::from("expected text as role and as content")),
    }
}

/// Parts a dialogue behind its last turn of a user. What follows must be one turn at most.
pub(super) fn asked(record: &Record, column: &str, turns: &[Turn]) -> Result<Asked, DataErrorKind> {
    let Some(last) = turns.iter().rposition(|turn| turn.speaker == Speaker::Human) else {
        return Err(DataErrorKind::EmptyPrompt { place: record.place });
    };
    let (prompt, replies) = turns.split_at(last + 1);
    if prompt.iter().all(|turn| turn.text.is_empty()) {
        return Err(DataErrorKind::EmptyPrompt { place: record.place });
    }
    let reply = match replies {
        [] => None,
        [reply] => Some(reply.text.clone()).filter(|text| !text.is_empty()),
        more => {
            let reason =
                format!("column `{column}`: {} messages of an assistant in a row end the dialogue", more.len());
            return Err(record.malformed(reason));
        }
    };
    Ok(Asked { prompt: joined(prompt), reply })
}
