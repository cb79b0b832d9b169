//! How a reward model reads a session: what it sees of it, through which conversion, in which layout.

use std::sync::Arc;

use saffron_core::{ModelError, PromptLayout, Session, Token};

use super::{Conversion, TextTokenizer};

/// Renders sessions for a reward model: prompt and response, never the prefill.
#[derive(Debug)]
pub(crate) struct SessionReader {
    pub(crate) tokenizer: Arc<TextTokenizer>,
    pub(crate) layout: PromptLayout,
    pub(crate) form: Conversion,
}

impl SessionReader {
    /// The whole context for a model with room for `limit` tokens. Prompt and response are converted each on its own.
    pub(crate) fn context(&self, session: &Session, limit: usize) -> Result<Vec<Token>, ModelError> {
        let convert = |tokens| self.form.convert(tokens, session.vocabulary(), &self.tokenizer);
        self.layout.render(&convert(session.prompt())?, &convert(session.response())?, limit)
    }
}
