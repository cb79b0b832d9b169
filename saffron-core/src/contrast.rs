//! Two policies as one: a base, steered by an expert for the first tokens of a reply.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::candidates::{Candidates, Coverage};
use crate::error::{ConfigError, ModelError};
use crate::filter::CandidateFilter;
use crate::forget::Forget;
use crate::policy::Policy;
use crate::reply::Reply;
use crate::session::Session;
use crate::text_policy::TextPolicy;
use crate::token::Token;
use crate::vocabulary::Vocabulary;
use crate::work::Work;

/// The least probability of a token of the sample space, as in the published implementation: an
/// expert that is surer than the base by a factor drives others below 0.
const LEAST: f64 = 1e-8;

/// How an expert steers. The defaults are those of the published programs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContrastSettings {
    /// The strength α: 0 is the base, 1 the expert, more goes beyond it. Default: 3.
    pub strength: f32,
    /// Tokens of a reply that the expert steers. Default: 2.
    pub first: usize,
    /// The sample space has at least this many tokens: those that are among both policies' k most
    /// probable, for the smallest such k. `None` takes all tokens. Default: 5.
    pub common: Option<usize>,
}

impl Default for ContrastSettings {
    fn default() -> Self {
        Self { strength: 3.0, first: 2, common: Some(5) }
    }
}

impl ContrastSettings {
    /// Whether they can be run with.
    ///
    /// # Errors
    ///
    /// A strength that is negative or no number; a sample space of no tokens.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(self.strength >= 0.0 && self.strength.is_finite()) {
            return Err(ConfigError::OutOfRange { what: "strength", expected: "[0, ∞)", found: self.strength });
        }
        if self.common == Some(0) { Err(ConfigError::Zero { what: "common" }) } else { Ok(()) }
    }
}

/// Contrast with an expert (Xu et al. 2024, SafeDecoding, arXiv 2402.08983, §4): for the first
/// tokens of a reply the next token has probability `base + α · (expert − base)` on the tokens that
/// both policies find likely, renormalised; after them the base answers alone. The expert is the
/// base with an adapter that was trained on refusals.
///
/// Both policies are asked for a steered token, and their work is added up. The filter's temperature
/// and cuts apply to the steered distribution; its bans apply to both policies.
///
/// ```
/// use saffron_core::testing::TablePolicy;
/// use saffron_core::{CandidateFilter, Contrast, ContrastSettings, Policy};
/// // Two equally likely tokens; the expert gives the second nine tenths: ½ + 1 · (0.9 − ½).
/// let base = TablePolicy::new(vec![0.0, 0.0], vec![0]);
/// let expert = TablePolicy::new(vec![0.1f32.ln(), 0.9f32.ln()], vec![0]);
/// let session = base.session(&[1])?;
/// let settings = ContrastSettings { strength: 1.0, first: 1, common: None };
/// let mut policy = Contrast::new(base, expert, settings)?;
/// let first = policy.propose(&[session.clone()], &CandidateFilter::default())?.value.remove(0);
/// assert_eq!(first.ranked[0].token, 1);
/// assert!((first.ranked[0].logprob.exp() - 0.9).abs() < 1e-6);
/// let second = policy.propose(&[session.with_response(vec![1])?], &CandidateFilter::default())?.value.remove(0);
/// assert!((second.ranked[0].logprob.exp() - 0.5).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Contrast<B, E> {
    base: B,
    expert: E,
    settings: ContrastSettings,
}

impl<B: Policy, E: Policy> Contrast<B, E> {
    /// A base that an expert steers.
    ///
    /// # Errors
    ///
    /// Settings that cannot be run with; policies of two vocabularies.
    pub fn new(base: B, expert: E, settings: ContrastSettings) -> Result<Self, ModelError> {
        settings.check()?;
        let (expected, found) = (base.vocabulary().id(), expert.vocabulary().id());
        if expected != found {
            return Err(ModelError::VocabularyMismatch { expected, found });
        }
        Ok(Self { base, expert, settings })
    }

    /// The base.
    pub fn base(&mut self) -> &mut B {
        &mut self.base
    }

