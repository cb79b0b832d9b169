//! Published guards by name: their own prompts, the tokens that answer them, what these mean.
//!
//! Another wording would be another guard, so each prompt is the one that its makers published; the
//! file of a guard says where. A name may choose among a guard's questions: `shieldgemma` asks all
//! four policies in one batch and takes the lowest reward, `shieldgemma:hate,harassment` asks two.
//!
//! ```no_run
//! # fn main() -> Result<(), saffron_mrm::LoadError> {
//! # let device = burn::tensor::Device::flex();
//! use saffron_mrm::{GuardRewardModel, ModelOptions, guards};
//! let ask = |tokenizer: &_| guards::named("shieldgemma", tokenizer);
//! let guard = GuardRewardModel::open_with("models/shieldgemma-2b", &device, ModelOptions::default(), ask)?;
//! # Ok(())
//! # }
//! ```

mod granite_guardian;
mod harmbench;
mod qwen3guard;
mod shieldgemma;
mod template;
mod wildguard;

use crate::checkpoint::Checkpoint;
use crate::error::LoadError;
use crate::guard::{GuardQuestions, GuardTemplate};
use crate::text::TextTokenizer;

use template::{Template, refuse};

/// Llama Guard 3, whose question is ids.
const LLAMA_GUARD_3: &str = "llama-guard-3";

/// The guards in words.
const TABLE: [&Template; 8] = [
    &granite_guardian::V3_0,
    &granite_guardian::V3_2,
    &harmbench::LLAMA_2,
    &harmbench::MISTRAL,
    &qwen3guard::STRICT,
    &qwen3guard::LOOSE,
    &shieldgemma::SHIELDGEMMA,
    &wildguard::WILDGUARD,
];

/// The names of guards.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = TABLE.iter().map(|guard| guard.name).chain([LLAMA_GUARD_3]).collect();
    names.sort_unstable();
    names
}

/// The names of a guard's questions, where it has several to choose from; the first ones are asked
/// where none is chosen.
#[must_use]
pub fn questions_of(name: &str) -> Vec<&'static str> {
    let parts = |guard: &&Template| guard.parts.iter().map(|(part, _)| *part).collect();
    TABLE.iter().find(|guard| guard.name == name).map(parts).unwrap_or_default()
}

/// How the guard of a name is asked: `name`, or `name:question,question`.
///
/// # Errors
///
/// An unknown name or question; a tokenizer without the guard's control tokens, or in which an
/// answer is not one token.
pub fn named(name: &str, tokenizer: &TextTokenizer) -> Result<GuardQuestions, LoadError> {
    let (base, chosen) = match name.split_once(':') {
        Some((base, chosen)) => (base, Some(chosen)),
        None => (name, None),
    };
    if base == LLAMA_GUARD_3 {
        return match chosen {
            None => Ok(GuardTemplate::llama_guard_3(tokenizer)?.into()),
            Some(_) => Err(refuse(name, String::from("it has one question, without a name"))),
        };
    }
    let guard = TABLE.iter().find(|guard| guard.name == base);
    let guard = guard.ok_or_else(|| refuse(name, format!("unknown; the names are {}", names().join(", "))))?;
    guard.questions(tokenizer, chosen)
}

/// The guard that a checkpoint is by its chat template, which renders that guard's prompt and no
/// other's. Checkpoints of Llama Guard 3, Granite Guardian 3.2, HarmBench and `WildGuard` are not
/// recognised: they must be named. Nothing is recognised by a template that cannot be read.
#[must_use]
pub fn recognised(checkpoint: &Checkpoint) -> Option<&'static str> {
    let template = checkpoint.chat_template().ok().flatten()?;
    TABLE.iter().find(|guard| guard.is_marked(template.source())).map(|guard| guard.name)
}
