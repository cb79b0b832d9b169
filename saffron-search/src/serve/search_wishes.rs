//! How a request wants the search changed: its object `saffron`.

use saffron_core::Budget;
use serde_json::{Map, Value, json};

use super::error::{ApiError, shown_name};
use super::shape::{Shape, whole};

/// The object `saffron` of a request. What is left out is the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SearchWishes {
    /// What the strategy spends: its width, samples, beams, particles or simulations.
    pub width: Option<usize>,
    /// Rewards below it are unsafe.
    pub unsafe_below: Option<f32>,
    /// Rewards from it on are safe.
    pub safe_from: Option<f32>,
    /// What the search may cost.
    pub budget: Budget,
    /// Milliseconds until the answer is wanted. Whoever watches the clock cancels then.
    pub deadline_ms: Option<u64>,
}

const FIELDS: [&str; 5] = ["width", "unsafe_below", "safe_from", "budget", "deadline_ms"];
pub(super) const BUDGET_FIELDS: [&str; 5] =
    ["max_policy_calls", "max_reward_calls", "max_policy_tokens", "max_reward_tokens", "max_flops"];
const WIDTH: Shape = Shape::Whole { least: 1, most: 1 << 16 };
const REWARD: Shape = Shape::Number { least: -1e6, most: 1e6 };
const AMOUNT: Shape = Shape::Whole { least: 1, most: 1 << 53 };
const DEADLINE: Shape = Shape::Whole { least: 1, most: 86_400_000 };

pub(super) fn read(object: &Map<String, Value>) -> Result<SearchWishes, ApiError> {
    refuse_others(object, "saffron", &FIELDS)?;
    let number = |name: &str, shape| optional(object, "saffron", name, shape);
    let count = |name: &str, shape| Ok::<_, ApiError>(number(name, shape)?.and_then(whole));
    let reward = |name: &str| Ok::<_, ApiError>(number(name, REWARD)?.and_then(Value::as_f64).map(|it| it as f32));
    let budget = match number("budget", Shape::Object)? {
        Some(Value::Object(budget)) => read_budget(budget)?,
        _ => Budget::default(),
    };
    Ok(SearchWishes {
        width: count("width", WIDTH)?.and_then(|width| usize::try_from(width).ok()),
        unsafe_below: reward("unsafe_below")?,
        safe_from: reward("safe_from")?,
        budget,
        deadline_ms: count("deadline_ms", DEADLINE)?,
    })
}

fn read_budget(object: &Map<String, Value>) -> Result<Budget, ApiError> {
    refuse_others(object, "saffron.budget", &BUDGET_FIELDS)?;
    let limit = |name: &str| Ok::<_, ApiError>(optional(object, "saffron.budget", name, AMOUNT)?.and_then(whole));
    Ok(Budget {
        max_policy_calls: limit("max_policy_calls")?,
        max_reward_calls: limit("max_reward_calls")?,
        max_policy_tokens: limit("max_policy_tokens")?,
        max_reward_tokens: limit("max_reward_tokens")?,
        max_flops: limit("max_flops")?,
    })
}

/// A field that may be missing, or null.
fn optional<'a>(
    object: &'a Map<String, Value>,
    at: &str,
    name: &str,
    shape: Shape,
) -> Result<Option<&'a Value>, ApiError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => shape.check(&format!("{at}.{name}"), value).map(|()| Some(value)),
    }
}

pub(super) fn refuse_others(object: &Map<String, Value>, at: &str, known: &[&str]) -> Result<(), ApiError> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let message = format!("{at}: unknown field {}, expected {}", shown_name(key), known.join(", "));
            Err(ApiError::invalid("unknown_parameter", message).of(at))
        }
    }
}

pub(super) fn schema() -> Value {
    let or_null = |shape: Shape| json!({ "anyOf": [shape.schema(), { "type": "null" }] });
    let amounts: Map<String, Value> = BUDGET_FIELDS.iter().map(|name| ((*name).to_owned(), or_null(AMOUNT))).collect();
    let budget = json!({ "type": "object", "properties": amounts, "additionalProperties": false });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "width": or_null(WIDTH),
            "unsafe_below": or_null(REWARD),
            "safe_from": or_null(REWARD),
            "budget": { "anyOf": [budget, { "type": "null" }] },
            "deadline_ms": or_null(DEADLINE),
        },
    })
}
