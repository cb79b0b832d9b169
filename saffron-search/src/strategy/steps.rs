//! What a step is to the strategies that think in steps, and taking one.

use saffron_core::{ConfigError, NodeId, SearchContext, SearchError, StopReason, Token};
use serde::{Deserialize, Serialize};

use super::walk::{Walk, going, walk};

/// Where a step ends: after one of these tokens (a line break, say), at the end of the sequence, or at its full length. The published
/// strategies end steps at blank lines, which answers of a few dozen tokens seldom hold; hence the length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Steps {
    /// Longest step, in tokens. Default: 8.
    pub tokens: usize,
    /// Tokens that end a step. Default: none.
    pub ends: Vec<Token>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { tokens: 8, ends: Vec::new() }
    }
}

impl Steps {
    /// Steps of a fixed length.
    #[must_use]
    pub fn of(tokens: usize) -> Self {
        Self { tokens, ends: Vec::new() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.tokens == 0 { Err(ConfigError::Zero { what: "tokens of a step" }) } else { Ok(()) }
    }

    /// Takes every walk one step on: one policy call a token, all walks in it.
    pub(super) fn advance(&self, cx: &mut SearchContext<'_>, walks: &mut [Walk]) -> Result<(), SearchError> {
        let mut places = going(cx, walks)?;
        for _ in 0..self.tokens {
            if places.is_empty() {
                break;
            }
            walk(cx, walks, &places)?;
            let mut open = Vec::with_capacity(places.len());
            for place in places {
                if !walks[place].ended(cx)? && !self.ends_at(cx, walks[place].node)? {
                    open.push(place);
                }
            }
            places = open;
        }
        Ok(())
    }

    fn ends_at(&self, cx: &SearchContext<'_>, node: NodeId) -> Result<bool, SearchError> {
        Ok(cx.tree().token(node)?.is_some_and(|token| self.ends.contains(&token)))
    }
}

/// Ends the open nodes that none of `kept` continues or is.
pub(super) fn prune(cx: &mut SearchContext<'_>, kept: &[NodeId]) -> Result<(), SearchError> {
    for node in cx.open().into_iter().filter(|node| !kept.contains(node)) {
        cx.close(node, StopReason::Pruned)?;
    }
    Ok(())
}
