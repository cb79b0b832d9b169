//! What a search knew of the tokens that it took.

use std::collections::BTreeMap;

use saffron_core::{Candidates, NodeId, Token, TreeChange};

/// The tree of a search with the policy's log-probabilities and favourites. Nodes of equal responses
/// are one: samplers grow a node for each.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By response and token, the longer response and the policy's log-probability of the token.
    children: BTreeMap<(usize, Token), (usize, f32)>,
    /// The first node of each node's response, where that is another one.
    first: BTreeMap<usize, usize>,
    /// The policy's most probable candidate behind a response.
    favourites: BTreeMap<usize, Token>,
}

/// What is known of one token of a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) logprob: f32,
    /// Whether it was the policy's most probable candidate; none where the policy was not asked.
    pub(super) favourite: Option<bool>,
}

impl Record {
    fn response(&self, node: NodeId) -> usize {
        self.first.get(&node.index()).copied().unwrap_or(node.index())
    }

    pub(super) fn propose(&mut self, node: NodeId, candidates: &Candidates) {
        if let Some(first) = candidates.ranked.first() {
            self.favourites.insert(self.response(node), first.token);
        }
    }

    pub(super) fn change(&mut self, change: &TreeChange) {
        if let TreeChange::Grown { node, parent, token, logprob, .. } = change {
            let key = (self.response(*parent), *token);
            let (first, _) = *self.children.entry(key).or_insert((node.index(), *logprob));
            if first != node.index() {
                self.first.insert(node.index(), first);
            }
        }
    }

    /// What is known of the tokens of a sequence from the root on.
    pub(super) fn path(&self, tokens: &[Token]) -> Vec<Option<Taken>> {
        let mut at = Some(NodeId::ROOT.index());
        let taken = |token: &Token| {
            let parent = at?;
            let child = self.children.get(&(parent, *token));
            at = child.map(|(response, _)| *response);
            let favourite = self.favourites.get(&parent).map(|favourite| favourite == token);
            child.map(|(_, logprob)| Taken { logprob: *logprob, favourite })
        };
        tokens.iter().map(taken).collect()
    }
}

/// Whether a sequence differs anywhere from what the policy held most probable there; none where
/// that is not known.
pub(super) fn intervened(path: &[Option<Taken>]) -> Option<bool> {
    let mut favourites = path.iter().map(|taken| taken.and_then(|taken| taken.favourite));
    if favourites.clone().any(|favourite| favourite == Some(false)) {
        return Some(true);
    }
    let known = favourites.all(|favourite| favourite.is_some());
    known.then_some(false)
}
