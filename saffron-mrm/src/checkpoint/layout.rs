//! The layout that a checkpoint brings.

use super::source::Checkpoint;
use crate::error::LoadError;
use crate::text::{TemplateError, TextLayout, TextTokenizer};

impl TextLayout {
    /// The layout of a checkpoint: its own chat template, or without one what its special tokens
    /// suggest. The [origin](Self::origin) says which.
    ///
    /// # Errors
    ///
    /// A template that cannot be read, or does not put a prompt between its own words.
    pub fn of_checkpoint(checkpoint: &Checkpoint, tokenizer: &TextTokenizer) -> Result<Self, LoadError> {
        match checkpoint.chat_template()? {
            Some(template) => Self::of_template(&template, &[], tokenizer).map_err(|error| refuse(checkpoint, &error)),
            None => {
                let layout = Self::guessed(tokenizer)?;
                let path = checkpoint.path().display();
                tracing::warn!(%path, layout = %layout.origin(), "no chat template: name a layout to choose it");
                Ok(layout)
            }
        }
    }
}

fn refuse(checkpoint: &Checkpoint, error: &TemplateError) -> LoadError {
    let reason = format!("{error}; name another layout");
    LoadError::Layout { name: format!("the chat template of {}", checkpoint.path().display()), reason }
}
