//! SentencePiece's BPE, as Llama 2 and Mistral have it: pieces with scores, from which the merges follow.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{UNKNOWN, Vocabulary};
use crate::LoadError;
use crate::checkpoint::gguf::metadata::Metadata;

/// What stands for a space in a piece.
const SPACE: &str = "\u{2581}";
/// Longest piece, in bytes, that is made of others, and most ways to make them: more than any vocabulary has.
const MAX_PIECE: usize = 256;
const MAX_MERGES: usize = 8 << 20;

pub(super) fn tokenizer(metadata: &Metadata<'_>, vocabulary: &Vocabulary<'_>) -> Result<Value, LoadError> {
    let key = "tokenizer.ggml.scores";
    let scores = metadata.need(key, metadata.reals(key))?;
    if scores.len() != vocabulary.tokens.len() {
        let expected = format!("a score for each of {} tokens", vocabulary.tokens.len());
        return Err(metadata.refuse(key, expected, scores.len()));
    }
    let merges = merges(vocabulary, &scores);
    let merges = merges
        .ok_or_else(|| metadata.refuse("tokenizer.ggml.tokens", "pieces of a language", "too many of each other"))?;
    let unknown = vocabulary.kinds.iter().position(|kind| *kind == UNKNOWN).map(|id| vocabulary.tokens[id]);
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null, "end_of_word_suffix": null,
        "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
        "vocab": vocabulary.ids(), "merges": merges,
    });
    let replace = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
    let mut normalizers = vec![replace(" ", SPACE)];
    let mut decoders = vec![replace(SPACE, " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
    if metadata.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true) {
        normalizers.insert(0, json!({ "type": "Prepend", "prepend": SPACE }));
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    let normalizer = json!({ "type": "Sequence", "normalizers": normalizers });
    Ok(vocabulary.json(model, normalizer, Value::Null, json!({ "type": "Sequence", "decoders": decoders })))
}

/// Every way to make a piece of two others, the pieces with the highest scores first: the order in which SentencePiece joins neighbours. None where
/// there are too many.
fn merges(vocabulary: &Vocabulary<'_>, scores: &[f32]) -> Option<Vec<[String; 2]>> {
    let normal = |id: &usize| vocabulary.is_normal(*id);
    let pieces: HashMap<&str, usize> =
        (0..scores.len()).rev().filter(normal).map(|id| (vocabulary.tokens[id], id)).collect();
    let short = |id: &usize| vocabulary.tokens[*id].len() <= MAX_PIECE;
    let mut order: Vec<usize> = (0..scores.len()).filter(normal).filter(short).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]).then(one.cmp(other)));
    let mut merges = Vec::new();
    for id in order {
        let piece = vocabulary.tokens[id];
        let splits = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
        let mut found: Vec<(usize, usize)> =
            splits.filter_map(|(left, right)| Some((*pieces.get(left)?, *pieces.get(right)?))).collect();
        if merges.len() + found.len() > MAX_MERGES {
            return None;
        }
        found.sort_unstable();
        merges
            .extend(found.into_iter().map(|(l, r)| [vocabulary.tokens[l].to_owned(), vocabulary.tokens[r].to_owned()]));
    }
    Some(merges)
}
