//! Plain sampling from the policy: no defence. The reward model is never asked.

use saffron_core::{NodeId, SearchContext, SearchError, SearchStrategy, Step};

use super::walk::{Walk, going, walk};

/// One sample of the policy. What may be drawn (temperature, top-p, top-k) is the searcher's filter; by default all of the distribution.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::{Sampling, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]);
/// let session = policy.session(&[1])?;
/// let searcher = Searcher::new(Sampling::default()).seed(7);
/// let mut sample = || searcher.run(&session, &mut policy, &mut ScriptedReward::new(0.0));
/// assert_eq!(sample()?.best.tokens, sample()?.best.tokens);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    walk: Vec<Walk>,
}

impl SearchStrategy for Sampling {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::default())
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.walk.is_empty() {
            self.walk.push(Walk::new(cx, NodeId::ROOT, 0));
        }
        walk(cx, &mut self.walk, &[0])?;
        cx.answer(self.walk[0].node)?;
        cx.level(&[(self.walk[0].node, None)])?;
        Ok(if going(cx, &self.walk)?.is_empty() { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        String::from("sampling")
    }

    fn needs_rewards(&self) -> bool {
        false
    }
}
