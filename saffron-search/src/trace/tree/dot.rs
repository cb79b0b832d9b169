//! The tree for Graphviz.

use std::fmt::Write as _;

use saffron_core::StopReason;

use super::SearchTreeView;
use super::shape::{Fate, Placed, place};
use super::text::{number, visible};

/// The tree in the DOT language, left to right; the way to the answer is drawn bold, what was given up grey. The tooltips (in SVG)
/// say why nodes ended.
#[must_use]
pub fn dot(view: &SearchTreeView) -> String {
    let mut text = String::from("digraph search {\n  rankdir=LR;\n");
    text.push_str("  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    for placed in place(view) {
        write_node(&mut text, view, &placed);
    }
    text.push_str("}\n");
    text
}

fn write_node(text: &mut String, view: &SearchTreeView, placed: &Placed<'_>) {
    let id = placed.id.index();
    let (node_style, edge_style) = match placed.fate {
        Fate::Answer => (", style=\"rounded,bold\", color=\"#1f5fbf\"", " [color=\"#1f5fbf\", penwidth=3]"),
        Fate::Kept => ("", ""),
        Fate::GivenUp => (", color=\"gray60\", fontcolor=\"gray45\"", " [color=\"gray70\"]"),
    };
    let label = [view.token_text(placed.id).map_or(String::from("prompt"), |text| visible(&text)), figures(placed)];
    let label = label.map(|line| quoted(&line)).join("\\n");
    let tooltip = quoted(&view.why_ended(placed.id).unwrap_or_default());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  n{id} [label=\"{label}\", tooltip=\"{tooltip}\"{node_style}];");
    if let Some(parent) = placed.node.parent {
        let _ = writeln!(text, "  n{} -> n{id}{edge_style};", parent.index());
    }
}

fn figures(placed: &Placed<'_>) -> String {
    let reward = placed.node.shown_reward().map_or(String::from("–"), number);
    let stop = placed.node.stop.map_or("", mark);
    format!("{reward}{stop}")
}

/// A sign for the reason that a node ended with.
pub(super) fn mark(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndOfSequence(_) => " ■",
        StopReason::MaxNewTokens => " ▮",
        StopReason::Pruned => " ✕",
        StopReason::NoSeenCandidate => " ∅",
        _ => " ◼",
    }
}

/// Text within double quotes. Graphviz reads `\` and HTML entities in there.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
