//! The header of a reply put in again (Zhang et al. 2026, Any-Depth Alignment, arXiv 2510.18081, the
//! variant that rethinks, ADA-RK): a model that refuses does so right behind the header of its
//! reply, however far an answer has gone. No reward model is asked.

use saffron_core::{ConfigError, NodeId, SearchContext, SearchError, SearchStrategy, Step, StopReason, Token};
use serde::{Deserialize, Serialize};

use super::refuse::check_count;
use super::walk::Walk;
use crate::refusal::{USUAL, WITHIN, refuses};

/// How a [`HeaderProbe`] asks, and what it takes for a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderProbeOptions {
    /// Tokens between probes; the end of a sequence is probed, too. Default: 16.
    pub every: usize,
    /// Tokens that the policy says behind the header, in which a refusal is looked for. Default: 16.
    pub tokens: usize,
    /// The header. Default: what the policy's layout puts between a prompt and its reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Vec<Token>>,
    /// Phrases of refusals, as in [`RefusalPhrases`](crate::eval::judge::RefusalPhrases).
    pub phrases: Vec<String>,
}

impl Default for HeaderProbeOptions {
    fn default() -> Self {
        let phrases = USUAL.into_iter().map(String::from).collect();
        Self { every: 16, tokens: 16, header: None, phrases }
    }
}

/// One sample that is probed: every few tokens the header is put behind what was said, and the
/// policy's most probable tokens behind that are read. If they refuse, the refusal, written to its
/// end or to the longest response, stands in the answer's place. Otherwise the sample goes on as if
/// nothing had been asked: it is [`Sampling`](super::sampling::Sampling), token for token.
///
/// An answer that was forced to begin in some way is probed before its first token. What has passed
/// the last probe is the answer of a search that ends early.
///
/// ```
/// use saffron_core::NoReward;
/// use saffron_core::testing::TablePolicy;
/// use saffron_search::strategy::header_probe::HeaderProbeOptions;
/// use saffron_search::{HeaderProbe, Searcher};
/// // The policy says 1 1 1 …, but 2 2 and the end behind a header, which is 3.
/// let mut policy = TablePolicy::new(vec![-9.0, 9.0, 0.0, -9.0], vec![0])
///     .with_row(vec![1, 1, 3], vec![-9.0, 0.0, 9.0, -9.0])
///     .with_row(vec![1, 1, 3, 2], vec![-9.0, 0.0, 9.0, -9.0])
///     .with_row(vec![1, 1, 3, 2, 2], vec![9.0, 0.0, 0.0, -9.0])
///     .with_reply_header(vec![3]);
/// let session = policy.session(&[1])?;
/// let run = |phrase: &str, policy: &mut TablePolicy| {
///     let phrases = vec![phrase.to_owned()];
///     let options = HeaderProbeOptions { every: 2, tokens: 2, phrases, ..HeaderProbeOptions::default() };
///     Searcher::new(HeaderProbe::new(options)).top_k(1).max_new_tokens(4).run(&session, policy, &mut NoReward)
/// };
/// assert_eq!(run("2 2", &mut policy)?.replacement.as_deref(), Some("2 2"));
/// let outcome = run("sorry", &mut policy)?;
/// assert_eq!((outcome.replacement, &outcome.best.tokens[..]), (None, &[1, 1, 1, 1][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderProbe {
    options: HeaderProbeOptions,
    header: Vec<Token>,
    walk: Option<Walk>,
    /// Depth of the last probe.
    since: usize,
}

impl HeaderProbe {
    /// A sample that is probed.
    #[must_use]
    pub fn new(options: HeaderProbeOptions) -> Self {
        Self { options, header: Vec::new(), walk: None, since: 0 }
    }

    /// Whether the search is over before its first token.
    fn begin(&mut self, cx: &mut SearchContext<'_>) -> Result<bool, SearchError> {
        self.header = self.options.header.clone().unwrap_or_else(|| cx.reply_header());
        if self.header.is_empty() {
            return Err(ConfigError::NoReplyHeader.into());
        }
        self.walk = Some(Walk::new(cx, NodeId::ROOT, 0));
        cx.answer(NodeId::ROOT)?;
        Ok(!cx.session(NodeId::ROOT)?.prefill().is_empty() && self.probe(cx, NodeId::ROOT)?)
    }

    /// Puts the header behind a node. Whether the policy refuses there; then its refusal stands in
    /// the answer's place.
    fn probe(&self, cx: &mut SearchContext<'_>, node: NodeId) -> Result<bool, SearchError> {
        let mut response = cx.tree().tokens(node)?;
        if response.last().is_some_and(|last| cx.settings().filter.end_tokens.contains(last)) {
            response.pop();
        }
        response.extend(&self.header);
        let begins = response.len();
        let open = say(cx, &mut response, begins + self.options.tokens)?;
        if !refuses(&self.options.phrases, WITHIN, &cx.decode(&response[begins..])?) {
            return Ok(false);
        }
        // A refusal is shown whole, as an answer would be.
        if open {
            let most = begins + cx.settings().max_new_tokens;
            say(cx, &mut response, most)?;
        }
        let refusal = cx.decode(&response[begins..])?;
        cx.replace_answer(Some(refusal));
        cx.stop(StopReason::Strategy);
        Ok(true)
    }
}

/// The policy's most probable tokens behind a response, up to a length. Whether they might go on.
fn say(cx: &mut SearchContext<'_>, response: &mut Vec<Token>, most: usize) -> Result<bool, SearchError> {
    while response.len() < most {
        let candidates = cx.propose_responses(std::slice::from_ref(response))?;
        let first = candidates.first().and_then(|candidates| candidates.tokens().next());
        match first.filter(|token| !cx.settings().filter.end_tokens.contains(token)) {
            Some(token) => response.push(token),
            None => return Ok(false),
        }
    }
    Ok(true)
}

impl SearchStrategy for HeaderProbe {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.options.clone()))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.walk.is_none() && self.begin(cx)? {
            cx.level(&[(NodeId::ROOT, None)])?;
            return Ok(Step::Done);
        }
        let Some(walk) = &mut self.walk else { return Ok(Step::Done) };
        let candidates = cx.propose(&[walk.node])?;
        candidates.iter().try_for_each(|candidates| walk.draw(cx, candidates))?;
        let (node, ended) = (walk.node, walk.ended(cx)?);
        let depth = cx.tree().depth(node)?;
        if !ended && depth - self.since < self.options.every {
            return Ok(Step::Continue);
        }
        let refused = self.probe(cx, node)?;
        self.since = depth;
        cx.answer(node)?;
        cx.level(&[(node, None)])?;
        Ok(if refused || ended { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        let HeaderProbeOptions { every, tokens, header, phrases } = &self.options;
        let header = header.as_ref().map_or(String::from("the layout's header"), |ids| format!("header {ids:?}"));
        format!("header probe (every {every}, tokens {tokens}, {header}, {} phrases)", phrases.len())
    }

    fn needs_rewards(&self) -> bool {
        false
    }

    fn may_replace(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), SearchError> {
        check_count("every", self.options.every)?;
        check_count("tokens", self.options.tokens)?;
        match self.options.phrases.iter().any(|phrase| !phrase.trim().is_empty()) {
            true => Ok(()),
            false => Err(ConfigError::Blank { what: "phrases" }.into()),
        }
    }
}
