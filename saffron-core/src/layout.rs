//! How a model wants prompt and response wrapped. Knows no templates and no tokenizers.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::ModelError;
use crate::token::Token;

/// `prefix + prompt + infix + response + suffix`: the ids around what the user and the policy wrote.
///
/// ```
/// use saffron_core::PromptLayout;
/// let layout = PromptLayout { prefix: vec![0], infix: vec![8, 9], suffix: vec![5] };
/// assert_eq!(layout.render(&[1, 2], &[3], 16)?, [0, 1, 2, 8, 9, 3, 5]);
/// assert!(layout.render(&[1, 2], &[3], 6).is_err());
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PromptLayout {
    /// Ids before the prompt.
    pub prefix: Vec<Token>,
    /// Ids between prompt and response.
    pub infix: Vec<Token>,
    /// Ids after the response. A policy has none.
    pub suffix: Vec<Token>,
}

impl PromptLayout {
    /// The whole context of a model with room for `limit` tokens.
    ///
    /// # Errors
    ///
    /// [`ModelError::EmptyPrompt`] without a prompt, [`ModelError::ContextTooLong`] past the limit.
    pub fn render(&self, prompt: &[Token], response: &[Token], limit: usize) -> Result<Vec<Token>, ModelError> {
        if prompt.is_empty() {
            return Err(ModelError::EmptyPrompt);
        }
        let parts = [&self.prefix, prompt, &self.infix, response, &self.suffix];
        let length = parts.iter().map(|part| part.len()).sum();
        if length > limit {
            return Err(ModelError::ContextTooLong { length, limit });
        }
        Ok(parts.concat())
    }
}

/// Encodes a prompt together with the words of a layout, as one text: what a tokenizer makes of a
/// word depends on what stands beside it.
pub trait PromptEncoder: fmt::Debug + Send + Sync {
    /// The ids of everything before the response: what stands before the prompt, the prompt, what
    /// stands behind it, and the forced beginning of the response, if there is one. Nothing in
    /// prompt and prefill becomes a special token.
    ///
    /// # Errors
    ///
    /// Text that cannot be encoded, or that the layout does not take.
    fn encode_prompt(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, ModelError>;

    /// The marks of turns that the layout writes as plain text and that a prompt spells: to the
    /// model a turn begins or ends there. None by default.
    fn spelled_marks(&self, prompt: &str) -> Vec<String> {
        let _ = prompt;
        Vec::new()
    }
}

/// Where a layout comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutOrigin {
    /// The model's own chat template.
    Template,
    /// A layout of this name, chosen because the model has no template and its special tokens
    /// suggest it. Programs warn.
    Guessed(Cow<'static, str>),
    /// A layout of this name, as the caller wanted.
    Named(Cow<'static, str>),
    /// Whatever the caller gave.
    Given,
}

impl fmt::Display for LayoutOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template => f.write_str("the model's chat template"),
            Self::Guessed(name) => write!(f, "{name}, guessed from the special tokens"),
            Self::Named(name) => f.write_str(name),
            Self::Given => f.write_str("given"),
        }
    }
}

/// What stands around prompt and response: as ids, for sessions made of ids, and where it is known
/// also as text, for sessions made of text.
#[derive(Clone, Debug)]
pub struct ContextLayout {
    ids: PromptLayout,
    text: Option<Arc<dyn PromptEncoder>>,
    origin: LayoutOrigin,
}

impl ContextLayout {
    /// A layout of text: `ids` is the same for sessions made of ids, and has the suffix of all.
    #[must_use]
    pub fn of_text(ids: PromptLayout, text: Arc<dyn PromptEncoder>, origin: LayoutOrigin) -> Self {
        Self { ids, text: Some(text), origin }
    }

    /// A layout of ids, which is put around the ids of all sessions.
    #[must_use]
    pub fn of_ids(ids: PromptLayout, origin: LayoutOrigin) -> Self {
        Self { ids, text: None, origin }
    }

    /// The layout of sessions made of ids.
    #[must_use]
    pub fn ids(&self) -> &PromptLayout {
        &self.ids
    }

    /// What encodes the prompts of sessions made of text, if the layout is of text.
    #[must_use]
    pub fn text(&self) -> Option<&Arc<dyn PromptEncoder>> {
        self.text.as_ref()
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &LayoutOrigin {
        &self.origin
    }

    /// The marks of turns that it writes as plain text and that a prompt spells; see
    /// [`PromptEncoder::spelled_marks`].
    #[must_use]
    pub fn spelled_marks(&self, prompt: &str) -> Vec<String> {
        self.text.as_ref().map(|text| text.spelled_marks(prompt)).unwrap_or_default()
    }

    /// The ids of everything before the response. A prompt whose text is known is encoded together
    /// with the words around it, where the layout is of text; otherwise its ids stand between the
    /// layout's.
    ///
    /// ```
    /// use saffron_core::{ContextLayout, PromptLayout};
    /// let layout = ContextLayout::from(PromptLayout { prefix: vec![0], infix: vec![8], suffix: vec![9] });
    /// assert_eq!(layout.context(&[1, 2], Some("one two"))?, [0, 1, 2, 8]);
    /// # Ok::<(), saffron_core::ModelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Text that cannot be encoded.
    pub fn context(&self, prompt: &[Token], text: Option<&str>) -> Result<Vec<Token>, ModelError> {
        match (text, &self.text) {
            (Some(text), Some(encoder)) => encoder.encode_prompt(text, None),
            _ => Ok([&self.ids.prefix[..], prompt, &self.ids.infix].concat()),
        }
    }
}

impl From<PromptLayout> for ContextLayout {
    fn from(ids: PromptLayout) -> Self {
        Self::of_ids(ids, LayoutOrigin::Given)
    }
}
