//! How a model wants prompt and response wrapped, as token ids. Knows no names of templates and no text.

use crate::{ModelError, Token};

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
