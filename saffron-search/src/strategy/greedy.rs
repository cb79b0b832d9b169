//! Greedy decoding: the most probable token, again and again. No defence; the reward model is never asked.

use saffron_core::{CandidateFilter, SearchContext, SearchError, SearchStrategy, Step, StopReason, Ties};

use super::walk::unrated;

/// The policy's own most probable continuation.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::{Greedy, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]).with_row(vec![2, 2], vec![9.0, 0.0, 0.0]);
/// let session = policy.session(&[1])?;
/// let outcome = Searcher::new(Greedy).run(&session, &mut policy, &mut ScriptedReward::new(0.0))?;
/// assert_eq!(outcome.best.tokens, [2, 2, 0]);
/// assert_eq!(outcome.usage.reward.calls, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Greedy;

impl SearchStrategy for Greedy {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self)
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let open = cx.open();
        let mut beam = Vec::new();
        for (node, candidates) in open.iter().zip(cx.propose(&open)?) {
            if candidates.is_empty() {
                cx.close(*node, StopReason::NoSeenCandidate)?;
            } else {
                beam.push((cx.grow(*node, unrated(&candidates, 0))?, None));
            }
        }
        cx.level(&beam)?;
        Ok(if cx.open().is_empty() { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        String::from("greedy")
    }

    fn needs_rewards(&self) -> bool {
        false
    }

    fn default_filter(&self) -> CandidateFilter {
        CandidateFilter { top_k: Some(1), ties: Ties::ByRank, ..CandidateFilter::default() }
    }
}
