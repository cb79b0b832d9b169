//! What a search has found, as it stands.

use super::SearchContext;
use crate::observer::BeamEntry;
use crate::outcome::{Hypothesis, Outcome};
use crate::search_error::{SearchError, SearchErrorKind};
use crate::stop::StopReason;
use crate::tree::{NodeId, NodeState};
use crate::verdict::{Thresholds, Verdict};

impl SearchContext<'_> {
    /// See [`SearchDriver::outcome`](crate::SearchDriver::outcome).
    pub(crate) fn outcome(&self, strategy: String, stop: Option<StopReason>) -> Result<Outcome, SearchError> {
        let node = self.answer.unwrap_or_else(|| self.best_leaf());
        let kept = self.beam.iter().find(|(other, reward)| *other == node && reward.is_some());
        let best = self.hypothesis(node, kept.and_then(|(_, reward)| *reward).or(self.tree.reward(node)?))?;
        let beam = self.beam.iter().map(|(node, reward)| self.hypothesis(*node, *reward));
        let beam: Vec<Hypothesis> = beam.collect::<Result<_, _>>()?;
        // A search that was cancelled says so, whatever its answer ended by.
        let cancelled = self.stopped.filter(|stop| *stop == StopReason::Cancelled);
        Ok(Outcome {
            stop: cancelled.or(stop).or(self.stopped).or(best.stop).unwrap_or(StopReason::Strategy),
            beam: if beam.is_empty() { vec![best.clone()] } else { beam },
            best,
            usage: *self.meter.usage(),
            strategy,
            reward: self.port.describe_rewards(),
            verdict: self.verdict,
            replacement: self.replacement.clone(),
        })
    }

    /// See [`SearchDriver::judge`](crate::SearchDriver::judge).
    pub(crate) fn judge(&mut self, thresholds: &Thresholds) -> Result<Verdict, SearchError> {
        let node = self.answer.unwrap_or_else(|| self.best_leaf());
        let reward = match self.rate(&[node]) {
            Ok(rewards) => rewards.first().copied().flatten(),
            Err(error) => match error.kind() {
                SearchErrorKind::Halted(stop) => {
                    if *stop == StopReason::Cancelled {
                        self.stopped = Some(*stop);
                    }
                    None
                }
                _ => return Err(error),
            },
        };
        self.verdict = thresholds.verdict(reward);
        Ok(self.verdict)
    }

    /// The leaf of highest reward, the first created of equals; leaves without a reward come last.
    fn best_leaf(&self) -> NodeId {
        let reward = |node: NodeId| self.tree.reward(node).ok().flatten().unwrap_or(f32::NEG_INFINITY);
        let leaves = self.tree.leaves();
        leaves.reduce(|best, next| if reward(next) > reward(best) { next } else { best }).unwrap_or(NodeId::ROOT)
    }

    fn hypothesis(&self, node: NodeId, reward: Option<f32>) -> Result<Hypothesis, SearchError> {
        let (tokens, logprob) = (self.tree.tokens(node)?, self.tree.logprob(node)?);
        Ok(Hypothesis { tokens, reward, logprob, stop: self.stop_of(node)? })
    }

    pub(super) fn entry(&self, node: NodeId, reward: Option<f32>) -> Result<BeamEntry, SearchError> {
        Ok(BeamEntry { node, tokens: self.tree.tokens(node)?, reward, stop: self.stop_of(node)? })
    }

    fn stop_of(&self, node: NodeId) -> Result<Option<StopReason>, SearchError> {
        Ok(match self.tree.state(node)? {
            NodeState::Ended(stop) => Some(stop),
            NodeState::Open | NodeState::Inner => None,
        })
    }
}
