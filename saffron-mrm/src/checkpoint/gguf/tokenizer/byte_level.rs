//! Byte-level BPE, as GPT-2 has it.

use std::collections::HashMap;

use super::pre::{self, byte_level};
use super::{Bpe, Vocabulary};
use crate::config::Metadata;
use crate::error::LoadError;

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
    let found = metadata.text(key)?;
    let Some(pre) = found.and_then(pre::named) else {
        return Err(metadata.refuse(key, pre::KNOWN, found.unwrap_or("none")));
    };
    let model = Bpe { ignore_merges: pre.whole_words, ..Bpe::new(&ids, &pairs) };
    let parts = [pre.normalizer, pre.pre_tokenizer, byte_level(true)];
    let json = Vocabulary::json(&model, vocabulary.added(|_, _| false), parts);
    json.map_err(LoadError::json(metadata.path()))
}

/// The two pieces of a merge, if they are tokens and so is what they make.
fn pair<'a>(merge: &'a str, ids: &HashMap<&str, usize>) -> Option<(&'a str, &'a str)> {
    let (left, right) = merge.split_once(' ')?;
    let whole = format!("{left}{right}");
    [left, right, &whole].iter().all(|piece| ids.contains_key(*piece)).then_some((left, right))
}
