//! Value-filtered decoding (Einbinder et al. 2026, Selective Safety Steering, arXiv 2605.14746): the
//! policy decodes as it would, among the tokens whose value reaches a threshold. Where its own next
//! token is safe enough, nothing changes. One reward a candidate.

use saffron_core::random::LogWeights;
use saffron_core::{
    CandidateFilter, Child, Children, SearchContext, SearchError, SearchStrategy, Step, StopReason, Ties,
};
use serde::{Deserialize, Serialize};

use super::guided::known_reward;
use super::rank::first_best;
use super::refuse::{check_threshold, reaches};

/// How a [`ValueFilter`] chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValueFilterOptions {
    /// Candidates of at least this reward may be taken; −∞ lets all through. Default: 0.
    #[serde(with = "saffron_core::wire")]
    pub threshold: f32,
    /// Draws among them by the policy's probabilities, in place of taking the most probable one.
    /// Default: false.
    pub draw: bool,
}

/// One sequence in the policy's own order, or by its own chances, among the candidates whose reward
/// reaches the threshold. With a threshold of −∞ it is greedy decoding, or sampling.
///
/// A candidate that the reward model has not seen lies below every threshold but −∞, unless it ends
/// the sequence: then the reward of what it ends counts. Where no candidate reaches the threshold,
/// the one of highest reward is taken.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::strategy::value_filter::ValueFilterOptions;
/// use saffron_search::{Searcher, ValueFilter};
/// // The policy prefers 3, then 2, then 1; 3 is unsafe, and 1 the reward model's favourite.
/// let mut policy = TablePolicy::new(vec![-9.0, 1.0, 2.0, 3.0], vec![0]);
/// let mut reward = ScriptedReward::new(-1.0).with(vec![2], 0.5).with(vec![1], 4.0);
/// let session = policy.session(&[1])?;
/// let mut first = |threshold| {
///     let strategy = ValueFilter::new(ValueFilterOptions { threshold, draw: false });
///     let outcome = Searcher::new(strategy).max_new_tokens(1).run(&session, &mut policy, &mut reward);
///     outcome.map(|outcome| outcome.best.tokens)
/// };
/// assert_eq!([first(f32::NEG_INFINITY)?, first(0.0)?, first(1.0)?, first(9.0)?], [[3], [2], [1], [1]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ValueFilter {
    options: ValueFilterOptions,
}

impl ValueFilter {
    /// A filter with these options.
    #[must_use]
    pub fn new(options: ValueFilterOptions) -> Self {
        Self { options }
    }

    /// The candidate to take, and its reward.
    fn choose(&self, cx: &mut SearchContext<'_>, ranked: &[Child], rewards: &[Option<f32>]) -> Option<usize> {
        let passes = |place: &usize| reaches(rewards[*place], self.options.threshold);
        let passing: Vec<usize> = (0..ranked.len()).filter(passes).collect();
        if passing.is_empty() {
            return first_best(rewards).filter(|best| rewards[*best].is_some());
        }
        if !self.options.draw {
            return passing.first().copied();
        }
        let weights = LogWeights::new(passing.iter().map(|place| f64::from(ranked[*place].logprob)));
        weights.draw(cx.rng()).map(|drawn| passing[drawn])
    }
}

impl SearchStrategy for ValueFilter {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(*self)
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let open = cx.open();
        for (node, Children { ranked }) in cx.score_children(&open)? {
            let rewards: Vec<Option<f32>> = ranked.iter().map(|child| known_reward(cx, node, child)).collect();
            let Some(place) = self.choose(cx, &ranked, &rewards) else {
                cx.answer(node)?;
                cx.close(node, StopReason::NoSeenCandidate)?;
                return Ok(Step::Done);
            };
            let new = cx.grow(node, ranked[place])?;
            cx.answer(new)?;
            cx.level(&[(new, rewards[place])])?;
        }
        Ok(if cx.open().is_empty() { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        let ValueFilterOptions { threshold, draw } = self.options;
        format!("value filter ({}, threshold {threshold})", if draw { "drawn" } else { "in order" })
    }

    fn check(&self) -> Result<(), SearchError> {
        check_threshold(self.options.threshold)
    }

    /// What is published does not say which candidates are valued; ten are those of
    /// [`Args`](super::args::Args).
    fn default_filter(&self) -> CandidateFilter {
        CandidateFilter { top_k: Some(10), ties: Ties::ByRank, ..CandidateFilter::default() }
    }
}
