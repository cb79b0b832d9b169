//! Messages of a conversation.

use serde_json::{Map, Value};

use super::error::{ApiError, shown_name};
use super::prompt::{Prompt, Speaker, Turn};

/// Roles by name; those that are not here are refused.
const ROLES: [(&str, Speaker); 4] = [
    ("system", Speaker::System),
    ("developer", Speaker::System),
    ("user", Speaker::User),
    ("assistant", Speaker::Assistant),
];

/// Reads the messages: what is to be answered, and the beginning of the reply if the last message is
/// the assistant's.
pub(super) fn read(messages: &Value, most: usize) -> Result<(Prompt, Option<String>), ApiError> {
    let Value::Array(messages) = messages else {
        return Err(ApiError::expected("messages", "an array of messages", messages));
    };
    if messages.len() > most {
        let message = format!("messages: this server takes at most {most}, found {}", messages.len());
        return Err(ApiError::invalid("too_many_messages", message).of("messages"));
    }
    let turns = messages.iter().enumerate().map(|(place, message)| turn(place, message));
    let mut turns: Vec<Turn> = turns.collect::<Result<_, _>>()?;
    let prefill = turns.pop_if(|last| last.speaker == Speaker::Assistant).map(|turn| turn.text);
    let prefill = prefill.filter(|text| !text.is_empty());
    match turns.pop() {
        Some(Turn { speaker: Speaker::User, text }) if !text.is_empty() => {
            Ok((Prompt::Chat { before: turns, question: text }, prefill))
        }
        Some(Turn { speaker: Speaker::User, .. }) => {
            Err(ApiError::invalid("empty_prompt", "the last user message has no text").of("messages"))
        }
        _ => {
            let message = "messages must end with the user's, or with an assistant's behind the user's: the \
                           beginning of the reply";
            Err(ApiError::invalid("invalid_messages", message).of("messages"))
        }
    }
}

fn turn(place: usize, message: &Value) -> Result<Turn, ApiError> {
    let at = format!("messages[{place}]");
    let Value::Object(message) = message else {
        return Err(ApiError::expected(&at, "an object with role and content", message));
    };
    for (key, value) in message.iter().filter(|(key, _)| !["role", "content"].contains(&key.as_str())) {
        refuse_key(&at, key, value)?;
    }
    let role = message.get("role").unwrap_or(&Value::Null);
    let role_at = format!("{at}.role");
    let Value::String(name) = role else {
        return Err(ApiError::expected(&role_at, "a role", role));
    };
    let Some((_, speaker)) = ROLES.iter().find(|(known, _)| known == name) else {
        let expected = ROLES.map(|(known, _)| known).join(", ");
        let message = format!("{role_at}: expected one of {expected}, found {}", shown_name(name));
        return Err(ApiError::invalid("unsupported_role", message).of(role_at));
    };
    let content = message.get("content").unwrap_or(&Value::Null);
    Ok(Turn { speaker: *speaker, text: text(&format!("{at}.content"), content)? })
}

/// Messages that a server has sent come back with keys that say nothing. A key that says something
/// is refused: it would be lost.
fn refuse_key(at: &str, key: &str, value: &Value) -> Result<(), ApiError> {
    let empty = match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    if empty {
        return Ok(());
    }
    let message = format!("{at}: {} is not supported, only role and content are", shown_name(key));
    Err(ApiError::invalid("unsupported_parameter", message).of(at))
}

/// The text of a content: a string, or parts of text one behind another.
fn text(at: &str, content: &Value) -> Result<String, ApiError> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            parts.iter().enumerate().map(|(place, value)| part(&format!("{at}[{place}]"), value)).collect()
        }
        other => Err(ApiError::expected(at, "a string or an array of text parts", other)),
    }
}

fn part<'a>(at: &str, part: &'a Value) -> Result<&'a str, ApiError> {
    let field = |part: &'a Map<String, Value>, key: &str| part.get(key).and_then(Value::as_str);
    let Value::Object(fields) = part else {
        return Err(ApiError::expected(at, "a part such as {\"type\": \"text\", \"text\": …}", part));
    };
    match (field(fields, "type"), field(fields, "text")) {
        (Some("text"), Some(text)) if fields.len() == 2 => Ok(text),
        (Some("text"), _) => {
            let message = format!("{at}: a text part has type and text, which is a string, and nothing else");
            Err(ApiError::invalid("invalid_value", message).of(at))
        }
        (Some(kind), _) => {
            let message = format!("{at}: parts of type {} are not supported, only text is", shown_name(kind));
            Err(ApiError::invalid("unsupported_content", message).of(at))
        }
        (None, _) => Err(ApiError::invalid("invalid_value", format!("{at}: a part has a type")).of(at)),
    }
}
