//! A streaming guard with rollback (Hu et al. 2025, CARE, arXiv 2509.06982): a monitor reads the
//! sample every few tokens; on an alarm the last tokens are taken back, and the policy goes on from
//! there, under a text that makes it think again or with other draws. One reward a check.

use saffron_core::{NodeId, NodeState, SearchContext, SearchError, SearchStrategy, Step, StopReason, Token};
use serde::{Deserialize, Serialize};

use super::refuse::{check_count, check_refusal, check_threshold, reaches, usual_refusal};
use super::walk::Walk;

/// What is put before the policy after an alarm. Neither its text nor what the policy says to it is
/// part of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// The text, as if the policy had said it.
    pub text: String,
    /// Tokens that the policy may say behind it before it goes on with the answer. Default: 0.
    #[serde(default)]
    pub tokens: usize,
}

/// How a [`Rollback`] watches and what it does on an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackOptions {
    /// Rewards below it are an alarm. Default: 0.
    #[serde(with = "saffron_core::wire")]
    pub threshold: f32,
    /// Tokens between checks; the end of a sequence is checked, too. Default: 8.
    pub every: usize,
    /// Tokens that are taken back on an alarm. Default: 8.
    pub back: usize,
    /// What the policy reads then. Default: nothing, so that it draws again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Introspection>,
    /// The text in place of the answer after one alarm too many.
    pub refusal: String,
}

impl Default for RollbackOptions {
    fn default() -> Self {
        Self { threshold: 0.0, every: 8, back: 8, introspection: None, refusal: usual_refusal() }
    }
}

/// One sample under a monitor. Up to `alarms` alarms are answered by a rollback, the next one by the
/// refusal. Without an alarm it is [`Sampling`](super::sampling::Sampling), token for token.
///
/// A check that passes releases the tokens that no later rollback may take back: all, where `back`
/// is at most `every`, as in the paper, which holds them in a buffer. Released tokens are the answer
/// of a search that ends early. A reward that is not known lies below every threshold but −∞.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::{Rollback, Searcher};
/// use saffron_search::strategy::rollback::RollbackOptions;
/// let mut policy = TablePolicy::new(vec![f32::NEG_INFINITY, 0.0, 0.0], vec![0]);
/// let mut guard = ScriptedReward::new(1.0).with(vec![1], -1.0);
/// let session = policy.session(&[1])?;
/// let options = RollbackOptions { every: 1, back: 1, ..RollbackOptions::default() };
/// let searcher = Searcher::new(Rollback::new(50).with_options(options)).max_new_tokens(2);
/// for seed in 0..20 {
///     let outcome = searcher.clone().seed(seed).run(&session, &mut policy, &mut guard)?;
///     assert_eq!(outcome.best.tokens[0], 2);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    alarms: usize,
    options: RollbackOptions,
    state: State,
}

/// What a search remembers from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    walk: Option<Walk>,
    /// The introspection's text as ids.
    text: Vec<Token>,
    /// What the policy reads behind so many tokens of the answer.
    hidden: Vec<(usize, Vec<Token>)>,
    /// Depth from which the next check is counted.
    since: usize,
    /// The last token that no rollback takes back.
    released: Option<NodeId>,
    alarms: usize,
}

