//! Where the nodes of a picture stand: a column a level. A node's first child stands in its own row, the others below; the way to the
//! answer always comes first, so that the answer reads along the first row. Rows are shared by what leaves room for each other.

use std::collections::BTreeSet;

use saffron_core::NodeId;

use super::{SearchTreeView, TreeNode};

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is on the way to the answer.
    Answer,
    /// It leads to a sequence that was not given up.
    Kept,
    /// All that it leads to was given up.
    GivenUp,
}

/// A node with its place. Rows and columns count from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) id: NodeId,
    pub(super) node: &'a TreeNode,
    pub(super) row: usize,
    pub(super) parent_row: usize,
    pub(super) fate: Fate,
    /// Place among the siblings as drawn, and their number.
    pub(super) sibling: (usize, usize),
}

/// All nodes, each before those below it.
pub(super) fn place(view: &SearchTreeView) -> Vec<Placed<'_>> {
    let answer: BTreeSet<NodeId> = view.answer_path().into_iter().collect();
    let kept = kept(view);
    let fate = |id: &NodeId| match () {
        () if answer.contains(id) => Fate::Answer,
        () if kept.contains(id) => Fate::Kept,
        () => Fate::GivenUp,
    };
    let children = |node: &TreeNode| {
        let mut children = node.children.clone();
        children.sort_by_key(|child| fate(child) != Fate::Answer);
        children
    };
    let (mut placed, mut skyline) = (Vec::new(), Skyline::default());
    // Each entry: the node, its row if it is a first child, its parent's row, its place among the siblings.
    let mut stack = vec![(NodeId::ROOT, None, 0, (0, 1))];
    while let Some((id, given, parent_row, sibling)) = stack.pop() {
        let Some(node) = view.node(id) else { continue };
        let row = given.unwrap_or_else(|| skyline.lowest(node.depth, chain(view, id, children)));
        skyline.raise(node.depth, row);
        placed.push(Placed { id, node, row, parent_row, fate: fate(&id), sibling });
        let children = children(node);
        let count = children.len();
        let entry = |(place, child)| (child, (place == 0).then_some(row), row, (place, count));
        stack.extend(children.into_iter().enumerate().map(entry).rev());
    }
    placed
}

/// Number of nodes from this one along first children.
fn chain(view: &SearchTreeView, id: NodeId, children: impl Fn(&TreeNode) -> Vec<NodeId>) -> usize {
    let first = |id: &NodeId| view.node(*id).and_then(|node| children(node).first().copied());
    std::iter::successors(Some(id), first).count()
}

/// The first free row of every column. What comes later in a column stands below what came earlier; since branches are placed from the
/// deepest to the shallowest, no lines cross.
#[derive(Default)]
struct Skyline(Vec<usize>);

impl Skyline {
    /// The first row that is free in `length` columns from this one on.
    fn lowest(&self, column: usize, length: usize) -> usize {
        self.0.iter().skip(column).take(length).copied().max().unwrap_or(0)
    }

    fn raise(&mut self, column: usize, row: usize) {
        if self.0.len() <= column {
            self.0.resize(column + 1, 0);
        }
        self.0[column] = row + 1;
    }
}

/// The nodes that lead to a leaf that was not given up.
fn kept(view: &SearchTreeView) -> BTreeSet<NodeId> {
    let mut kept = BTreeSet::new();
    let leaves = view.nodes().filter(|(_, node)| node.children.is_empty() && !node.given_up());
    for (leaf, _) in leaves {
        for id in view.ancestry(leaf) {
            if !kept.insert(id) {
                break;
            }
        }
    }
    kept
}
