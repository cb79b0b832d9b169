//! Best-of-N: N independent samples, of which the reward model picks one (Brown et al. 2024, arXiv 2407.21787; with a reward model:
//! Stiennon et al. 2020, arXiv 2009.01325). One reward a sample.

use saffron_core::{ConfigError, NodeId, SearchContext, SearchError, SearchStrategy, Step};

use super::rank::first_best;
use super::walk::{Walk, going, walk};

/// N samples, all written at once: a step is one policy call. Sample i is the same for every N > i, so that a larger N only adds samples.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::{BestOfN, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0, 0.0, 0.0], vec![0]);
/// let mut reward = ScriptedReward::new(0.0).with(vec![2, 2], 1.0);
/// let session = policy.session(&[1])?;
/// let outcome = Searcher::new(BestOfN::new(64)).max_new_tokens(2).run(&session, &mut policy, &mut reward)?;
/// assert_eq!(outcome.best.tokens, [2, 2]);
/// assert_eq!((outcome.usage.policy.calls, outcome.usage.reward.calls), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BestOfN {
    samples: usize,
    walks: Vec<Walk>,
}

impl BestOfN {
    /// The best of `samples` samples.
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self { samples, walks: Vec::new() }
    }

    /// All samples are written: their rewards decide, the first of equals wins.
    fn decide(&self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let nodes: Vec<NodeId> = self.walks.iter().map(|walk| walk.node).collect();
        let rewards = cx.rate(&nodes)?;
        if let Some(best) = first_best(&rewards) {
            cx.answer(nodes[best])?;
        }
        cx.level(&nodes.into_iter().zip(rewards).collect::<Vec<_>>())?;
        Ok(Step::Done)
    }
}

impl SearchStrategy for BestOfN {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.samples))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.walks.is_empty() {
            self.walks = (0..self.samples as u64).map(|sample| Walk::new(cx, NodeId::ROOT, sample)).collect();
        }
        let places = going(cx, &self.walks)?;
        if places.is_empty() {
            return self.decide(cx);
        }
        walk(cx, &mut self.walks, &places)?;
        cx.answer(self.walks[0].node)?;
        cx.level(&self.walks.iter().map(|walk| (walk.node, None)).collect::<Vec<_>>())?;
        Ok(Step::Continue)
    }

    fn describe(&self) -> String {
        format!("best-of-n (n {})", self.samples)
    }

    /// A single sample needs none.
    fn needs_rewards(&self) -> bool {
        self.samples > 1
    }

    fn check(&self) -> Result<(), SearchError> {
        if self.samples == 0 { Err(ConfigError::Zero { what: "samples" }.into()) } else { Ok(()) }
    }
}
