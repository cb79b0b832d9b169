//! Byte-level BPE, as GPT-2, Llama 3 and SmolLM have it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Bpe, Vocabulary};
use crate::checkpoint::gguf::metadata::Metadata;
use crate::error::LoadError;

/// Llama 3's words: contractions, letters, up to three digits, other signs, line ends, spaces.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The names of pre-tokenizers that are known.
const KNOWN: &str = "llama-bpe (also llama3, llama-v3), smollm or gpt-2";

pub(super) fn tokenizer(metadata: &Metadata<'_>, vocabulary: &Vocabulary<'_>) -> Result<Vec<u8>, LoadError> {
    let key = "tokenizer.ggml.merges";
    let merges = metadata.need(key, metadata.texts(key))?;
    let ids = vocabulary.ids();
    let mut pairs = Vec::with_capacity(merges.len());
    for merge in merges {
        let expected = "two pieces a merge that are tokens and make one";
        pairs.push(pair(merge, &ids).ok_or_else(|| metadata.refuse(key, expected, format!("{merge:?}")))?);
    }
    let key = "tokenizer.ggml.pre";
    let (pre_tokenizer, whole_words) = match metadata.text(key)? {
        Some("llama-bpe" | "llama3" | "llama-v3") => (sequence(split(LLAMA_3), byte_level(false)), true),
        Some("smollm") => (sequence(json!({ "type": "Digits", "individual_digits": true }), byte_level(true)), false),
        Some("gpt-2") => (byte_level(true), false),
        found => return Err(metadata.refuse(key, KNOWN, found.unwrap_or("none"))),
    };
    let model = Bpe { ignore_merges: whole_words, ..Bpe::new(&ids, &pairs) };
    let json = vocabulary.json(&model, Value::Null, pre_tokenizer, byte_level(true));
    json.map_err(LoadError::json(metadata.path()))
}

/// The two pieces of a merge, if they are tokens and so is what they make.
fn pair<'a>(merge: &'a str, ids: &HashMap<&str, usize>) -> Option<(&'a str, &'a str)> {
    let (left, right) = merge.split_once(' ')?;
    let whole = format!("{left}{right}");
    [left, right, &whole].iter().all(|piece| ids.contains_key(*piece)).then_some((left, right))
}

fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}

fn split(pattern: &str) -> Value {
    json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false })
}

fn sequence(first: Value, then: Value) -> Value {
    json!({ "type": "Sequence", "pretokenizers": [first, then] })
}
