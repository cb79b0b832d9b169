//! One prompt and what has been answered to it so far. Knows no model's template: a model renders it through its own
//! [`PromptLayout`](crate::PromptLayout).

use std::fmt;
use std::sync::{Arc, Weak};

use crate::error::ModelError;
use crate::token::Token;
use crate::vocabulary::Vocabulary;

/// Identity of one search over one prompt. Models use it to tell a search's own earlier tokens from what other searches left
/// in their cache, so that attributed compute does not depend on who ran before. It decides nothing.
#[derive(Clone, Default)]
pub struct Run(Arc<()>);

impl Run {
    /// A new identity, different from every other that is alive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that does not keep the run alive; [`AskedContexts`](crate::AskedContexts) drops
    /// what belongs to runs that have gone.
    #[must_use]
    pub fn downgrade(&self) -> Weak<()> {
        Arc::downgrade(&self.0)
    }

    /// Whether both are the same run.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the weak handle was made of this very run.
    #[must_use]
    pub fn is(&self, other: &Weak<()>) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.0), other.as_ptr())
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Run")
    }
}

/// Prompt, hidden prefill and response of one conversation turn, as token ids of one vocabulary.
///
/// The prefill is what an attacker forced the reply to begin with. The policy continues it; most reward models must not see it.
///
/// A session that was made of text keeps the text of prompt and prefill, so that each model can
/// encode it together with the words of its own template. One that was made of ids has none, and
/// models put their layouts around its ids.
///
/// ```
/// use saffron_core::{PlainVocabulary, Session};
/// let session = Session::new(PlainVocabulary::shared(10), vec![1, 2])?.with_prefill(vec![7])?;
/// let longer = session.with_response(vec![3, 4])?;
/// assert_eq!((longer.prompt(), longer.prefill(), longer.response()), (&[1, 2][..], &[7][..], &[3, 4][..]));
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    vocabulary: Arc<dyn Vocabulary>,
    prompt: Arc<[Token]>,
    prefill: Arc<[Token]>,
    response: Vec<Token>,
    run: Run,
    pub(crate) prompt_text: Option<Arc<str>>,
    pub(crate) prefill_text: Option<Arc<str>>,
}

impl Session {
    /// A session with nothing answered yet.
    ///
    /// # Errors
    ///
    /// An empty prompt, or a token outside the vocabulary.
    pub fn new(vocabulary: Arc<dyn Vocabulary>, prompt: impl Into<Arc<[Token]>>) -> Result<Self, ModelError> {
        let prompt = prompt.into();
        if prompt.is_empty() {
            return Err(ModelError::EmptyPrompt);
        }
        check_range(&prompt, vocabulary.size())?;
        Ok(Self {
            vocabulary,
            prompt,
            prefill: Arc::from([]),
            response: Vec::new(),
            run: Run::new(),
            prompt_text: None,
            prefill_text: None,
        })
    }

    /// A session for a prompt in words, whose ids are those of the text alone.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of_text(
        vocabulary: Arc<dyn Vocabulary>,
        text: impl Into<Arc<str>>,
        ids: impl Into<Arc<[Token]>>,
    ) -> Result<Self, ModelError> {
        Ok(Self { prompt_text: Some(text.into()), ..Self::new(vocabulary, ids)? })
    }

    /// The session with another prompt, and its words if they are known. Prefill, response and search
    /// stay.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_prompt(
        &self,
        ids: impl Into<Arc<[Token]>>,
        text: Option<impl Into<Arc<str>>>,
    ) -> Result<Self, ModelError> {
        let Self { prompt, .. } = Self::new(self.vocabulary.clone(), ids)?;
        Ok(Self { prompt, prompt_text: text.map(Into::into), ..self.clone() })
    }

    /// The session with a forced beginning of the reply.
    ///
    /// # Errors
    ///
    /// A token outside the vocabulary.
    pub fn with_prefill(mut self, prefill: impl Into<Arc<[Token]>>) -> Result<Self, ModelError> {
        self.prefill = prefill.into();
        self.prefill_text = None;
        check_range(&self.prefill, self.vocabulary.size())?;
        Ok(self)
    }

    /// The session with a forced beginning of the reply in words, whose ids are those of the text
    /// alone.
    ///
    /// # Errors
    ///
    /// As [`with_prefill`](Self::with_prefill).
    pub fn with_prefill_text(
        self,
        text: impl Into<Arc<str>>,
        ids: impl Into<Arc<[Token]>>,
    ) -> Result<Self, ModelError> {
        let session = self.with_prefill(ids)?;
        let prefill_text = (!session.prefill.is_empty()).then(|| text.into());
        Ok(Self { prefill_text, ..session })
    }

    /// The same prompt and prefill with another response.
    ///
    /// # Errors
    ///
    /// A token outside the vocabulary.
    pub fn with_response(&self, response: Vec<Token>) -> Result<Self, ModelError> {
        check_range(&response, self.vocabulary.size())?;
        Ok(Self { response, ..self.clone() })
    }

    /// The session as the root of a new search.
    #[must_use]
    pub fn with_run(&self, run: Run) -> Self {
        Self { run, ..self.clone() }
    }

    /// The vocabulary of all its tokens.
    #[must_use]
    pub fn vocabulary(&self) -> &Arc<dyn Vocabulary> {
        &self.vocabulary
    }

    /// What the user asked.
    #[must_use]
    pub fn prompt(&self) -> &[Token] {
        &self.prompt
    }

    /// What the user asked in words, if the session was made of text.
    #[must_use]
    pub fn prompt_text(&self) -> Option<&str> {
        self.prompt_text.as_deref()
    }

    /// What the reply was forced to begin with in words, if it is not empty and was given as text.
    #[must_use]
    pub fn prefill_text(&self) -> Option<&str> {
        self.prefill_text.as_deref()
    }

    /// What the reply was forced to begin with; empty without an attack of that kind.
    #[must_use]
    pub fn prefill(&self) -> &[Token] {
        &self.prefill
    }

    /// The tokens generated so far, an end-of-sequence token included.
    #[must_use]
    pub fn response(&self) -> &[Token] {
        &self.response
    }

    /// The search that the session belongs to.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }
}

fn check_range(tokens: &[Token], size: usize) -> Result<(), ModelError> {
    match tokens.iter().find(|token| **token as usize >= size) {
        Some(token) => Err(ModelError::TokenOutOfRange { token: *token, size }),
        None => Ok(()),
    }
}
