//! A policy that runs here or behind a server: what programs need of either.

use std::sync::Arc;

use anyhow::Result;
use saffron_core::{
    CandidateFilter, Candidates, Forget, Hypothesis, ModelError, Policy, PromptLayout, Reply, Session, Token,
    Vocabulary,
};
use saffron_mrm::LmPolicy;
use saffron_mrm::text::TextTokenizer;
use saffron_search::eval::models::ComparedPolicy;
use saffron_search::remote::RemotePolicy;

/// A policy that a command line names.
#[derive(Debug)]
pub enum NamedPolicy {
    /// A model that runs here.
    Local(Box<LmPolicy>),
    /// A served model with its tokenizer, or without: then the server tokenises.
    Served(Box<RemotePolicy>, Option<Arc<TextTokenizer>>),
}

impl NamedPolicy {
    /// A session for a prompt whose reply is forced to begin with the first `tokens` tokens of a text.
    ///
    /// # Errors
    ///
    /// An empty prompt, text that cannot be encoded, a server that does not answer.
    pub fn session(&self, prompt: &str, prefill: &str, tokens: usize) -> Result<Session, ModelError> {
        let tokenizer = match self {
            Self::Local(policy) => return policy.attacked_session(prompt, prefill, tokens),
            Self::Served(policy, None) => return policy.attacked_session(prompt, prefill, tokens),
            Self::Served(_, Some(tokenizer)) => tokenizer,
        };
        let encode = |text| tokenizer.encode(text).map_err(|error| ModelError::other("encoding a prompt", error));
        let mut prefill = encode(prefill)?;
        prefill.truncate(tokens);
        Session::new(tokenizer.clone(), encode(prompt)?)?.with_prefill(prefill)
    }

    /// The text of a response.
    ///
    /// # Errors
    ///
    /// Tokens that cannot be decoded.
    pub fn text(&self, hypothesis: &Hypothesis) -> Result<String, ModelError> {
        match self {
            Self::Local(policy) => policy.text(hypothesis),
            Self::Served(policy, _) => policy.text(hypothesis),
        }
    }

    /// The policy with another layout.
    #[must_use]
    pub fn with_layout(self, layout: PromptLayout) -> Self {
        match self {
            Self::Local(policy) => Self::Local(Box::new(policy.with_layout(layout))),
            Self::Served(policy, tokenizer) => Self::Served(Box::new(policy.with_layout(layout)), tokenizer),
        }
    }

    /// The policy with other end-of-sequence tokens.
    #[must_use]
    pub fn with_end_tokens(self, tokens: Vec<Token>) -> Self {
        match self {
            Self::Local(policy) => Self::Local(Box::new(policy.with_end_tokens(tokens))),
            Self::Served(policy, tokenizer) => Self::Served(Box::new(policy.with_end_tokens(tokens)), tokenizer),
        }
    }

    /// Its tokenizer, unless the server tokenises.
    #[must_use]
    pub fn tokenizer(&self) -> Option<&Arc<TextTokenizer>> {
        match self {
            Self::Local(policy) => Some(policy.tokenizer()),
            Self::Served(_, tokenizer) => tokenizer.as_ref(),
        }
    }

    fn inner(&mut self) -> &mut dyn Policy {
        match self {
            Self::Local(policy) => &mut **policy,
            Self::Served(policy, _) => &mut **policy,
        }
    }
}

impl Policy for NamedPolicy {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        match self {
            Self::Local(policy) => policy.vocabulary(),
            Self::Served(policy, _) => policy.vocabulary(),
        }
    }

    fn end_tokens(&self) -> Vec<Token> {
        match self {
            Self::Local(policy) => policy.end_tokens(),
            Self::Served(policy, _) => policy.end_tokens(),
        }
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.inner().propose(sessions, filter)
    }
}

impl Forget for NamedPolicy {
    fn forget(&mut self) {
        match self {
            Self::Local(policy) => policy.forget(),
            Self::Served(policy, _) => policy.forget(),
        }
    }
}

impl ComparedPolicy for NamedPolicy {
    fn attacked_session(&self, prompt: &str, prefill: &str, tokens: usize) -> Result<Session, ModelError> {
        self.session(prompt, prefill, tokens)
    }
}
