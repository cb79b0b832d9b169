//! The nodes as elements of a grid. Their places, colours and words stand in the page, so that it can be read without its script.

use std::fmt::Write as _;

use crate::trace::tree::SearchTreeView;
use crate::trace::tree::dot::mark;
use crate::trace::tree::shape::{Fate, Placed};
use crate::trace::tree::text::{escape, number, visible};

/// Rewards as colours: nine classes from the lowest to the highest, zero in the middle.
pub(super) struct Scale {
    greatest: f32,
}

impl Scale {
    pub(super) fn of(view: &SearchTreeView) -> Self {
        let sizes = view.nodes().filter_map(|(_, node)| node.shown_reward()).map(f32::abs);
        Self { greatest: sizes.fold(0.0, f32::max) }
    }

    /// 0 to 8; 4 is zero.
    fn class(&self, reward: f32) -> u8 {
        let share = if self.greatest > 0.0 { reward / self.greatest } else { 0.0 };
        // Saturates, so that nothing lies outside.
        (share.clamp(-1.0, 1.0) * 4.0 + 4.5) as u8
    }
}

/// The colours with the rewards that they stand for.
pub(super) fn legend(scale: &Scale) -> String {
    let swatch = |class: u8| {
        let reward = (f32::from(class) - 4.0) / 4.0 * scale.greatest;
        format!("<span class=\"swatch r{class}\">{}</span>", number(reward))
    };
    (0..=8).map(swatch).collect()
}

/// One element a node, and a line to each node that does not stand beside its parent.
pub(super) fn nodes(view: &SearchTreeView, placed: &[Placed<'_>], scale: &Scale) -> String {
    let mut text = String::new();
    for placed in placed {
        if placed.row > placed.parent_row {
            write_line(&mut text, placed);
        }
        write_node(&mut text, view, placed, scale);
    }
    text
}

fn write_line(text: &mut String, placed: &Placed<'_>) {
    let (id, column) = (placed.id.index(), placed.node.depth + 1);
    let (from, to) = (placed.parent_row + 1, placed.row + 2);
    let fate = fate_class(placed.fate);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<i class=\"{fate}\" data-to=\"{id}\" style=\"grid-area:{from}/{column}/{to}\"></i>");
}

fn write_node(text: &mut String, view: &SearchTreeView, placed: &Placed<'_>, scale: &Scale) {
    let node = placed.node;
    let (id, row, column) = (placed.id.index(), placed.row + 1, node.depth + 1);
    let colour = node.shown_reward().map_or(String::from("none"), |reward| format!("r{}", scale.class(reward)));
    let branch = if placed.row > placed.parent_row { " branch" } else { "" };
    let class = format!("{} {colour}{branch}", fate_class(placed.fate));
    let token = view.token_text(placed.id).map_or(String::from("prompt"), |text| visible(&text));
    let reward = node.shown_reward().map_or(String::from("–"), number);
    let stop = node.stop.map_or("", mark);
    let (place, siblings) = (placed.sibling.0 + 1, placed.sibling.1);
    let title = title(view, placed, &token, &reward);
    let focus = if node.parent.is_none() { 0 } else { -1 };
    let expanded = if node.children.is_empty() { "" } else { " aria-expanded=\"true\"" };
    let _ = writeln!(
        text,
        "<div role=\"treeitem\" class=\"{class}\" data-id=\"{id}\" style=\"grid-area:{row}/{column}\" tabindex=\"{focus}\" \
         aria-level=\"{column}\" aria-posinset=\"{place}\" aria-setsize=\"{siblings}\"{expanded} title=\"{title}\">\
         <b>{}</b><span>{reward}{stop}</span></div>",
        escape(&token)
    );
}

/// What is said of a node without the script.
fn title(view: &SearchTreeView, placed: &Placed<'_>, token: &str, reward: &str) -> String {
    let mut parts = vec![format!("{token} · reward {reward}")];
    if placed.fate == Fate::Answer {
        parts.push(String::from("on the way to the answer"));
    }
    parts.extend(view.why_ended(placed.id));
    if let Some(scored) = &placed.node.scored {
        parts.push(format!("{} candidates, {} unseen", scored.considered, scored.unseen));
    }
    escape(&parts.join(" · "))
}

fn fate_class(fate: Fate) -> &'static str {
    match fate {
        Fate::Answer => "answer",
        Fate::Kept => "kept",
        Fate::GivenUp => "given-up",
    }
}
