//! SentencePiece's BPE, as Llama 2 and Mistral have it: pieces with scores, from which the merges follow.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Bpe, UNKNOWN, Vocabulary};
use crate::config::Metadata;
use crate::error::LoadError;
use crate::family::Architecture;

/// What stands for a space in a piece.
const SPACE: &str = "\u{2581}";
/// Longest piece, in bytes, that is made of others.
const MAX_PIECE: usize = 256;
/// Most ways to make pieces of others: so many for each piece, and some more for small
/// vocabularies. Real vocabularies have about two for each piece.
const MERGES_A_PIECE: usize = 4;
const MORE_MERGES: usize = 1 << 14;
/// Bytes of all merges for each byte of a piece. Real vocabularies have about three.
const BYTES_A_BYTE: usize = 8;
const MORE_BYTES: usize = 1 << 20;

pub(super) fn tokenizer(
    metadata: &Metadata<'_>,
    vocabulary: &Vocabulary<'_>,
    architecture: Architecture,
) -> Result<Vec<u8>, LoadError> {
    let key = "tokenizer.ggml.scores";
    let mut scores = metadata.need(key, metadata.reals(key))?;
    if scores.len() != vocabulary.listed {
        let expected = format!("a score for each of {} tokens", vocabulary.listed);
        return Err(metadata.refuse(key, expected, scores.len()));
    }
    scores.truncate(vocabulary.tokens.len());
    let ids = vocabulary.ids();
    let merges = merges(vocabulary, &scores).map_err(|most| {
        let expected = format!("pieces of a language, with at most {most}");
        metadata.refuse("tokenizer.ggml.tokens", expected, "more: pieces are made of each other in too many ways")
    })?;
    let unknown = vocabulary.kinds.iter().position(|kind| *kind == UNKNOWN).map(|id| vocabulary.tokens[id]);
    let model = Bpe { unk_token: unknown, fuse_unk: true, byte_fallback: true, ..Bpe::new(&ids, &merges) };
    let replace = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
    let mut normalizers = vec![replace(" ", SPACE)];
    let mut decoders = vec![replace(SPACE, " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
    if metadata.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true) {
        normalizers.insert(0, json!({ "type": "Prepend", "prepend": SPACE }));
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    let normalizer = json!({ "type": "Sequence", "normalizers": normalizers });
    let decoder = json!({ "type": "Sequence", "decoders": decoders });
    let added = vocabulary.added(|token, control| architecture.strips(token, control));
    let json = Vocabulary::json(&model, added, [normalizer, Value::Null, decoder]);
    json.map_err(LoadError::json(metadata.path()))
}

/// Every way to make a piece of two others, the pieces with the highest scores first: the order in
/// which SentencePiece joins neighbours. Where there are more ways than any vocabulary has, the
/// most that there may be.
fn merges<'a>(vocabulary: &Vocabulary<'a>, scores: &[f32]) -> Result<Vec<(&'a str, &'a str)>, String> {
    let normal = |id: &usize| vocabulary.is_normal(*id);
    let pieces: HashMap<&str, usize> =
        (0..scores.len()).rev().filter(normal).map(|id| (vocabulary.tokens[id], id)).collect();
    let short = |id: &usize| vocabulary.tokens[*id].len() <= MAX_PIECE;
    let mut order: Vec<usize> = (0..scores.len()).filter(normal).filter(short).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]).then(one.cmp(other)));
    let size: usize = order.iter().map(|id| vocabulary.tokens[*id].len()).sum();
    let most = MERGES_A_PIECE * order.len() + MORE_MERGES;
    let (mut merges, mut room) = (Vec::new(), BYTES_A_BYTE * size + MORE_BYTES);
    for id in order {
        let piece = vocabulary.tokens[id];
        let splits = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
        let mut found: Vec<(usize, usize)> =
            splits.filter_map(|(left, right)| Some((*pieces.get(left)?, *pieces.get(right)?))).collect();
        if merges.len() + found.len() > most {
            return Err(format!("{most} merges"));
        }
        let left = room.checked_sub(found.len() * piece.len());
        room = left.ok_or_else(|| format!("{BYTES_A_BYTE} bytes of merges for each of their own"))?;
        found.sort_unstable();
        merges.extend(found.into_iter().map(|(left, right)| (vocabulary.tokens[left], vocabulary.tokens[right])));
    }
    Ok(merges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::gguf::tokenizer::NORMAL;

    fn count(pieces: &[String]) -> Result<usize, String> {
        let tokens: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let vocabulary = Vocabulary { kinds: vec![NORMAL; tokens.len()], listed: tokens.len(), tokens };
        merges(&vocabulary, &vec![0.0; pieces.len()]).map(|merges| merges.len())
    }

    /// The first texts of a sign, up to some length.
    fn runs(sign: char, most: usize) -> impl Iterator<Item = String> {
        (1..=most).map(move |length| sign.to_string().repeat(length))
    }

    #[test]
    fn runs_of_spaces_are_merges_as_others_and_more_is_refused() {
        // A run of n signs is made of two others in n - 1 ways.
        let code: Vec<String> = runs('\u{2581}', 31).chain(runs('\n', 31)).chain(runs('\t', 31)).collect();
        assert_eq!(count(&code), Ok(3 * 31 * 30 / 2));
        let long: Vec<String> = runs('a', 200).collect();
        assert!(count(&long).is_err_and(|most| most.contains("merges")), "19,900 merges of 200 pieces");
        let wide: Vec<String> = runs('\u{2581}', 85).chain(runs('\n', 170)).collect();
        assert!(count(&wide).is_err(), "{:?}", count(&wide));
    }
}
