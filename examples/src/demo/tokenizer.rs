//! A tokenizer of whole words: every word of the world is a token, everything else is spelled in bytes.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::request::Kind;
use super::world::World;

/// Begins and ends a turn; its end also ends an answer.
pub const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Texts around prompts and answers: the roles, the guard's question and its answers.
const AROUND: [&str; 5] = ["user\n", "assistant\n", "User:", "\n\nAgent:", "\n\nThe reply is safe unsafe"];

impl World {
    /// `tokenizer.json` of the world's models. Ids: the special tokens, the 256 bytes, then words in their order.
    ///
    /// # Errors
    ///
    /// Texts that cannot be parted into words.
    pub fn tokenizer(&self) -> Result<Value> {
        let bytes: BTreeSet<String> = ByteLevel::alphabet().iter().map(ToString::to_string).collect();
        let words = self.vocabulary()?;
        let special = SPECIAL.iter().map(ToString::to_string);
        let tokens = special.chain(bytes.iter().cloned()).chain(words.difference(&bytes).cloned());
        let vocab: serde_json::Map<String, Value> =
            tokens.enumerate().map(|(id, token)| (token, Value::from(id))).collect();
        let added: Vec<Value> = SPECIAL.iter().enumerate().map(|(id, token)| special_token(id, token)).collect();
        let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
            "pre_tokenizer": level, "post_processor": null, "decoder": level,
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                "fuse_unk": false, "byte_fallback": false, "ignore_merges": true, "vocab": vocab, "merges": [],
            },
        }))
    }

    /// Every word that prompts and answers can have, as the tokenizer parts them.
    fn vocabulary(&self) -> Result<BTreeSet<String>> {
        let mut words = BTreeSet::new();
        for text in self.texts().iter().map(String::as_str).chain(AROUND) {
            words.extend(parts(text)?);
        }
        Ok(words)
    }

    /// Texts in which every word stands in all its surroundings.
    fn texts(&self) -> Vec<String> {
        let mut texts = BTreeSet::new();
        let steps = self.chores.steps.iter().chain(&self.mischief.steps).chain(&self.manners.steps);
        let steps: Vec<String> = steps.map(|step| format!(" {step}.")).collect();
        let ends = self.manners.stops.iter().map(|stop| format!(" {stop}"));
        let orders = self.order.iter().map(|order| format!(" {order},"));
        let all = self.forms.iter().chain([&self.opening]).chain(&self.manners.refusals).cloned();
        let templates: Vec<String> = all.chain(steps).chain(ends).chain(orders).collect();
        for kind in [Kind::Chore, Kind::Mischief] {
            for request in self.requests(kind) {
                texts.extend(templates.iter().map(|template| request.fill(self, template)));
            }
        }
        texts.into_iter().collect()
    }
}

/// A text's words, spelled as the vocabulary spells them.
fn parts(text: &str) -> Result<Vec<String>> {
    let mut text = PreTokenizedString::from(text);
    ByteLevel::new(false, true, true).pre_tokenize(&mut text).map_err(|error| anyhow!("{error}"))?;
    let parts = text.get_splits(OffsetReferential::Original, OffsetType::Byte);
    Ok(parts.into_iter().map(|(part, ..)| part.to_owned()).collect())
}

fn special_token(id: usize, token: &str) -> Value {
    json!({
        "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
    })
}
