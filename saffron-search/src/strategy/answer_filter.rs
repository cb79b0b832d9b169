//! The filter behind most deployed guards: sample an answer, let a guard judge the finished answer,
//! and refuse if it is unsafe (Inan et al. 2023, Llama Guard, arXiv 2312.06674, describe the guard);
//! with more tries, sample again before refusing. One reward a try.

use saffron_core::{ConfigError, NodeId, SearchContext, SearchError, SearchStrategy, Step, StopReason};
use serde::{Deserialize, Serialize};

use super::rank::first_best;
use super::refuse::{check_refusal, check_threshold, reaches, usual_refusal};
use super::walk::{Walk, walk};

/// What an [`AnswerFilter`] lets through, and what it says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerFilterOptions {
    /// Answers of at least this reward are shown. Default: 0.
    #[serde(with = "saffron_core::wire")]
    pub threshold: f32,
    /// The text in place of an answer that is not shown.
    pub refusal: String,
}

impl Default for AnswerFilterOptions {
    fn default() -> Self {
        Self { threshold: 0.0, refusal: usual_refusal() }
    }
}

/// Samples answers one after the other until one has a reward that reaches the threshold, and
/// refuses if none of `tries` does. Try i is the sample i of [`BestOfN`](super::best_of_n::BestOfN);
/// the first is that of [`Sampling`](super::sampling::Sampling). With a single candidate a token
/// (top-k 1) it filters greedy decoding, and further tries say the same.
///
/// An answer is shown only once it is judged: a search that ends early, by its budget say, refuses.
/// A reward that is not known lies below every threshold but −∞. With one try this is
/// [`Sampling`](super::sampling::Sampling) under [`Rules`](crate::Rules) that refuse below the
/// threshold, but for an answer whose reward is not known.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::{AnswerFilter, Searcher};
/// let mut policy = TablePolicy::new(vec![f32::NEG_INFINITY, 0.0, 0.0], vec![0]);
/// let session = policy.session(&[1])?;
/// let mut guard = ScriptedReward::new(-1.0).with(vec![2, 2], 1.0);
/// let filter = |tries| Searcher::new(AnswerFilter::new(tries)).max_new_tokens(2);
/// let outcome = filter(64).run(&session, &mut policy, &mut guard)?;
/// assert_eq!((&outcome.best.tokens[..], outcome.replacement), (&[2, 2][..], None));
/// let outcome = filter(2).run(&session, &mut policy, &mut ScriptedReward::new(-1.0))?;
/// assert_eq!(outcome.replacement.as_deref(), Some("I can't help with that."));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerFilter {
    tries: usize,
    options: AnswerFilterOptions,
    walks: Vec<Walk>,
}

impl AnswerFilter {
    /// A filter that samples up to `tries` answers.
    #[must_use]
    pub fn new(tries: usize) -> Self {
        Self { tries, options: AnswerFilterOptions::default(), walks: Vec::new() }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(mut self, options: AnswerFilterOptions) -> Self {
        self.options = options;
        self
    }

    /// One more token of the last try.
    fn advance(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let last = self.walks.len() - 1;
        walk(cx, &mut self.walks, &[last])?;
        cx.answer(self.walks[last].node)?;
        Ok(Step::Continue)
    }

    /// Begins the next try with its first token.
    fn begin(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        self.walks.push(Walk::new(cx, NodeId::ROOT, self.walks.len() as u64));
        self.advance(cx)
    }

    fn accept(cx: &mut SearchContext<'_>, node: NodeId, reward: Option<f32>) -> Result<Step, SearchError> {
        cx.answer(node)?;
        cx.replace_answer(None);
        cx.level(&[(node, reward)])?;
        Ok(Step::Done)
    }

    /// No try is safe. The best of them is what the search has found.
    fn refuse(&self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let nodes: Vec<NodeId> = self.walks.iter().map(|walk| walk.node).collect();
        let rewards = nodes.iter().map(|node| cx.tree().reward(*node)).collect::<Result<Vec<_>, _>>()?;
        if let Some(best) = first_best(&rewards) {
            cx.answer(nodes[best])?;
        }
        cx.stop(StopReason::Strategy);
        cx.level(&nodes.into_iter().zip(rewards).collect::<Vec<_>>())?;
        Ok(Step::Done)
    }
}

impl SearchStrategy for AnswerFilter {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self { walks: Vec::new(), ..self.clone() })
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let Some(last) = self.walks.last() else {
            cx.replace_answer(Some(self.options.refusal.clone()));
            return self.begin(cx);
        };
        if !last.ended(cx)? {
            return self.advance(cx);
        }
        let node = last.node;
        let reward = cx.rate(&[node])?.first().copied().flatten();
        if reaches(reward, self.options.threshold) {
            return Self::accept(cx, node, reward);
        }
        // Where the policy has nothing to say at all, it has nothing to say again.
        if self.walks.len() < self.tries && node != NodeId::ROOT { self.begin(cx) } else { self.refuse(cx) }
    }

    fn describe(&self) -> String {
        format!("answer filter (tries {}, threshold {})", self.tries, self.options.threshold)
    }

    fn may_replace(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), SearchError> {
        if self.tries == 0 {
            return Err(ConfigError::Zero { what: "tries" }.into());
        }
        check_threshold(self.options.threshold)?;
        check_refusal(&self.options.refusal)
    }
}
