//! What values a parameter takes: checked here, and told by the OpenAPI description.

use serde_json::{Value, json};

use super::error::ApiError;

/// The most texts that `stop` may have.
pub(super) const MOST_STOPS: usize = 4;

/// The values that a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Any value: it is refused whatever it is.
    Anything,
    /// `true` or `false`.
    Flag,
    /// A text.
    Text,
    /// A whole number in a range.
    Whole {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A number in a range.
    Number {
        /// The least.
        least: f64,
        /// The most.
        most: f64,
    },
    /// An object whose fields have no meaning here.
    Object,
    /// One of these values, in JSON.
    OneOf(&'static [&'static str]),
    /// A text, or up to four.
    Stops,
    /// The messages of a conversation.
    Messages,
    /// The prompt of a text.
    Prompt,
    /// The options of a stream.
    StreamOptions,
    /// How the search is to be changed.
    Search,
}

impl Shape {
    /// Checks a value as far as its shape goes; messages, prompts and objects of ours are read
    /// elsewhere.
    pub(super) fn check(self, param: &str, value: &Value) -> Result<(), ApiError> {
        let fits = match self {
            Self::Flag => value.is_boolean(),
            Self::Text => value.is_string(),
            Self::Whole { least, most } => whole(value).is_some_and(|number| (least..=most).contains(&number)),
            Self::Number { least, most } => value.as_f64().is_some_and(|number| (least..=most).contains(&number)),
            Self::Object | Self::StreamOptions | Self::Search => value.is_object(),
            Self::OneOf(values) => values.iter().any(|other| same(value, &parsed(other))),
            Self::Anything | Self::Stops | Self::Messages | Self::Prompt => true,
        };
        if fits { Ok(()) } else { Err(ApiError::expected(param, &self.words(), value)) }
    }

    /// The values in words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Anything => String::from("anything"),
            Self::Flag => String::from("true or false"),
            Self::Text => String::from("a string"),
            Self::Whole { least, most } => format!("an integer from {least} to {most}"),
            Self::Number { least, most } => format!("a number from {least} to {most}"),
            Self::Object | Self::StreamOptions | Self::Search => String::from("an object"),
            Self::OneOf(values) => values.join(" or "),
            Self::Stops => format!("a string, or an array of up to {MOST_STOPS}"),
            Self::Messages => String::from("an array of messages"),
            Self::Prompt => String::from("a string, or an array of one"),
        }
    }

    /// The JSON schema of the values.
    pub(super) fn schema(self) -> Value {
        match self {
            Self::Anything => json!({}),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Text => json!({ "type": "string" }),
            Self::Whole { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Number { least, most } => json!({ "type": "number", "minimum": least, "maximum": most }),
            Self::Object => json!({ "type": "object" }),
            Self::OneOf(values) => json!({ "enum": values.iter().map(|value| parsed(value)).collect::<Vec<_>>() }),
            Self::Stops => {
                let text = json!({ "type": "string", "minLength": 1 });
                json!({ "anyOf": [text, { "type": "array", "items": text, "maxItems": MOST_STOPS }] })
            }
            Self::Messages => json!({ "type": "array", "minItems": 1, "items": reference("Message") }),
            Self::Prompt => {
                let text = json!({ "type": "string", "minLength": 1 });
                json!({ "anyOf": [text, { "type": "array", "items": text, "minItems": 1, "maxItems": 1 }] })
            }
            Self::StreamOptions => reference("StreamOptions"),
            Self::Search => reference("SearchWishes"),
        }
    }
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A value of the table. All of them are JSON, which a test holds.
pub(super) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// A whole number; JSON has no other kind than 3.0 for some clients.
pub(super) fn whole(value: &Value) -> Option<u64> {
    let of_float = |number: f64| {
        let fits = number.fract() == 0.0 && (0.0..9e15).contains(&number);
        fits.then_some(number as u64)
    };
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

/// Equal as JSON, with 1 and 1.0 the same.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
