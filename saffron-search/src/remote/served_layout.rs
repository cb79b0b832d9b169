//! What stands around a prompt, where the server tokenises.

use std::sync::Arc;

use saffron_core::{ContextLayout, LayoutOrigin, ModelError, PromptEncoder, PromptLayout, Token};

use super::engine::Protocol;
use super::spelling::{may_spell, spellings};
use super::{RemoteError, Server};

/// A layout whose prompts the server encodes together with the layout's words.
#[derive(Debug)]
pub(super) struct ServedLayout {
    server: Arc<Server>,
    words: Words,
    /// For prompts that must not be encoded together with anything: they would become special
    /// tokens.
    ids: PromptLayout,
}

/// What the words are.
#[derive(Debug)]
pub(super) enum Words {
    /// The server's chat template, with what the system is told.
    Template(Option<String>),
    /// Before and behind the prompt, behind what begins a context.
    Around { begin: Vec<Token>, words: [String; 2] },
}

impl ServedLayout {
    pub(super) fn layout(server: &Arc<Server>, words: Words, ids: PromptLayout) -> ContextLayout {
        let origin = match words {
            Words::Template(_) => LayoutOrigin::Template,
            Words::Around { .. } => LayoutOrigin::Given,
        };
        ContextLayout::of_text(ids.clone(), Arc::new(Self { server: server.clone(), words, ids }), origin)
    }

    fn together(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, RemoteError> {
        match &self.words {
            Words::Template(system) => self.server.rendered(system.as_deref(), prompt, prefill),
            Words::Around { begin, words: [prefix, infix] } => {
                let text = format!("{prefix}{prompt}{infix}{}", prefill.unwrap_or_default());
                Ok([&begin[..], &self.server.ids_of(&text, true)?].concat())
            }
        }
    }

    fn apart(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, RemoteError> {
        let said = |text| self.server.tokenize(text, false);
        let prefill = prefill.map_or(Ok(Vec::new()), said)?;
        Ok([&self.ids.prefix[..], &said(prompt)?, &self.ids.infix, &prefill].concat())
    }

    /// Whether a text spells a special token by itself.
    fn spells_special(&self, text: &str) -> Result<bool, RemoteError> {
        if self.server.engine().tells_text_from_markup() {
            return Ok(self.server.ids_of(text, true)? != self.server.ids_of(text, false)?);
        }
        for place in spellings(text) {
            if self.server.special(&text[place])?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The ids of everything before the response. Brackets in what is said must neither spell a
    /// special token nor change what stands beside them.
    fn encode(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, RemoteError> {
        for text in [Some(prompt), prefill].into_iter().flatten() {
            if self.spells_special(text)? {
                return self.apart(prompt, prefill);
            }
        }
        let ids = self.together(prompt, prefill)?;
        let bracketed = [Some(prompt), prefill].into_iter().flatten().any(may_spell);
        let PromptLayout { prefix, infix, .. } = &self.ids;
        let kept = ids.starts_with(prefix) && (prefill.is_some() || ids.ends_with(infix));
        if bracketed && !kept { self.apart(prompt, prefill) } else { Ok(ids) }
    }
}

impl PromptEncoder for ServedLayout {
    fn encode_prompt(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, ModelError> {
        Ok(self.encode(prompt, prefill)?)
    }
}
