//! The tokens that end a reply.

use crate::config::Metadata;
use crate::error::LoadError;

/// Tokens that end a reply by their names, whatever else a file names: some files name the end of
/// the sequence alone.
const ENDS: [&str; 5] = ["<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>"];

/// The tokens that end a reply: the end of the sequence, of a turn, of a message.
pub(super) fn ends(metadata: &Metadata<'_>) -> Result<Vec<u32>, LoadError> {
    let mut ends = Vec::new();
    for name in ["eos", "eot", "eom"] {
        if let Some((token, _)) = metadata.token(name)?.filter(|(token, _)| !ends.contains(token)) {
            ends.push(token);
        }
    }
    let tokens = metadata.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
    for (id, _) in tokens.iter().enumerate().filter(|(_, token)| ENDS.contains(token)) {
        let token = id as u32;
        if !ends.contains(&token) {
            ends.push(token);
        }
    }
    Ok(ends)
}
