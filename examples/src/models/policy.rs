//! A policy that runs here or behind a server: what programs need of either.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, ContextLayout, Forget, LayoutOrigin, ModelError, Policy, Reply, Session, TextPolicy,
    Token, Vocabulary,
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
    /// Changes the layout, as a conversation does before each turn.
    pub fn set_layout(&mut self, layout: impl Into<ContextLayout>) {
        match self {
            Self::Local(policy) => policy.set_layout(layout),
            Self::Served(policy, _) => policy.set_layout(layout),
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

    /// Where its layout comes from.
    #[must_use]
    pub fn layout_origin(&self) -> &LayoutOrigin {
        match self {
            Self::Local(policy) => policy.layout_origin(),
            Self::Served(policy, _) => policy.layout_origin(),
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

    fn reply_header(&self) -> Vec<Token> {
        match self {
            Self::Local(policy) => policy.reply_header(),
            Self::Served(policy, _) => policy.reply_header(),
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

impl TextPolicy for NamedPolicy {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        match self {
            Self::Local(policy) => policy.encode(text),
            Self::Served(policy, _) => policy.encode(text),
        }
    }
}

impl ComparedPolicy for NamedPolicy {
    fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        match self {
            Self::Local(policy) => policy.context(session),
            Self::Served(policy, _) => policy.context(session),
        }
    }

    fn spelled_marks(&self, prompt: &str) -> Vec<String> {
        match self {
            Self::Local(policy) => policy.layout().spelled_marks(prompt),
            Self::Served(policy, _) => policy.layout().spelled_marks(prompt),
        }
    }
}
