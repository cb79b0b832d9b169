//! What becomes of a parameter.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::error::{ApiError, shown};
use super::shape::{Shape, parsed};
use super::table::PARAMETERS;

/// Which kind of completion is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/chat/completions`: the next message of a conversation.
    Chat,
    /// `/v1/completions`: how a text goes on.
    Completions,
}

impl Endpoint {
    /// The path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }
}

/// What a server does with a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Treatment {
    /// It does what its description says.
    Honoured(Shape),
    /// These values alone are accepted, in JSON: they leave the answer as it is.
    Neutral(&'static [&'static str]),
    /// It is accepted, and has nothing to do with the answer.
    Ignored(Shape),
    /// It is refused: the answer would not be what it asks for.
    Refused,
}

/// A parameter that OpenAI's clients send. `null` is the same as leaving it out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand.
    pub endpoints: &'static [Endpoint],
    /// What becomes of it.
    pub treatment: Treatment,
    /// What it does here, or why it does nothing.
    pub about: &'static str,
}

impl Parameter {
    /// The parameter of a name.
    #[must_use]
    pub fn find(endpoint: Endpoint, name: &str) -> Option<&'static Self> {
        Self::all(endpoint).find(|parameter| parameter.name == name)
    }

    /// The parameters of an endpoint, in the order of the table.
    pub fn all(endpoint: Endpoint) -> impl Iterator<Item = &'static Self> {
        PARAMETERS.iter().filter(move |parameter| parameter.endpoints.contains(&endpoint))
    }

    /// Refuses a value that is not accepted.
    pub(super) fn check(&self, value: &Value) -> Result<(), ApiError> {
        let Self { name, treatment, about, .. } = self;
        match treatment {
            Treatment::Honoured(shape) | Treatment::Ignored(shape) => shape.check(name, value),
            Treatment::Neutral(values) => Shape::OneOf(values).check(name, value).map_err(|_| {
                let expected = values.join(" or ");
                let message = format!("{name} may only be {expected} here, found {}: {about}", shown(value));
                ApiError::invalid("unsupported_value", message).of(*name)
            }),
            Treatment::Refused => {
                let message = format!("{name} is not supported: {about}");
                Err(ApiError::invalid("unsupported_parameter", message).of(*name))
            }
        }
    }

    /// The JSON schema of the values that are accepted. All but what must be there may be null.
    pub(super) fn schema(&self) -> Value {
        let mut schema = match self.treatment {
            Treatment::Honoured(shape @ (Shape::Messages | Shape::Prompt)) => shape.schema(),
            Treatment::Honoured(shape) | Treatment::Ignored(shape) => {
                json!({ "anyOf": [shape.schema(), { "type": "null" }] })
            }
            Treatment::Neutral(values) => {
                let accepted: Vec<Value> = values.iter().map(|value| parsed(value)).chain([Value::Null]).collect();
                json!({ "enum": accepted })
            }
            Treatment::Refused => json!({ "type": "null" }),
        };
        schema["description"] = Value::from(format!("{}: {}", self.treatment.word(), self.about));
        schema
    }
}

impl Treatment {
    /// The treatment in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Honoured(_) => "Honoured",
            Self::Neutral(_) => "Neutral values only",
            Self::Ignored(_) => "No effect",
            Self::Refused => "Refused",
        }
    }

    /// The values that are accepted, in words.
    #[must_use]
    pub fn accepts(self) -> String {
        match self {
            Self::Honoured(shape) | Self::Ignored(shape) => shape.words(),
            Self::Neutral(values) => values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
            Self::Refused => String::from("nothing"),
        }
    }
}

/// The parameters of an endpoint as a table in Markdown, for the documentation.
#[must_use]
pub fn parameter_table(endpoint: Endpoint) -> String {
    let mut table = String::from("| parameter | | accepts | |\n|---|---|---|---|\n");
    for parameter in Parameter::all(endpoint) {
        let Parameter { name, treatment, about, .. } = parameter;
        // Writing to a text does not fail.
        let _ = writeln!(table, "| `{name}` | {} | {} | {about} |", treatment.word(), treatment.accepts());
    }
    table
}
