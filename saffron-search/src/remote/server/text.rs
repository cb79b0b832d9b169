//! Texts as ids, and ids as texts, by the server's tokenizer.

use std::sync::PoisonError;

use saffron_core::Token;
use serde_json::Value;

use super::Server;
use crate::remote::RemoteError;
use crate::remote::engine::Protocol;
use crate::remote::spelling::spellings;

/// The most spellings that are kept in mind.
const MAX_SPELLINGS: usize = 4096;

impl Server {
    /// The ids of a text, without any that would be added. With `markup`, special tokens that it
    /// spells are special; without, they are letters. vLLM and SGLang cannot be told so: where
    /// their ids of the text hold a special token, the text goes in parts that spell none. Special
    /// tokens are looked for as `<…>` and `[…]`, as these engines' models spell them.
    ///
    /// # Errors
    ///
    /// As every request; an id that is none.
    pub fn tokenize(&self, text: &str, markup: bool) -> Result<Vec<Token>, RemoteError> {
        let ids = self.ids_of(text, markup)?;
        if markup || self.engine.tells_text_from_markup() {
            return Ok(ids);
        }
        let (mut parts, mut begin) = (Vec::new(), 0);
        for place in spellings(text) {
            if self.special(&text[place.clone()])?.is_some_and(|token| ids.contains(&token)) {
                parts.push(&text[begin..=place.start]);
                begin = place.start + 1;
            }
        }
        if parts.is_empty() {
            return Ok(ids);
        }
        parts.push(&text[begin..]);
        Ok(parts.into_iter().map(|part| self.ids_of(part, false)).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The answer to one request for the ids of a text.
    pub(in crate::remote) fn ids_of(&self, text: &str, markup: bool) -> Result<Vec<Token>, RemoteError> {
        let (path, body) = self.engine.tokenize(&self.model.name, text, markup);
        self.tokens(self.post(path, &body)?)
    }

    /// The ids of a layout's own text behind another one. A tokenizer that begins every text with a
    /// space does not do so here.
    pub(in crate::remote) fn markup_behind(&self, before: &str, text: &str) -> Result<Vec<Token>, RemoteError> {
        let (alone, both) = (self.ids_of(before, true)?, self.ids_of(&format!("{before}{text}"), true)?);
        match both.strip_prefix(&alone[..]) {
            Some(behind) => Ok(behind.to_vec()),
            None => self.ids_of(text, true),
        }
    }

    /// The special token of this spelling, if it is one: then the server has one id for it. Each
    /// spelling is asked for once.
    pub(in crate::remote) fn special(&self, spelling: &str) -> Result<Option<Token>, RemoteError> {
        let known = || self.special.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = known().get(spelling) {
            return Ok(*token);
        }
        let token = match self.ids_of(spelling, true)?[..] {
            [token] => Some(token),
            _ => None,
        };
        let mut known = known();
        if known.len() >= MAX_SPELLINGS {
            known.clear();
        }
        known.insert(spelling.to_owned(), token);
        Ok(token)
    }

    /// The text of ids.
    ///
    /// # Errors
    ///
    /// As every request.
    pub(crate) fn detokenize(&self, tokens: &[Token]) -> Result<String, RemoteError> {
        let ((path, body), field) = self.engine.detokenize(&self.model.name, tokens);
        let mut answer = self.post(path, &body)?;
        match answer.get_mut(field).map(Value::take) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.malformed(&format!("the text of ids has no field {field}"))),
        }
    }

    /// The ids of an answer to [`tokenize`](Self::tokenize).
    pub(in crate::remote) fn tokens(&self, mut answer: Value) -> Result<Vec<Token>, RemoteError> {
        let tokens = answer.get_mut("tokens").map(Value::take).unwrap_or_default();
        serde_json::from_value(tokens).map_err(|error| self.malformed(&format!("the ids of a text: {error}")))
    }
}
