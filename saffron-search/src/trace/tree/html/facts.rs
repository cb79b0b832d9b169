//! The head of the page: what was asked, how it was searched, what came out.

use saffron_core::{Outcome, SearchStart, Token};

use crate::trace::tree::SearchTreeView;
use crate::trace::tree::text::{escape, number, readable};

const RUNNING: [&str; 4] = ["Prompt", "Forced beginning", "Answer", "Shown instead"];

/// The facts as a list of terms and descriptions.
pub(super) fn facts(view: &SearchTreeView) -> String {
    let mut facts = Vec::new();
    facts.extend(view.start().into_iter().flat_map(|start| of_start(view, start)));
    facts.extend(view.outcome().into_iter().flat_map(|outcome| of_outcome(view, outcome)));
    facts.push(("Tree", size(view)));
    facts.iter().map(fact).collect()
}

/// Running text has a line of its own.
fn fact((name, text): &(&'static str, String)) -> String {
    let class = if RUNNING.contains(name) { " class=\"wide\"" } else { "" };
    format!("<div{class}><dt>{name}</dt><dd>{}</dd></div>\n", escape(text))
}

fn of_start(view: &SearchTreeView, start: &SearchStart) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Strategy", start.strategy.clone()),
        ("Rewards", start.reward.clone()),
        ("Prompt", with_count(view, &start.prompt)),
    ];
    if !start.prefill.is_empty() {
        facts.push(("Forced beginning", with_count(view, &start.prefill)));
    }
    facts
}

fn of_outcome(view: &SearchTreeView, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let reward = outcome.best.reward.map_or(String::from("none"), number);
    let mut facts = vec![
        ("Answer", with_count(view, &outcome.best.tokens)),
        ("Its reward", reward),
        ("Verdict", outcome.verdict.to_string()),
        ("Ended by", outcome.stop.to_string()),
        ("Cost", outcome.usage.to_string()),
    ];
    if let Some(replacement) = &outcome.replacement {
        facts.insert(1, ("Shown instead", readable(replacement)));
    }
    facts
}

fn with_count(view: &SearchTreeView, tokens: &[Token]) -> String {
    let plural = if tokens.len() == 1 { "" } else { "s" };
    format!("{} ({} token{plural})", readable(&view.joined(tokens)), tokens.len())
}

fn size(view: &SearchTreeView) -> String {
    let considered: usize = view.nodes().filter_map(|(_, node)| Some(node.scored.as_ref()?.considered)).sum();
    format!("{} nodes, {} levels, {considered} candidates rewarded", view.nodes().count(), view.levels())
}
