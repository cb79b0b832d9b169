//! The tree in a few lines.

use super::SearchTreeView;

/// The tree in a few lines: its size, the answer, and for every node on the way to the answer the
/// best candidate that was passed over there, with the reason.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::trace::tree::{SearchTreeView, outline};
/// use saffron_search::{Saffron, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0; 4], vec![0]);
/// let mut reward = ScriptedReward::new(-1.0).with(vec![1], 2.0);
/// let session = policy.session(&[2])?;
/// let mut view = SearchTreeView::default();
/// let searcher = Searcher::new(Saffron::paper(1)).max_new_tokens(1);
/// searcher.run_observed(&session, &mut policy, &mut reward, &mut view)?;
/// let lines = outline(&view);
/// assert!(lines.starts_with("2 nodes over 2 levels, 0 given up\nanswer: \"1\"\n"), "{lines}");
/// assert!(lines.contains("  after \"the prompt\", \"2\" was passed over: "), "{lines}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn outline(view: &SearchTreeView) -> String {
    let given_up = view.nodes().filter(|(_, node)| node.given_up()).count();
    let path = view.answer_path();
    let answer: Vec<String> = path.iter().filter_map(|node| view.token_text(*node)).collect();
    let mut lines = vec![
        format!("{} nodes over {} levels, {given_up} given up", view.nodes().count(), view.levels()),
        format!("answer: {:?}", answer.concat()),
    ];
    for node in &path {
        let passed = view.passed_over(*node);
        let Some(next) = passed.first() else { continue };
        let here = view.token_text(*node).unwrap_or_else(|| String::from("the prompt"));
        lines.push(format!("  after {here:?}, {:?} was passed over: {}", view.text(next.candidate.token), next.why));
    }
    lines.join("\n")
}
