//! The whole tree of one search, for looking at: what was taken, what was passed over, and why.
//!
//! ```
//! use saffron_core::testing::{ScriptedReward, TablePolicy};
//! use saffron_search::trace::tree::{SearchTreeView, dot, html};
//! use saffron_search::{Saffron, Searcher};
//! let words = ["</s>", "no", "yes", "maybe"];
//! let mut policy = TablePolicy::new(vec![0.0; 4], vec![0]);
//! let mut reward = ScriptedReward::new(-1.0).with(vec![1], 2.0).with(vec![1, 1], 3.0);
//! let session = policy.session(&[2])?;
//! let mut view = SearchTreeView::default();
//! let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(2);
//! searcher.run_observed(&session, &mut policy, &mut reward, &mut view)?;
//! let view = view.labelled(|token| words[token as usize].to_owned());
//! let answer: Vec<String> = view.answer_path().iter().filter_map(|node| view.token_text(*node)).collect();
//! assert_eq!(answer, ["no", "no"]);
//! assert!(dot(&view).starts_with("digraph") && html(&view).starts_with("<!doctype html>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dot;
mod html;
mod node;
mod observe;
mod outline;
mod shape;
mod text;
mod why;

use std::collections::{BTreeMap, BTreeSet};

use saffron_core::{NodeId, Outcome, SearchStart, Token, Vocabulary};

use super::event::TraceEvent;
use super::replay::replay_summaries;
use super::summary::DEFAULT_CANDIDATES;

pub use dot::dot;
pub use html::html;
pub use node::{BeamPlace, TreeNode};
pub use outline::outline;
pub use why::{Passed, PassedOver};

/// An observer that builds the tree of the search it last saw begin.
///
/// Of a node's candidates it keeps a summary only, so that it is the same whether it watched the
/// search or was told of it by [`replay_summaries`]. Rewards that are not finite count as none, as
/// they do in traces. Changes to nodes that were never grown are passed over; a trace without
/// `change` lines therefore leaves the root alone.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchTreeView {
    candidates: usize,
    start: Option<SearchStart>,
    nodes: BTreeMap<NodeId, TreeNode>,
    cuts: Vec<Option<f32>>,
    outcome: Option<Outcome>,
    labels: BTreeMap<Token, String>,
}

impl Default for SearchTreeView {
    /// A view that keeps the [`DEFAULT_CANDIDATES`] best candidates of a node.
    fn default() -> Self {
        Self::with_candidates(DEFAULT_CANDIDATES)
    }
}

impl SearchTreeView {
    /// A view that keeps the `k` best candidates of a node.
    #[must_use]
    pub fn with_candidates(k: usize) -> Self {
        Self {
            candidates: k,
            start: None,
            nodes: BTreeMap::from([(NodeId::ROOT, TreeNode::root())]),
            cuts: Vec::new(),
            outcome: None,
            labels: BTreeMap::new(),
        }
    }

    /// The view of a search whose trace was kept, with the `k` best candidates of a node. `None` if
    /// the trace does not hold the beginning of a search.
    #[must_use]
    pub fn of_trace(events: &[TraceEvent], k: usize) -> Option<Self> {
        let mut view = Self::with_candidates(k);
        // A view never breaks off.
        let _ = replay_summaries(events, &mut view);
        view.start.is_some().then_some(view)
    }

    /// The view with the text of every token in the vocabulary. Tokens without text, such as
    /// control tokens, are shown by their id in brackets: `⟨2⟩`.
    #[must_use]
    pub fn labelled_in(self, vocabulary: &dyn Vocabulary) -> Self {
        self.labelled(|token| match vocabulary.decode(&[token]) {
            Ok(text) if !text.is_empty() => text,
            _ => format!("⟨{token}⟩"),
        })
    }

    /// The view with the text of every token in it. Without labels a token's text is its id.
    #[must_use]
    pub fn labelled(mut self, label: impl Fn(Token) -> String) -> Self {
        self.labels = self.known_tokens().into_iter().map(|token| (token, label(token))).collect();
        self
    }

    /// What the search was asked, once it has begun.
    #[must_use]
    pub fn start(&self) -> Option<&SearchStart> {
        self.start.as_ref()
    }

    /// What the search found, once it has ended. Its times are zero.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The nodes in order of creation; the root is the first.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &TreeNode)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&TreeNode> {
        self.nodes.get(&id)
    }

    /// Number of complete levels.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.cuts.len()
    }

    /// The nodes from the root to this one, both included; none for an unknown node.
    #[must_use]
    pub fn path(&self, id: NodeId) -> Vec<NodeId> {
        let mut path: Vec<NodeId> = self.ancestry(id).collect();
        path.reverse();
        path
    }

    /// From a node up to the root.
    fn ancestry(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let first = self.nodes.contains_key(&id).then_some(id);
        std::iter::successors(first, |id| self.nodes.get(id).and_then(|node| node.parent))
    }

    /// The node of the answer, once the search has ended: the first whose tokens are the answer's, one that ended as the answer did if
    /// there is one.
    #[must_use]
    pub fn answer(&self) -> Option<NodeId> {
        let best = &self.outcome.as_ref()?.best;
        let same = |id: &NodeId| {
            let tokens = best.tokens.iter().rev().copied().map(Some);
            self.ancestry(*id).map(|id| self.nodes.get(&id).and_then(|node| node.token)).eq(tokens.chain([None]))
        };
        let at_depth = self.nodes.iter().filter(|(_, node)| node.depth == best.tokens.len());
        let found: Vec<(&NodeId, &TreeNode)> = at_depth.filter(|(id, _)| same(id)).collect();
        let ended_alike = found.iter().find(|(_, node)| node.stop == best.stop);
        ended_alike.or(found.first()).map(|(id, _)| **id)
    }

    /// The nodes from the root to the answer; none before the search has ended.
    #[must_use]
    pub fn answer_path(&self) -> Vec<NodeId> {
        self.answer().map(|id| self.path(id)).unwrap_or_default()
    }

    /// The text of a token.
    #[must_use]
    pub fn text(&self, token: Token) -> String {
        self.labels.get(&token).cloned().unwrap_or_else(|| token.to_string())
    }

    /// The text of a node's own token; none for the root and for unknown nodes.
    #[must_use]
    pub fn token_text(&self, id: NodeId) -> Option<String> {
        self.node(id)?.token.map(|token| self.text(token))
    }

    /// Tokens as one text: labels as they are, ids with spaces between them.
    fn joined(&self, tokens: &[Token]) -> String {
        let texts: Vec<String> = tokens.iter().map(|token| self.text(*token)).collect();
        texts.join(self.separator())
    }

    /// What stands between tokens in running text.
    fn separator(&self) -> &'static str {
        if self.labels.is_empty() { " " } else { "" }
    }

    /// Every token that the view may have to show.
    fn known_tokens(&self) -> BTreeSet<Token> {
        let start = self.start.iter().flat_map(|start| start.prompt.iter().chain(&start.prefill)).copied();
        let own = self.nodes.values().filter_map(|node| node.token);
        let shown = self.nodes.values().filter_map(|node| node.scored.as_ref()).flat_map(|scored| &scored.shown);
        let answer = self.outcome.iter().flat_map(|outcome| outcome.best.tokens.iter().copied());
        start.chain(own).chain(shown.map(|candidate| candidate.token)).chain(answer).collect()
    }
}