impl Rollback {
    /// A monitored sample with up to `alarms` rollbacks; 0 refuses at the first alarm.
    #[must_use]
    pub fn new(alarms: usize) -> Self {
        Self { alarms, options: RollbackOptions::default(), state: State::default() }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(mut self, options: RollbackOptions) -> Self {
        self.options = options;
        self
    }

    fn begin(&mut self, cx: &mut SearchContext<'_>) -> Result<Walk, SearchError> {
        if let Some(introspection) = &self.options.introspection {
            self.state.text = cx.encode("introspection.text", &introspection.text)?;
        }
        Ok(Walk::new(cx, NodeId::ROOT, 0))
    }

    fn released(&self) -> NodeId {
        self.state.released.unwrap_or(NodeId::ROOT)
    }

    /// The response of a node as the policy reads it.
    fn read(&self, cx: &SearchContext<'_>, node: NodeId) -> Result<Vec<Token>, SearchError> {
        let mut response = cx.tree().tokens(node)?;
        for (depth, hidden) in self.state.hidden.iter().rev() {
            response.splice(depth..depth, hidden.iter().copied());
        }
        Ok(response)
    }

    fn draw(&self, cx: &mut SearchContext<'_>, walk: &mut Walk) -> Result<(), SearchError> {
        let candidates = match self.state.hidden.is_empty() {
            true => cx.propose(&[walk.node])?,
            false => {
                let response = self.read(cx, walk.node)?;
                cx.propose_responses(&[response])?
            }
        };
        candidates.iter().try_for_each(|candidates| walk.draw(cx, candidates))
    }

    /// The check has passed at a depth.
    fn pass(&mut self, cx: &mut SearchContext<'_>, node: NodeId, depth: usize) -> Result<(), SearchError> {
        let kept = depth.saturating_sub(self.options.back.saturating_sub(self.options.every));
        self.state.since = depth;
        let released = above(cx, node, depth.saturating_sub(kept))?;
        if cx.tree().depth(released)? > cx.tree().depth(self.released())? {
            self.state.released = Some(released);
        }
        Ok(())
    }

    /// Takes tokens back. None where there is nothing left to try.
    fn roll_back(&mut self, cx: &mut SearchContext<'_>, walk: &Walk) -> Result<Option<Walk>, SearchError> {
        self.state.alarms += 1;
        let depth = cx.tree().depth(walk.node)?;
        let back = self.options.back.min(depth - cx.tree().depth(self.released())?);
        let target = above(cx, walk.node, back)?;
        if self.state.alarms > self.alarms || matches!(cx.tree().state(target)?, NodeState::Ended(_)) {
            return Ok(None);
        }
        if target != walk.node && !walk.ended(cx)? {
            cx.close(walk.node, StopReason::Pruned)?;
        }
        self.state.since = depth - back;
        self.state.hidden.retain(|(at, _)| *at < depth - back);
        self.introspect(cx, target)?;
        Ok(Some(walk.moved(target)))
    }

    /// Lets the policy read the introspection behind a node, and say what it has to say to it.
    fn introspect(&mut self, cx: &mut SearchContext<'_>, node: NodeId) -> Result<(), SearchError> {
        let Some(tokens) = self.options.introspection.as_ref().map(|introspection| introspection.tokens) else {
            return Ok(());
        };
        let (mut response, from) = (self.read(cx, node)?, self.state.text.len());
        let begins = response.len();
        response.extend(&self.state.text);
        while response.len() < begins + from + tokens {
            let candidates = cx.propose_responses(std::slice::from_ref(&response))?;
            let first = candidates.first().and_then(|candidates| candidates.tokens().next());
            let ends = |token: &Token| cx.settings().filter.end_tokens.contains(token);
            let Some(token) = first.filter(|token| !ends(token)) else { break };
            response.push(token);
        }
        self.state.hidden.push((cx.tree().depth(node)?, response.split_off(begins)));
        Ok(())
    }

    /// Shows the tokens that are released.
    fn show(&self, cx: &mut SearchContext<'_>, node: NodeId) -> Result<(), SearchError> {
        let reward = cx.tree().reward(node)?;
        cx.answer(node)?;
        cx.level(&[(node, reward)])
    }

    fn refuse(&self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        cx.replace_answer(Some(self.options.refusal.clone()));
        cx.stop(StopReason::Strategy);
        self.show(cx, self.released())?;
        Ok(Step::Done)
    }
}

impl SearchStrategy for Rollback {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self { state: State::default(), ..self.clone() })
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let mut walk = match self.state.walk.take() {
            Some(walk) => walk,
            None => self.begin(cx)?,
        };
        cx.answer(self.released())?;
        self.draw(cx, &mut walk)?;
        let (node, ended) = (walk.node, walk.ended(cx)?);
        let depth = cx.tree().depth(node)?;
        if !ended && depth - self.state.since < self.options.every {
            self.state.walk = Some(walk);
            return Ok(Step::Continue);
        }
        let reward = cx.rate(&[node])?.first().copied().flatten();
        if reaches(reward, self.options.threshold) {
            self.pass(cx, node, depth)?;
            self.state.walk = Some(walk);
            self.show(cx, if ended { node } else { self.released() })?;
            return Ok(if ended { Step::Done } else { Step::Continue });
        }
        match self.roll_back(cx, &walk)? {
            Some(earlier) => self.state.walk = Some(earlier),
            None => return self.refuse(cx),
        }
        self.show(cx, self.released())?;
        Ok(Step::Continue)
    }

    fn describe(&self) -> String {
        let RollbackOptions { threshold, every, back, introspection, .. } = &self.options;
        let then = match introspection {
            Some(Introspection { text, tokens }) => format!("reads {text:?} and says {tokens}"),
            None => String::from("draws again"),
        };
        format!("rollback (alarms {}, threshold {threshold}, every {every}, back {back}, {then})", self.alarms)
    }

    fn may_replace(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), SearchError> {
        check_threshold(self.options.threshold)?;
        check_count("every", self.options.every)?;
        check_count("back", self.options.back)?;
        check_refusal(&self.options.refusal)
    }
}

/// The node so many tokens above another.
fn above(cx: &SearchContext<'_>, node: NodeId, tokens: usize) -> Result<NodeId, SearchError> {
    let mut found = node;
    for _ in 0..tokens {
        found = cx.tree().parent(found)?.unwrap_or(found);
    }
    Ok(found)
}
