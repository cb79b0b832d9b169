//! A search strategy of your own, whole: no burn, no tensor, nothing but the traits of
//! `saffron-core`.

use saffron_core::{
    Child, ChildReward, ConfigError, NodeId, NodeState, SearchContext, SearchError, SearchStrategy, Step, StopReason,
};

/// Draws a step of a few tokens; keeps it if its reward reaches the bar, else draws again. When all
/// draws of a step fall short, the best of them is kept. What is easy costs one draw a step, what
/// is hard all of them.
#[derive(Clone, Debug)]
pub(crate) struct RejectAndResample {
    /// The reward that a step has to reach.
    pub(crate) bar: f32,
    /// Draws a step, at most.
    pub(crate) draws: usize,
    /// Tokens of a step.
    pub(crate) tokens: usize,
    /// The sequence that is kept so far.
    kept: NodeId,
}

impl RejectAndResample {
    pub(crate) fn new(bar: f32, draws: usize, tokens: usize) -> Self {
        Self { bar, draws, tokens, kept: NodeId::ROOT }
    }

    /// Draws up to `tokens` tokens from the policy, one by one, and has the sequence rewarded.
    fn draw_step(&self, cx: &mut SearchContext<'_>) -> Result<(NodeId, Option<f32>), SearchError> {
        let mut node = self.kept;
        for _ in 0..self.tokens {
            let candidates = cx.propose(&[node])?;
            let Some(drawn) = candidates.first().and_then(|candidates| candidates.draw(cx.rng())) else {
                cx.close(node, StopReason::NoSeenCandidate)?;
                break;
            };
            let child = Child { token: drawn.token, logprob: drawn.logprob, reward: ChildReward::Unseen };
            node = cx.grow(node, child)?;
            if has_ended(cx, node)? {
                break;
            }
        }
        // One reward call. None where the reward model has not seen the last token; that reaches no
        // bar.
        Ok((node, cx.rate(&[node])?.into_iter().next().flatten()))
    }
}

impl SearchStrategy for RejectAndResample {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.bar, self.draws, self.tokens))
    }

    /// Keeps the first draw that reaches the bar, else the best of all. The others end here.
    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let mut best = self.draw_step(cx)?;
        for _ in 1..self.draws {
            if best.1.is_some_and(|reward| reward >= self.bar) || has_ended(cx, self.kept)? {
                break;
            }
            let next = self.draw_step(cx)?;
            let (rejected, _) = if next.1 > best.1 { std::mem::replace(&mut best, next) } else { next };
            if !has_ended(cx, rejected)? {
                cx.close(rejected, StopReason::Pruned)?;
            }
        }
        self.kept = best.0;
        cx.answer(self.kept)?;
        cx.level(&[best])?;
        Ok(if has_ended(cx, self.kept)? { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        format!("reject and resample (bar {}, {} draws of {} tokens)", self.bar, self.draws, self.tokens)
    }

    fn check(&self) -> Result<(), SearchError> {
        let counts = [("draws", self.draws), ("step-tokens", self.tokens)];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((what, _)) => Err(ConfigError::Zero { what }.into()),
            None if self.bar.is_nan() => Err(ConfigError::NotFinite { what: "bar", found: self.bar }.into()),
            None => Ok(()),
        }
    }
}

fn has_ended(cx: &SearchContext<'_>, node: NodeId) -> Result<bool, SearchError> {
    Ok(matches!(cx.tree().state(node)?, NodeState::Ended(_)))
}
