//! How a reward model reads a session: what it sees of it, through which conversion, in which layout.

use std::sync::Arc;

use saffron_core::{ModelError, PromptLayout, Session, Token};

use super::{Conversion, TextTokenizer};

/// Whether a reward model sees the forced beginning of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrefillUse {
    /// It does not, as in the reference implementation: the prefill is the attacker's.
    #[default]
    Hidden,
    /// It does, as the beginning of the response.
    Seen,
}

/// Renders sessions for a reward model: prompt and response, and the prefill where it is to be seen.
#[derive(Debug)]
pub(crate) struct SessionReader {
    pub(crate) tokenizer: Arc<TextTokenizer>,
    pub(crate) layout: PromptLayout,
    pub(crate) form: Conversion,
    pub(crate) prefill: PrefillUse,
}

impl SessionReader {
    /// The whole context for a model with room for `limit` tokens. Prompt and response are converted each on its own.
    pub(crate) fn context(&self, session: &Session, limit: usize) -> Result<Vec<Token>, ModelError> {
        let convert = |tokens| self.form.convert(tokens, session.vocabulary(), &self.tokenizer);
        let seen = match self.prefill {
            PrefillUse::Hidden => session.response().to_vec(),
            PrefillUse::Seen => [session.prefill(), session.response()].concat(),
        };
        self.layout.render(&convert(session.prompt())?, &convert(&seen)?, limit)
    }
}