    /// Candidates of replies that are steered.
    fn steered(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        if sessions.is_empty() {
            return Ok(Reply::free(Vec::new(), 0));
        }
        let whole = CandidateFilter { temperature: 1.0, top_p: 1.0, top_k: None, min_p: 0.0, ..filter.clone() };
        let base = self.base.propose(sessions, &whole)?.with_work_of(sessions.len())?;
        let expert = self.expert.propose(sessions, &whole)?.with_work_of(sessions.len())?;
        check_lists(sessions.len(), base.value.len())?;
        check_lists(sessions.len(), expert.value.len())?;
        let size = self.base.vocabulary().size();
        let lists = base.value.iter().zip(&expert.value).zip(sessions).enumerate();
        let value = lists.map(|(place, ((base, expert), session))| {
            let logits = self.settings.logits(base, expert, size);
            let candidates = filter.apply(&logits, session.response(), place)?;
            let full = [base, expert].iter().all(|list| list.coverage == Coverage::Full);
            Ok(if full { candidates } else { Candidates { coverage: Coverage::Truncated, ..candidates } })
        });
        let value = value.collect::<Result<_, ModelError>>()?;
        let work = base.work.into_iter().zip(expert.work);
        Ok(Reply { value, work: work.map(|(one, other)| [one, other].into_iter().sum::<Work>()).collect() })
    }
}

impl ContrastSettings {
    /// The logarithms of the steered probabilities; −∞ outside the sample space. Where the policies
    /// have no token in common, the base's.
    fn logits(&self, base: &Candidates, expert: &Candidates, size: usize) -> Vec<f32> {
        let mut expert_logprob = vec![f32::NEG_INFINITY; size];
        for candidate in &expert.ranked {
            if let Some(place) = expert_logprob.get_mut(candidate.token as usize) {
                *place = candidate.logprob;
            }
        }
        let space = self.space(base, expert);
        let mut logits = vec![f32::NEG_INFINITY; size];
        for candidate in base.ranked.iter().filter(|candidate| (candidate.token as usize) < size) {
            let place = candidate.token as usize;
            logits[place] = match &space {
                None => candidate.logprob,
                Some(space) if space.contains(&candidate.token) => {
                    let (base, expert) = (f64::from(candidate.logprob).exp(), f64::from(expert_logprob[place]).exp());
                    (base + f64::from(self.strength) * (expert - base)).max(LEAST).ln() as f32
                }
                Some(_) => f32::NEG_INFINITY,
            };
        }
        logits
    }

    /// The tokens that both find likely; none if they share no token.
    fn space(&self, base: &Candidates, expert: &Candidates) -> Option<HashSet<Token>> {
        let (mut one, mut other, mut space) = (HashSet::new(), HashSet::new(), HashSet::new());
        for k in 0..base.len().max(expert.len()) {
            if self.common.is_some_and(|common| space.len() >= common) {
                break;
            }
            let [from_base, from_expert] = [base, expert].map(|list| list.ranked.get(k).map(|found| found.token));
            one.extend(from_base);
            other.extend(from_expert);
            space.extend(from_base.filter(|token| other.contains(token)));
            space.extend(from_expert.filter(|token| one.contains(token)));
        }
        (!space.is_empty()).then_some(space)
    }
}

impl<B: Policy, E: Policy> Policy for Contrast<B, E> {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.base.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.base.end_tokens()
    }

    fn reply_header(&self) -> Vec<Token> {
        self.base.reply_header()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let first = self.settings.first;
        let is_steered = |session: &Session| session.response().len() < first;
        let part = |steered: bool| sessions.iter().filter(|session| is_steered(session) == steered).cloned().collect();
        let (steered, free): (Vec<Session>, Vec<Session>) = (part(true), part(false));
        let of_steered = self.steered(&steered, filter)?;
        let of_free = match free.is_empty() {
            true => Reply::free(Vec::new(), 0),
            false => self.base.propose(&free, filter)?.with_work_of(free.len())?,
        };
        check_lists(free.len(), of_free.value.len())?;
        let [mut of_free, mut of_steered] = [of_free, of_steered].map(|reply| reply.value.into_iter().zip(reply.work));
        let in_order = sessions.iter().filter_map(|session| match is_steered(session) {
            true => of_steered.next(),
            false => of_free.next(),
        });
        let (value, work) = in_order.unzip();
        Ok(Reply { value, work })
    }
}

fn check_lists(expected: usize, found: usize) -> Result<(), ModelError> {
    match expected == found {
        true => Ok(()),
        false => Err(ModelError::BatchMismatch { what: "candidate lists of a batch", expected, found }),
    }
}

impl<B: TextPolicy, E: Policy> TextPolicy for Contrast<B, E> {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        self.base.encode(text)
    }
}

impl<B: Forget, E: Forget> Forget for Contrast<B, E> {
    fn forget(&mut self) {
        self.base.forget();
        self.expert.forget();
    }
}
