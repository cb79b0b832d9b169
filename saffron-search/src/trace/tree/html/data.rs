//! What the page's script knows, as JSON that no HTML parser can mistake for anything else.

use saffron_core::{ChildReward, Token};
use serde::Serialize;

use crate::trace::tree::shape::{Fate, Placed};
use crate::trace::tree::text::{readable, visible};
use crate::trace::tree::{SearchTreeView, TreeNode};

#[derive(Serialize)]
struct Data {
    /// What stands between tokens in running text.
    separator: &'static str,
    nodes: Vec<NodeData>,
}

#[derive(Serialize)]
struct NodeData {
    id: usize,
    parent: Option<usize>,
    token: Option<Token>,
    text: String,
    running: String,
    logprob: f32,
    reward: Option<f32>,
    fate: &'static str,
    why: Option<String>,
    beam: Option<(usize, usize)>,
    scored: Option<ScoredData>,
}

#[derive(Serialize)]
struct ScoredData {
    considered: usize,
    unseen: usize,
    mass: f32,
    cut: Option<f32>,
    shown: Vec<CandidateData>,
}

#[derive(Serialize)]
struct CandidateData {
    token: Token,
    text: String,
    logprob: f32,
    #[serde(with = "crate::trace::wire")]
    reward: ChildReward,
    taken: Option<usize>,
    why: Option<String>,
}

/// The nodes in the order in which the page shows them.
pub(super) fn data(view: &SearchTreeView, placed: &[Placed<'_>]) -> String {
    let data =
        Data { separator: view.separator(), nodes: placed.iter().map(|placed| node_data(view, placed)).collect() };
    // Numbers and texts in structs always have a JSON form.
    inert(&serde_json::to_string(&data).unwrap_or_default())
}

/// JSON that may stand within a script element: everything that could end it, or a line of script, is escaped.
fn inert(json: &str) -> String {
    let escaped = |c: char| match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
        c => String::from(c),
    };
    json.chars().map(escaped).collect()
}

fn node_data(view: &SearchTreeView, placed: &Placed<'_>) -> NodeData {
    let node = placed.node;
    let text = view.token_text(placed.id);
    NodeData {
        id: placed.id.index(),
        parent: node.parent.map(|parent| parent.index()),
        token: node.token,
        running: text.as_deref().map(readable).unwrap_or_default(),
        text: text.map_or(String::from("prompt"), |text| visible(&text)),
        logprob: node.logprob,
        reward: node.shown_reward(),
        fate: match placed.fate {
            Fate::Answer => "answer",
            Fate::Kept => "kept",
            Fate::GivenUp => "given up",
        },
        why: view.why_ended(placed.id),
        beam: node.places.first().zip(node.places.last()).map(|(first, last)| (first.level, last.level)),
        scored: node.scored.as_ref().map(|scored| ScoredData {
            considered: scored.considered,
            unseen: scored.unseen,
            mass: scored.mass,
            cut: view.cut(node.scored_step),
            shown: candidates(view, placed, node),
        }),
    }
}

/// The taken candidates first, then those passed over, both by falling reward.
fn candidates(view: &SearchTreeView, placed: &Placed<'_>, node: &TreeNode) -> Vec<CandidateData> {
    let shown = node.scored.iter().flat_map(|scored| scored.by_reward());
    let taken = shown.filter_map(|candidate| Some((candidate, Some(view.child_of(node, &candidate)?.index()), None)));
    let passed = view.passed_over(placed.id).into_iter().map(|passed| (passed.candidate, None, Some(passed.why)));
    let entry =
        |(candidate, taken, why): (crate::trace::ShownCandidate, _, Option<super::super::Passed>)| CandidateData {
            token: candidate.token,
            text: visible(&view.text(candidate.token)),
            logprob: candidate.logprob,
            reward: candidate.reward,
            taken,
            why: why.map(|why| why.to_string()),
        };
    taken.chain(passed).map(entry).collect()
}
