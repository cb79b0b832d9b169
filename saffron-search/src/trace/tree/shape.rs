//! Where the nodes of a picture stand: a column a level, a row a leaf. A node's first child stands in its own row, the others below;
//! the way to the answer always comes first, so that the answer reads along the first row.

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
    let (mut placed, mut rows) = (Vec::new(), 0);
    // Each entry: the node, its parent's row if it is not the first child, its place among the siblings.
    let mut stack = vec![(NodeId::ROOT, None, (0, 1))];
    while let Some((id, branch_of, sibling)) = stack.pop() {
        let Some(node) = view.node(id) else { continue };
        rows += usize::from(branch_of.is_some());
        placed.push(Placed { id, node, row: rows, parent_row: branch_of.unwrap_or(rows), fate: fate(&id), sibling });
        let mut children = node.children.clone();
        children.sort_by_key(|child| fate(child) != Fate::Answer);
        let (count, row) = (children.len(), rows);
        let entry = |(place, child)| (child, (place > 0).then_some(row), (place, count));
        stack.extend(children.into_iter().enumerate().map(entry).rev());
    }
    placed
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
