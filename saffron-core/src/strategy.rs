//! How a search decides.

use crate::context::SearchContext;
use crate::filter::CandidateFilter;
use crate::search_error::SearchError;

/// Whether a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Call [`SearchStrategy::step`] again.
    Continue,
    /// The search is over.
    Done,
}

/// A search algorithm. It holds no model and no tensor: everything goes through the [`SearchContext`].
///
/// Greedy decoding over rewards, whole:
///
/// ```
/// use saffron_core::{NodeId, SearchContext, SearchError, SearchStrategy, Step, StopReason};
///
/// struct Greedy;
///
/// impl SearchStrategy for Greedy {
///     fn fresh(&self) -> Box<dyn SearchStrategy> {
///         Box::new(Greedy)
///     }
///
///     fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
///         let open: Vec<NodeId> = cx.open();
///         for (node, children) in cx.score_children(&open)? {
///             match children.best() {
///                 Some(child) => cx.extend(node, child)?,
///                 None => cx.close(node, StopReason::NoSeenCandidate)?,
///             }
///         }
///         Ok(if cx.open().is_empty() { Step::Done } else { Step::Continue })
///     }
/// }
/// ```
///
/// A spent budget ends the search with an outcome and its stop reason, not with an error; a step that neither grows the tree
/// nor ends anything is an error, not a loop.
pub trait SearchStrategy: Send + Sync {
    /// A new instance with the same settings, for a new prompt.
    fn fresh(&self) -> Box<dyn SearchStrategy>;

    /// One step of the search.
    ///
    /// # Errors
    ///
    /// What the context returns is to be passed on with `?`.
    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError>;

    /// The strategy's name with its settings, for records.
    fn describe(&self) -> String {
        String::from("custom strategy")
    }

    /// The candidates that the strategy is published with; a searcher uses them unless it is given
    /// others. Default: every token, at its own probability.
    fn default_filter(&self) -> CandidateFilter {
        CandidateFilter::default()
    }

    /// The longest response that the strategy is published with, in tokens. Default: 32, as in the
    /// Saffron paper (Appendix A.1), so that strategies compare.
    fn default_max_new_tokens(&self) -> usize {
        32
    }

    /// Whether the strategy decides by rewards. Where it does, a search with a scorer that scores
    /// nothing ([`ChildScorer::scores`](crate::ChildScorer::scores)) is an error before any model
    /// is called. A strategy that never asks for a reward returns `false`.
    fn needs_rewards(&self) -> bool {
        true
    }

    /// Whether the strategy may put a text in the answer's place
    /// ([`SearchContext::replace_answer`]). Nothing of its answer should be shown before the search
    /// ends.
    fn may_replace(&self) -> bool {
        false
    }

    /// Whether the settings can be run with; called once before a search.
    ///
    /// # Errors
    ///
    /// The first setting that cannot.
    fn check(&self) -> Result<(), SearchError> {
        Ok(())
    }
}

impl<S: SearchStrategy + ?Sized> SearchStrategy for Box<S> {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        (**self).fresh()
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        (**self).step(cx)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn default_filter(&self) -> CandidateFilter {
        (**self).default_filter()
    }

    fn default_max_new_tokens(&self) -> usize {
        (**self).default_max_new_tokens()
    }

    fn needs_rewards(&self) -> bool {
        (**self).needs_rewards()
    }

    fn may_replace(&self) -> bool {
        (**self).may_replace()
    }

    fn check(&self) -> Result<(), SearchError> {
        (**self).check()
    }
}
