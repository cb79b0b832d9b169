//! Prompt layouts by name. Written as markup that the model's own tokenizer turns into ids, so that one name serves every model that
//! knows its special tokens.

use saffron_core::PromptLayout;

use super::{TextTokenizer, llama_guard_3};
use crate::LoadError;

/// The names that [`layout`] knows.
pub const LAYOUT_NAMES: [&str; 6] = ["chatml", "llama3", "llama3.2", "llama-guard-3", "mrm", "plain"];

/// A layout as markup.
struct Markup {
    /// The text begins with the tokenizer's beginning-of-sequence token, if it has one.
    bos: bool,
    prefix: &'static str,
    infix: &'static str,
}

const CHATML: Markup =
    Markup { bos: false, prefix: "<|im_start|>user\n", infix: "<|im_end|>\n<|im_start|>assistant\n" };

const LLAMA3: Markup = Markup {
    bos: true,
    prefix: "<|start_header_id|>user<|end_header_id|>\n\n",
    infix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
};

/// Llama 3.2 puts two dates before the conversation; the second is fixed here, as in the reference, so that prompts do not change daily.
const LLAMA3_2: Markup = Markup {
    bos: true,
    prefix: "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 15 May 2025\n\n\
             <|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
    infix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
};

/// The bare form that multifurcation reward models are trained on.
const MRM: Markup = Markup { bos: true, prefix: "\n\nUser:", infix: "\n\nAgent:" };

const PLAIN: Markup = Markup { bos: true, prefix: "", infix: "" };

/// The layout of this name for a model with this tokenizer.
///
/// # Errors
///
/// An unknown name, or a tokenizer that lacks a special token of the layout.
pub fn layout(name: &str, tokenizer: &TextTokenizer) -> Result<PromptLayout, LoadError> {
    let markup = match name {
        "chatml" => CHATML,
        "llama3" => LLAMA3,
        "llama3.2" => LLAMA3_2,
        "mrm" => MRM,
        "plain" => PLAIN,
        "llama-guard-3" => return guard_layout(name, tokenizer),
        _ => return Err(refuse(name, format!("unknown; the names are {}", LAYOUT_NAMES.join(", ")))),
    };
    markup.render(name, tokenizer)
}

/// The layout that a tokenizer's special tokens speak for: ChatML, Llama 3, or none at all.
///
/// # Errors
///
/// A tokenizer that cannot encode the layout.
pub fn default_layout(tokenizer: &TextTokenizer) -> Result<PromptLayout, LoadError> {
    let has = |token| tokenizer.token_id(token).is_some();
    let name = if has("<|start_header_id|>") {
        "llama3"
    } else if has("<|im_start|>") {
        "chatml"
    } else {
        "plain"
    };
    layout(name, tokenizer)
}

fn refuse(name: &str, reason: String) -> LoadError {
    LoadError::Layout { name: name.to_owned(), reason }
}

/// The ids of the guard's question mean something in the Llama 3 vocabulary only.
fn guard_layout(name: &str, tokenizer: &TextTokenizer) -> Result<PromptLayout, LoadError> {
    let (safe, not_safe) = super::llama_guard_answers();
    if tokenizer.token_id("safe") == Some(safe) && tokenizer.token_id("unsafe") == Some(not_safe) {
        return Ok(llama_guard_3());
    }
    Err(refuse(name, format!("it needs the Llama 3 vocabulary, in which safe and unsafe are {safe} and {not_safe}")))
}

impl Markup {
    fn render(&self, name: &str, tokenizer: &TextTokenizer) -> Result<PromptLayout, LoadError> {
        for token in special_tokens(self.prefix).chain(special_tokens(self.infix)) {
            if tokenizer.token_id(token).is_none() {
                return Err(refuse(name, format!("the tokenizer has no token {token}")));
            }
        }
        let encode = |text| tokenizer.encode_markup(text).map_err(|error| refuse(name, error.to_string()));
        let bos = if self.bos { tokenizer.bos() } else { None };
        let prefix = bos.into_iter().chain(encode(self.prefix)?).collect();
        Ok(PromptLayout { prefix, infix: encode(self.infix)?, suffix: Vec::new() })
    }
}

/// The special tokens that a markup spells.
fn special_tokens(markup: &str) -> impl Iterator<Item = &str> {
    markup.match_indices("<|").filter_map(|(start, _)| {
        let end = markup[start..].find("|>")? + start + 2;
        Some(&markup[start..end])
    })
}
