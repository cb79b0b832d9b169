//! Finding: prefixes, paths, all that is stored.

use std::hash::BuildHasher;

use super::{Index, NodeRef, ROOT};
use crate::evict::EvictionPolicy;
use crate::index::{CacheError, Extent};

/// A stored run, as snapshots have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRun<'a> {
    /// Place of the run above it, counted from 1; 0 is the empty prefix.
    pub parent: u32,
    /// The tokens.
    pub tokens: &'a [u32],
    /// Where their rows are.
    pub slots: Extent,
}

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
    /// The longest stored prefix of the tokens, as a node that ends exactly there (a run that is left midway is split), marked as
    /// just used.
    pub fn match_prefix(&mut self, tokens: &[u32]) -> (NodeRef, usize) {
        self.follow(ROOT, tokens)
    }

    /// The same for what follows a node: how far the tokens are stored below it.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn match_below(&mut self, node: NodeRef, tokens: &[u32]) -> Result<(NodeRef, usize), CacheError> {
        let index = self.resolve(node)?;
        Ok(self.follow(index, tokens))
    }

    fn follow(&mut self, mut at: u32, tokens: &[u32]) -> (NodeRef, usize) {
        let mut matched = 0;
        while let Some(child) = tokens.get(matched).and_then(|token| self.children.get(&(at, *token)).copied()) {
            let common = common_prefix(self.tokens(child), &tokens[matched..]);
            matched += common;
            if common < self.nodes[child as usize].run.len as usize {
                at = self.split(child, common as u32);
                break;
            }
            at = child;
        }
        self.touch(at);
        (self.reference(at), matched)
    }

    /// The first `len` tokens of a node's path as a node that ends there, marked as just used; the node itself where its path is no
    /// longer. Costs the nodes in between.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn prefix(&mut self, node: NodeRef, len: usize) -> Result<NodeRef, CacheError> {
        let mut at = self.resolve(node)?;
        while at != ROOT && self.nodes[at as usize].depth as usize >= len {
            at = self.nodes[at as usize].parent;
        }
        let found = &self.nodes[at as usize];
        if (found.end() as usize) > len {
            at = self.split(at, len as u32 - found.depth);
        }
        self.touch(at);
        Ok(self.reference(at))
    }

    /// The last token of a node's path; none at the root.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn last_token(&self, node: NodeRef) -> Result<Option<u32>, CacheError> {
        Ok(self.tokens(self.resolve(node)?).last().copied())
    }

    /// Number of tokens on the path to the node.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn len(&self, node: NodeRef) -> Result<usize, CacheError> {
        Ok(self.nodes[self.resolve(node)? as usize].end() as usize)
    }

    /// The slots of the path to the node, in order, as extents; neighbours that touch are joined.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn path(&self, node: NodeRef) -> Result<Vec<Extent>, CacheError> {
        self.path_with(node, &mut Vec::new())
    }

    /// The same with a vector to walk in, for callers with many paths.
    pub(crate) fn path_with(&self, node: NodeRef, upward: &mut Vec<Extent>) -> Result<Vec<Extent>, CacheError> {
        let mut at = self.resolve(node)?;
        upward.clear();
        while at != ROOT {
            let run = self.nodes[at as usize].run;
            match upward.last_mut() {
                Some(below) if run.end() == below.base => *below = Extent { base: run.base, len: run.len + below.len },
                _ => upward.push(run),
            }
            at = self.nodes[at as usize].parent;
        }
        Ok(upward.iter().rev().copied().collect())
    }

    /// The tokens of the path to the node.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn path_tokens(&self, node: NodeRef) -> Result<Vec<u32>, CacheError> {
        Ok(self.path(node)?.iter().flat_map(|run| &self.log[run.base as usize..run.end() as usize]).copied().collect())
    }

    /// All runs, parents before children, siblings in the order of their first tokens.
    #[must_use]
    pub fn runs(&self) -> Vec<StoredRun<'_>> {
        let order = self.depth_first();
        let run = |(node, parent): (u32, u32)| {
            let slots = self.nodes[node as usize].run;
            StoredRun { parent, tokens: self.tokens(node), slots }
        };
        order.into_iter().map(run).collect()
    }

    /// Every node but the root, parents before children, siblings in the order of their first tokens, with the place of its parent
    /// counted from 1 (0 for the root).
    pub(super) fn depth_first(&self) -> Vec<(u32, u32)> {
        let mut below: Vec<(u32, u32, u32)> =
            self.children.iter().map(|((parent, first), child)| (*parent, *first, *child)).collect();
        below.sort_unstable();
        let mut order = Vec::with_capacity(below.len());
        let mut stack = vec![(ROOT, 0)];
        while let Some((node, place)) = stack.pop() {
            let mut own = place;
            if node != ROOT {
                order.push((node, place));
                own = order.len() as u32;
            }
            let from = below.partition_point(|(parent, ..)| *parent < node);
            let children = below[from..].iter().take_while(|(parent, ..)| *parent == node);
            let first = stack.len();
            stack.extend(children.map(|(.., child)| (*child, own)));
            stack[first..].reverse();
        }
        order
    }

    /// Whether a node has a child that begins with the token.
    pub(crate) fn has_child(&self, node: NodeRef, token: u32) -> bool {
        self.children.contains_key(&(node.index, token))
    }
}

pub(super) fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    /// Tokens that are compared at once.
    const BLOCK: usize = 32;
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let same =
        a.as_chunks::<BLOCK>().0.iter().zip(b.as_chunks::<BLOCK>().0).take_while(|(a, b)| a == b).count() * BLOCK;
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}
