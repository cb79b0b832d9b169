//! A policy with explicit distributions.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::filter::CandidateFilter;
use crate::flops::{DecoderShape, Sliding};
use crate::policy::Policy;
use crate::reply::Reply;
use crate::session::Session;
use crate::token::Token;
use crate::vocabulary::{PlainVocabulary, Vocabulary};
use crate::work::{Forwarded, Work};

/// A policy whose logits are looked up by the response so far; what the table lacks gets the default row.
///
/// It costs what a one-layer decoder of width one would, from an empty cache, so that budgets can be tested.
///
/// ```
/// use saffron_core::testing::TablePolicy;
/// use saffron_core::{CandidateFilter, Policy};
/// let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]).with_row(vec![2], vec![5.0, 0.0, 0.0]);
/// let session = policy.session(&[1])?.with_response(vec![2])?;
/// let candidates = policy.propose(&[session], &CandidateFilter::default())?.value.remove(0);
/// assert_eq!(candidates.ranked[0].token, 0);
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TablePolicy {
    vocabulary: Arc<dyn Vocabulary>,
    end_tokens: Vec<Token>,
    reply_header: Vec<Token>,
    default: Vec<f32>,
    rows: BTreeMap<Vec<Token>, Vec<f32>>,
}

impl TablePolicy {
    /// A policy with the same logits everywhere; the vocabulary is as large as the row.
    #[must_use]
    pub fn new(default: Vec<f32>, end_tokens: Vec<Token>) -> Self {
        let vocabulary = PlainVocabulary::shared(default.len());
        Self { vocabulary, end_tokens, reply_header: Vec::new(), default, rows: BTreeMap::new() }
    }

    /// A vocabulary of the same size that knows text.
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: Arc<dyn Vocabulary>) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// A header of replies. It costs nothing and is no part of the responses that rows are looked up
    /// by.
    #[must_use]
    pub fn with_reply_header(mut self, header: Vec<Token>) -> Self {
        self.reply_header = header;
        self
    }

    /// Other logits after one response.
    #[must_use]
    pub fn with_row(mut self, response: Vec<Token>, logits: Vec<f32>) -> Self {
        self.rows.insert(response, logits);
        self
    }

    /// A session over the policy's vocabulary.
    ///
    /// # Errors
    ///
    /// An empty prompt or a token outside the vocabulary.
    pub fn session(&self, prompt: &[Token]) -> Result<Session, ModelError> {
        Session::new(self.vocabulary.clone(), prompt)
    }
}

/// The cost of a context computed from scratch by a decoder whose every width is one.
pub(super) fn work_from_scratch(tokens: usize) -> Work {
    let shape = DecoderShape {
        layers: 1,
        hidden: 1,
        q: 1,
        kv: 1,
        intermediate: 1,
        vocab: 1,
        lora_per_token: 0,
        lora_per_output: 0,
        sliding: Sliding::NONE,
    };
    let forwarded: Forwarded = shape.continuation(0, tokens as u64, 1);
    Work { asked: tokens as u64, computed: forwarded, attributed: forwarded, ..Work::default() }
}

impl Policy for TablePolicy {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.end_tokens.clone()
    }

    fn reply_header(&self) -> Vec<Token> {
        self.reply_header.clone()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let propose = |(place, session): (usize, &Session)| {
            let logits = self.rows.get(session.response()).unwrap_or(&self.default);
            filter.apply(logits, session.response(), place)
        };
        let value = sessions.iter().enumerate().map(propose).collect::<Result<_, _>>()?;
        let length = |session: &Session| session.prompt().len() + session.prefill().len() + session.response().len();
        Ok(Reply { value, work: sessions.iter().map(|session| work_from_scratch(length(session))).collect() })
    }
}
