//! From sessions to the contexts that a model reads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::ModelError;
use crate::layout::ContextLayout;
use crate::session::Session;
use crate::token::Token;

/// The most prompts whose ids are kept, and the most ids of all of them. Where there are more, all
/// are forgotten.
const MAX_PROMPTS: usize = 1024;
const MAX_TOKENS: usize = 1 << 20;

/// What of a session a model reads, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether a prompt's text is encoded together with the layout's, where both are known.
    /// Otherwise the prompt's ids are converted.
    pub together: bool,
    /// Whether the model sees the prefill.
    pub prefill: bool,
}

/// Renders sessions in a layout. Each prompt is encoded once: a search asks for the contexts of
/// many nodes over the same prompt.
///
/// ```
/// use saffron_core::{ContextRenderer, PlainVocabulary, PromptLayout, Reading, Session};
/// let layout = PromptLayout { prefix: vec![0], infix: vec![8], suffix: vec![9] };
/// let renderer = ContextRenderer::new(layout);
/// let session = Session::new(PlainVocabulary::shared(10), vec![1, 2])?.with_prefill(vec![7])?.with_response(vec![3])?;
/// let read = |prefill| renderer.render(&session, Reading { together: true, prefill }, 16, |ids| Ok(ids.to_vec()));
/// assert_eq!(read(true)?, [0, 1, 2, 8, 7, 3, 9]);
/// assert_eq!(read(false)?, [0, 1, 2, 8, 3, 9]);
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Debug)]
pub struct ContextRenderer {
    layout: ContextLayout,
    known: Mutex<KnownPrompts>,
}

impl ContextRenderer {
    /// A renderer that knows no prompt yet.
    #[must_use]
    pub fn new(layout: impl Into<ContextLayout>) -> Self {
        Self { layout: layout.into(), known: Mutex::default() }
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &ContextLayout {
        &self.layout
    }

    /// The whole context of a session, for a model with room for `limit` tokens. `convert` makes
    /// the session's ids the model's own.
    ///
    /// # Errors
    ///
    /// A prompt that cannot be encoded, ids that cannot be converted, a context past the limit.
    pub fn render(
        &self,
        session: &Session,
        reading: Reading,
        limit: usize,
        convert: impl Fn(&[Token]) -> Result<Vec<Token>, ModelError>,
    ) -> Result<Vec<Token>, ModelError> {
        let beginning = if reading.together { self.beginning(session, reading.prefill)? } else { None };
        let encoded = beginning.is_some() && session.prefill_text.is_some();
        let prefill = if reading.prefill && !encoded { session.prefill() } else { &[] };
        let answer = convert(&[prefill, session.response()].concat())?;
        let Some(beginning) = beginning else {
            return self.layout.ids().render(&convert(session.prompt())?, &answer, limit);
        };
        let parts = [&beginning[..], &answer, &self.layout.ids().suffix];
        let length = parts.iter().map(|part| part.len()).sum();
        if length > limit {
            return Err(ModelError::ContextTooLong { length, limit });
        }
        Ok(parts.concat())
    }

    /// The ids before the response, where session and layout are both of text: with the prefill, if
    /// it is to be seen and is text.
    fn beginning(&self, session: &Session, prefill: bool) -> Result<Option<Arc<[Token]>>, ModelError> {
        let (Some(prompt), Some(encoder)) = (&session.prompt_text, self.layout.text()) else { return Ok(None) };
        let key = Key { prompt: prompt.clone(), prefill: session.prefill_text.clone().filter(|_| prefill) };
        if let Some(ids) = self.known().ids.get(&key) {
            return Ok(Some(ids.clone()));
        }
        let ids: Arc<[Token]> = encoder.encode_prompt(&key.prompt, key.prefill.as_deref())?.into();
        self.known().insert(key, ids.clone());
        Ok(Some(ids))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, KnownPrompts> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prompts by their text.
#[derive(Debug, Default)]
struct KnownPrompts {
    ids: HashMap<Key, Arc<[Token]>>,
    tokens: usize,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    prompt: Arc<str>,
    prefill: Option<Arc<str>>,
}

impl KnownPrompts {
    fn insert(&mut self, key: Key, ids: Arc<[Token]>) {
        if self.ids.len() >= MAX_PROMPTS || self.tokens + ids.len() > MAX_TOKENS {
            *self = Self::default();
        }
        self.tokens += ids.len();
        self.ids.insert(key, ids);
    }
}
