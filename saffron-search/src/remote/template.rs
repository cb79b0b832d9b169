//! A server's own chat template as a layout of ids.

use std::sync::Arc;

use saffron_core::{ContextLayout, PromptLayout, Token};
use serde_json::{Value, json};

use super::engine::Protocol;
use super::served_layout::{ServedLayout, Words};
use super::{EngineKind, RemoteError, Server};

/// Two prompts of one token each, which differ in it alone.
const MARKS: [&str; 2] = ["0", "1"];

/// Put behind a reply that goes on, to see where it ends. Its space tells whether the template
/// trims.
const MARK: &str = "~~the reply goes on~~ ";

const GIVE_TOKENIZER: &str = "give the model's tokenizer (`RemotePolicy::on`)";

impl Server {
    /// The model's chat template: prompts of text are rendered and encoded by the server. Around
    /// the ids of others stands what two rendered prompts have in common.
    ///
    /// # Errors
    ///
    /// An engine that does not render templates for others to see (SGLang), a template that does more than put a prompt between two parts.
    pub fn layout(self: &Arc<Self>) -> Result<ContextLayout, RemoteError> {
        self.layout_told(None)
    }

    /// The model's chat template, with a system prompt.
    ///
    /// # Errors
    ///
    /// As [`layout`](Self::layout); a template that takes no system prompt.
    pub fn layout_with_system(self: &Arc<Self>, system: &str) -> Result<ContextLayout, RemoteError> {
        if self.rendered(Some(system), MARKS[0], None)? == self.rendered(None, MARKS[0], None)? {
            return Err(self.setup("its chat template leaves the system prompt out", "ask without one"));
        }
        self.layout_told(Some(system))
    }

    fn layout_told(self: &Arc<Self>, system: Option<&str>) -> Result<ContextLayout, RemoteError> {
        let [one, other] = [self.rendered(system, MARKS[0], None)?, self.rendered(system, MARKS[1], None)?];
        let mark = self.tokenize(MARKS[0], false)?;
        match around(&one, &other, &mark) {
            Some(ids) => Ok(ServedLayout::layout(self, Words::Template(system.map(str::to_owned)), ids)),
            None => Err(self.setup(
                "its chat template does more than put a prompt between two parts",
                "give a layout (`RemotePolicy::on`)",
            )),
        }
    }

    /// A conversation of one prompt as ids, up to where the reply begins, or with its beginning.
    pub(super) fn rendered(
        &self,
        system: Option<&str>,
        prompt: &str,
        prefill: Option<&str>,
    ) -> Result<Vec<Token>, RemoteError> {
        let message = |role: &str, text: &str| json!({ "role": role, "content": text });
        let told = system.map(|text| message("system", text));
        let mut messages: Vec<Value> = told.into_iter().chain([message("user", prompt)]).collect();
        match self.engine() {
            EngineKind::LlamaCpp => {
                let text = match prefill {
                    None => self.applied(&messages)?,
                    Some(prefill) => {
                        let begun = format!("{prefill}{MARK}");
                        messages.extend([message("assistant", &begun), message("user", MARKS[0])]);
                        let text = self.applied(&messages)?;
                        let begun = before_mark(&text).map(str::to_owned);
                        begun.ok_or_else(|| self.setup("its chat template alters replies", GIVE_TOKENIZER))?
                    }
                };
                let (path, body) = self.engine().tokenize_rendered(&self.model().name, &text);
                self.tokens(self.post(path, &body)?)
            }
            EngineKind::Vllm => {
                messages.extend(prefill.map(|text| message("assistant", text)));
                let (model, goes_on) = (&self.model().name, prefill.is_some());
                let mut body = json!({ "model": model, "messages": messages, "add_generation_prompt": !goes_on });
                if goes_on {
                    body["continue_final_message"] = json!(true);
                }
                self.tokens(self.post("/tokenize", &body)?)
            }
            EngineKind::Sglang => Err(self.setup(
                "it does not show what its chat template makes of a prompt",
                "give a layout (`RemotePolicy::on`)",
            )),
        }
    }

    /// What llama.cpp's chat template makes of a conversation. A reply at its end it would continue
    /// without its template, so that a reply that goes on stands before another turn.
    fn applied(&self, messages: &[Value]) -> Result<String, RemoteError> {
        let mut answer = self.post("/apply-template", &json!({ "messages": messages }))?;
        match answer.get_mut("prompt").map(Value::take) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.malformed("a rendered template has no field prompt")),
        }
    }

    /// The tokens that end a reply: those of the settings, or the end-of-sequence token that the server names.
    pub(super) fn end_tokens(&self) -> Result<Vec<Token>, RemoteError> {
        if let Some(tokens) = &self.settings().end_tokens {
            return Ok(tokens.clone());
        }
        let unknown = || self.setup("it does not say what ends a reply", "say it (`RemoteSettings::end_tokens`)");
        match self.engine() {
            EngineKind::LlamaCpp => {
                let props = self.get("/props")?;
                let text = props.get("eos_token").and_then(Value::as_str).filter(|text| !text.is_empty());
                match self.tokenize(text.ok_or_else(unknown)?, true)?[..] {
                    [token] => Ok(vec![token]),
                    _ => Err(unknown()),
                }
            }
            EngineKind::Vllm | EngineKind::Sglang => Err(unknown()),
        }
    }
}

/// The text up to the end of the marked reply, as transformers' `continue_final_message` cuts it:
/// where the template trims replies, white space at the end goes, too.
fn before_mark(text: &str) -> Option<&str> {
    let place = text.rfind(MARK.trim_end())?;
    let (begun, rest) = text.split_at(place);
    Some(if rest.starts_with(MARK) { begun } else { begun.trim_end() })
}

/// What stands around a mark in two renderings that differ in it alone. A tokenizer may begin a
/// text with a space of its own, which the renderings have in common.
fn around(one: &[Token], other: &[Token], mark: &[Token]) -> Option<PromptLayout> {
    let before = common(one.iter(), other.iter());
    let behind = common(one[before..].iter().rev(), other[before.min(other.len())..].iter().rev());
    let (prefix, infix) = (&one[..before], &one[one.len() - behind..]);
    let middle = &one[before..one.len() - behind];
    let space = mark.strip_suffix(middle).filter(|_| !middle.is_empty())?;
    let prefix = prefix.strip_suffix(space)?;
    Some(PromptLayout { prefix: prefix.to_vec(), infix: infix.to_vec(), suffix: Vec::new() })
}

/// How many items two sequences have in common from where they begin.
fn common<'a>(one: impl Iterator<Item = &'a Token>, other: impl Iterator<Item = &'a Token>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}
