//! What a route gives of one context.

use std::collections::BTreeMap;

use saffron_core::Token;

use crate::remote::AnswerProblem;

/// Logits of tokens after a context, up to a constant that is 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LogitRow {
    pub(super) logits: BTreeMap<Token, f32>,
    /// Tokens that the server had cached, if it says.
    pub(super) cached: Option<u64>,
}

/// Values by their ids. Refuses an id that is listed twice: which of its values was meant?
pub(super) fn by_id(
    sequence: usize,
    listed: impl IntoIterator<Item = (u64, Option<f64>)>,
) -> Result<BTreeMap<u64, Option<f64>>, AnswerProblem> {
    let mut values = BTreeMap::new();
    for (token, value) in listed {
        if values.insert(token, value).is_some() {
            return Err(AnswerProblem::Twice { sequence, token });
        }
    }
    Ok(values)
}
