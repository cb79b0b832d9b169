//! What the strategies that choose among a node's candidates share: candidates scored by probability and reward together.

use saffron_core::{Child, Children, NodeId, SearchContext, SearchError, Step, StopReason};

/// Probability and reward together: `logprob + weight · reward`. None for candidates that the reward model has not seen, unless
/// they end the sequence: then the reward of what stands before them counts, if it has one.
pub(super) fn tilted(cx: &SearchContext<'_>, parent: NodeId, child: &Child, weight: f32) -> Option<f32> {
    known_reward(cx, parent, child).map(|reward| weighed(child.logprob, weight, reward))
}

/// A candidate's reward. None for one that the reward model has not seen, unless it ends the
/// sequence: then the reward of what stands before it counts, if it has one.
pub(super) fn known_reward(cx: &SearchContext<'_>, parent: NodeId, child: &Child) -> Option<f32> {
    let ends = cx.settings().filter.end_tokens.contains(&child.token);
    let before = || if ends { cx.tree().reward(parent).ok().flatten() } else { None };
    child.reward.seen().or_else(before)
}

/// `logprob + weight · reward`, where a weight of 0 leaves infinite rewards out too.
pub(super) fn weighed(logprob: f32, weight: f32, reward: f32) -> f32 {
    if weight == 0.0 { logprob } else { logprob + weight * reward }
}

/// Takes one candidate of the only open sequence, as `choose` says by the candidates' scores, and reports the level.
pub(super) fn single_step(
    cx: &mut SearchContext<'_>,
    weight: f32,
    mut choose: impl FnMut(&[Option<f32>]) -> Option<usize>,
) -> Result<Step, SearchError> {
    let open = cx.open();
    for (node, Children { ranked }) in cx.score_children(&open)? {
        let scores: Vec<Option<f32>> = ranked.iter().map(|child| tilted(cx, node, child, weight)).collect();
        let Some(place) = choose(&scores).filter(|place| scores[*place].is_some()) else {
            cx.answer(node)?;
            cx.close(node, StopReason::NoSeenCandidate)?;
            return Ok(Step::Done);
        };
        let child = ranked[place];
        let new = cx.grow(node, child)?;
        // An unseen end of sequence has the reward of what it ends.
        let reward = child.reward.seen().or(cx.tree().reward(node)?);
        cx.answer(new)?;
        cx.level(&[(new, reward)])?;
    }
    Ok(if cx.open().is_empty() { Step::Done } else { Step::Continue })
}
