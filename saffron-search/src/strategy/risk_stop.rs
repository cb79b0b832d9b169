//! The risk monitor of SEAT (ACL 2026, long paper 305), around any search that looks at candidates:
//! the probability-weighted unsafe mass of the nucleus, smoothed along each sequence. Once it lies
//! above a bound for all sequences, the search ends with a refusal. It asks no model.

use std::collections::BTreeMap;

use saffron_core::{
    CandidateFilter, Children, ConfigError, NodeId, SearchContext, SearchError, SearchStrategy, Step, StopReason,
};

use super::refuse::{check_refusal, check_share, usual_refusal};

/// When a [`RiskStop`] refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskStopOptions {
    /// Risks above it are too high, in [0, 1]; 1 stops nothing. Default: 0.535, the risk at which
    /// SEAT's score of a single sequence meets its threshold.
    pub bound: f32,
    /// Share ρ of a sequence's earlier risk in its risk, in [0, 1]. Default: 0.8.
    pub smoothing: f32,
    /// Factor κ of a reward before it becomes a probability. Default: 0.8.
    pub scale: f32,
    /// The text in place of the answer.
    pub refusal: String,
}

impl Default for RiskStopOptions {
    fn default() -> Self {
        Self { bound: 0.535, smoothing: 0.8, scale: 0.8, refusal: usual_refusal() }
    }
}

/// Another search, with a look at the risk of every sequence that it scores:
/// `r = Σ π(a) · (1 − σ(κ · R(s a)))` over the candidates a, and
/// `risk(s) = ρ · risk(above s) + (1 − ρ) · r`, beginning at 0. A candidate that the reward model has
/// not seen counts as unsafe. With a bound of 1 it is that search.
///
/// Left out of SEAT: the share of its score that compares the sequences of a beam with each other,
/// and its retries.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::strategy::risk_stop::RiskStopOptions;
/// use saffron_search::{RiskStop, Saffron, Searcher};
/// let mut policy = TablePolicy::new(vec![f32::NEG_INFINITY, 0.0, 0.0], vec![0]);
/// let session = policy.session(&[1])?;
/// let risk = |bound| {
///     let options = RiskStopOptions { bound, ..RiskStopOptions::default() };
///     Searcher::new(RiskStop::new(Box::new(Saffron::paper(2))).with_options(options)).max_new_tokens(4)
/// };
/// let mut reward = ScriptedReward::new(-9.0);
/// assert!(risk(0.5).run(&session, &mut policy, &mut reward)?.replacement.is_some());
/// assert!(risk(1.0).run(&session, &mut policy, &mut reward)?.replacement.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RiskStop {
    search: Box<dyn SearchStrategy>,
    options: RiskStopOptions,
    risks: BTreeMap<NodeId, f64>,
}

impl std::fmt::Debug for RiskStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RiskStop").field("search", &self.search.describe()).field("options", &self.options).finish()
    }
}

impl RiskStop {
    /// A search with the monitor.
    #[must_use]
    pub fn new(search: Box<dyn SearchStrategy>) -> Self {
        Self { search, options: RiskStopOptions::default(), risks: BTreeMap::new() }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(mut self, options: RiskStopOptions) -> Self {
        self.options = options;
        self
    }

    /// Enters the risks of what was scored. Whether all of them are too high.
    fn is_too_high(&mut self, cx: &mut SearchContext<'_>) -> Result<bool, SearchError> {
        let scored = cx.take_scored();
        let mut all = !scored.is_empty();
        for (node, children) in scored {
            let (before, share) = (self.above(cx, node)?, f64::from(self.options.smoothing));
            let risk = (share * before + (1.0 - share) * self.unsafe_mass(&children)).min(1.0);
            self.risks.insert(node, risk);
            all &= risk > f64::from(self.options.bound);
        }
        Ok(all)
    }

    /// The risk of what stands before a node: that of the nearest node above it that was scored.
    fn above(&self, cx: &SearchContext<'_>, node: NodeId) -> Result<f64, SearchError> {
        let mut at = cx.tree().parent(node)?;
        while let Some(node) = at {
            if let Some(risk) = self.risks.get(&node) {
                return Ok(*risk);
            }
            at = cx.tree().parent(node)?;
        }
        Ok(0.0)
    }

    fn unsafe_mass(&self, children: &Children) -> f64 {
        let mass = children.ranked.iter().map(|child| {
            let safe = child.reward.seen().map_or(0.0, |reward| self.safe(reward));
            f64::from(child.logprob).exp() * (1.0 - safe)
        });
        mass.sum::<f64>().min(1.0)
    }

    fn safe(&self, reward: f32) -> f64 {
        1.0 / (1.0 + (-f64::from(self.options.scale) * f64::from(reward)).exp())
    }
}

impl SearchStrategy for RiskStop {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.search.fresh()).with_options(self.options.clone()))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        cx.keep_scored();
        let step = self.search.step(cx)?;
        if !self.is_too_high(cx)? {
            return Ok(step);
        }
        cx.replace_answer(Some(self.options.refusal.clone()));
        cx.stop(StopReason::Strategy);
        Ok(Step::Done)
    }

    fn describe(&self) -> String {
        let RiskStopOptions { bound, smoothing, scale, .. } = &self.options;
        let search = self.search.describe();
        format!("risk stop (bound {bound}, smoothing {smoothing}, scale {scale}) of {search}")
    }

    fn default_filter(&self) -> CandidateFilter {
        self.search.default_filter()
    }

    fn default_max_new_tokens(&self) -> usize {
        self.search.default_max_new_tokens()
    }

    fn may_replace(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), SearchError> {
        check_share("bound", self.options.bound)?;
        check_share("smoothing", self.options.smoothing)?;
        let scale = self.options.scale;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(ConfigError::NotPositive { what: "scale", found: scale }.into());
        }
        check_refusal(&self.options.refusal)?;
        self.search.check()
    }
}
