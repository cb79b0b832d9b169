//! Prompt layouts by name. Written as markup that the model's own tokenizer turns into ids, so that
//! one name serves every model that has its control tokens.

use saffron_core::PromptLayout;

use super::llama3::FIRST_LLAMA3_CONTROL;
use super::{TextLayout, TextTokenizer, llama_guard_3};
use crate::error::LoadError;

/// The names of layouts that need no template.
pub const LAYOUT_NAMES: [&str; 6] = ["chatml", "llama3", "llama3.2", "llama-guard-3", "mrm", "plain"];

/// The name of the layout that is a checkpoint's own chat template. [`layout`] does not know it: it
/// takes a template.
pub const TEMPLATE: &str = "template";

/// A layout of a name.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// The ids that a model was trained on.
    Ids(PromptLayout),
    /// Markup around the prompt.
    Words {
        /// The text begins with the tokenizer's beginning-of-sequence token, if it has one.
        bos: bool,
        prefix: &'static str,
        infix: &'static str,
    },
}

const CHATML: Named =
    Named::Words { bos: false, prefix: "<|im_start|>user\n", infix: "<|im_end|>\n<|im_start|>assistant\n" };

const LLAMA3: Named = Named::Words {
    bos: true,
    prefix: "<|start_header_id|>user<|end_header_id|>\n\n",
    infix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
};

/// Llama 3.2 puts two dates before the conversation; the second is fixed here, as in the reference, so that prompts do not change daily.
const LLAMA3_2: Named = Named::Words {
    bos: true,
    prefix: "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 15 May 2025\n\n\
             <|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
    infix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
};

/// The bare form that multifurcation reward models are trained on.
const MRM: Named = Named::Words { bos: true, prefix: "\n\nUser:", infix: "\n\nAgent:" };

const PLAIN: Named = Named::Words { bos: true, prefix: "", infix: "" };

/// The ids of the layout of this name, for a model with this tokenizer.
///
/// # Errors
///
/// An unknown name, or a tokenizer without a control token of the layout.
pub fn layout(name: &str, tokenizer: &TextTokenizer) -> Result<PromptLayout, LoadError> {
    Ok(TextLayout::named(name, tokenizer)?.ids().clone())
}

/// The name of the layout that a tokenizer's control tokens suggest.
pub(super) fn guess(tokenizer: &TextTokenizer) -> &'static str {
    let has = |token| is_control(tokenizer, token);
    if has("<|start_header_id|>") {
        "llama3"
    } else if has("<|im_start|>") {
        "chatml"
    } else {
        "plain"
    }
}

/// Whether a text is a control token: what a user says never becomes it.
fn is_control(tokenizer: &TextTokenizer, token: &str) -> bool {
    tokenizer.token_id(token).is_some_and(|id| tokenizer.is_control(id))
}

fn refuse(name: &str, reason: String) -> LoadError {
    LoadError::Layout { name: name.to_owned(), reason }
}

/// The ids of the guard's question mean something in the Llama 3 vocabulary only.
fn guard_layout(name: &str, tokenizer: &TextTokenizer) -> Result<PromptLayout, LoadError> {
    let (safe, not_safe) = super::llama_guard_answers();
    if tokenizer.token_id("safe") == Some(safe) && tokenizer.token_id("unsafe") == Some(not_safe) {
        let layout = llama_guard_3();
        let mut marks = layout.prefix.iter().chain(&layout.suffix).filter(|id| **id >= FIRST_LLAMA3_CONTROL);
        return match marks.find(|id| !tokenizer.is_control(**id)) {
            Some(id) => Err(refuse(name, format!("{id} is no special token of this tokenizer"))),
            None => Ok(layout),
        };
    }
    Err(refuse(name, format!("it needs the Llama 3 vocabulary, in which safe and unsafe are {safe} and {not_safe}")))
}

impl Named {
    /// The layout of a name, whose marks are all control tokens of the tokenizer: in ordinary
    /// words, the model would see no turns, and a user could write them.
    pub(super) fn find(name: &str, tokenizer: &TextTokenizer) -> Result<(&'static str, Self), LoadError> {
        let known = LAYOUT_NAMES.into_iter().find(|known| *known == name);
        let known = known.ok_or_else(|| refuse(name, format!("unknown; the names are {}", LAYOUT_NAMES.join(", "))))?;
        let layout = match known {
            "chatml" => CHATML,
            "llama3" => LLAMA3,
            "llama3.2" => LLAMA3_2,
            "mrm" => MRM,
            "llama-guard-3" => Self::Ids(guard_layout(known, tokenizer)?),
            _ => PLAIN,
        };
        if let Self::Words { prefix, infix, .. } = &layout {
            for token in special_tokens(prefix).chain(special_tokens(infix)) {
                if tokenizer.token_id(token).is_none() {
                    return Err(refuse(known, format!("the tokenizer has no token {token}")));
                }
                if !is_control(tokenizer, token) {
                    return Err(refuse(known, format!("{token} is no special token of this tokenizer")));
                }
            }
        }
        Ok((known, layout))
    }
}

/// The special tokens that a markup spells.
fn special_tokens(markup: &str) -> impl Iterator<Item = &str> {
    markup.match_indices("<|").filter_map(|(start, _)| {
        let end = markup[start..].find("|>")? + start + 2;
        Some(&markup[start..end])
    })
}
