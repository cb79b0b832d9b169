//! How a reward model reads a session: what it sees of it, through which conversion, in which layout.

use saffron_core::{ContextLayout, ContextRenderer, ModelError, Reading, Session, Token};

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

/// Renders sessions for a model: prompt and response, and the prefill where it is to be seen.
#[derive(Debug)]
pub(crate) struct SessionReader {
    pub(crate) tokenizer: TextTokenizer,
    renderer: ContextRenderer,
    pub(crate) form: Conversion,
    pub(crate) prefill: PrefillUse,
    /// Whether control tokens among the ids of prompt and response are left out, as they are where
    /// ids go through text.
    pub(crate) words_only: bool,
}

impl SessionReader {
    pub(crate) fn new(tokenizer: &TextTokenizer, layout: impl Into<ContextLayout>, prefill: PrefillUse) -> Self {
        let renderer = ContextRenderer::new(layout);
        Self { tokenizer: tokenizer.clone(), renderer, form: Conversion::default(), prefill, words_only: false }
    }

    pub(crate) fn layout(&self) -> &ContextLayout {
        self.renderer.layout()
    }

    pub(crate) fn set_layout(&mut self, layout: impl Into<ContextLayout>) {
        self.renderer = ContextRenderer::new(layout);
    }

    /// The whole context for a model with room for `limit` tokens. A prompt of text is encoded
    /// together with the layout's words, but for the reference's form: there prompt and response go
    /// through text, each on its own.
    pub(crate) fn context(&self, session: &Session, limit: usize) -> Result<Vec<Token>, ModelError> {
        let reading =
            Reading { together: self.form == Conversion::WhenNeeded, prefill: self.prefill == PrefillUse::Seen };
        let convert = |tokens: &[Token]| {
            let mut ids = self.form.convert(tokens, session.vocabulary(), &self.tokenizer)?;
            ids.retain(|id| !self.words_only || !self.tokenizer.is_control(*id));
            Ok(ids)
        };
        self.renderer.render(session, reading, limit, convert)
    }
}
