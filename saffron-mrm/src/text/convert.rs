//! Token ids of one vocabulary for a model of another.

use std::sync::Arc;

use saffron_core::{ModelError, Token, Vocabulary};

use super::TextTokenizer;

/// When ids go through text on their way to a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conversion {
    /// Ids of an equal vocabulary pass as they are; others go through text.
    #[default]
    WhenNeeded,
    /// All ids go through text, as in the reference implementation: special tokens are lost, and tokens may be cut anew.
    Always,
}

impl Conversion {
    /// The ids for a model with tokenizer `to`.
    ///
    /// # Errors
    ///
    /// Ids without text, or text that cannot be encoded.
    pub fn convert(
        self,
        tokens: &[Token],
        from: &Arc<dyn Vocabulary>,
        to: &TextTokenizer,
    ) -> Result<Vec<Token>, ModelError> {
        // Vocabularies of one tokenizer may be padded to different sizes.
        let fits = tokens.iter().all(|token| (*token as usize) < to.size());
        if self == Self::WhenNeeded && from.id() == to.id() && fits {
            return Ok(tokens.to_vec());
        }
        let text = from.decode(tokens).map_err(|error| ModelError::other("decoding tokens to convert", error))?;
        to.encode(&text).map_err(|error| ModelError::other("encoding converted text", error))
    }
}
