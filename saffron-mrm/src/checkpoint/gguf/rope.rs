//! Rotary positions in metadata. What stretches them in a way that is not computed here is refused.

use super::metadata::Metadata;
use crate::error::LoadError;

const PREFIX: &str = "llama.rope.";
const KIND: &str = "llama.rope.scaling.type";

/// Keys that are honoured, here or among the sizes, or that matter only with a kind of scaling that
/// is refused.
const KNOWN: [&str; 8] = [
    "dimension_count",
    "freq_base",
    "scale_linear",
    "scaling.type",
    "scaling.factor",
    "scaling.attn_factor",
    "scaling.original_context_length",
    "scaling.finetuned",
];

/// Refuses positions that are scaled. As in llama.cpp, a file without a kind of scaling scales
/// linearly, a factor is read under its old name where the new one is not there, a factor of 0 is
/// none, and a kind of `none` turns it off.
pub(super) fn refuse_scaled(metadata: &Metadata<'_>) -> Result<(), LoadError> {
    let unknown = metadata.keys().filter_map(|key| key.strip_prefix(PREFIX)).filter(|key| !KNOWN.contains(key)).min();
    if let Some(unknown) = unknown {
        return Err(metadata.refuse(&format!("{PREFIX}{unknown}"), "nothing: not supported", "a value"));
    }
    let attention = "llama.rope.scaling.attn_factor";
    if let Some(found) = metadata.real(attention)?.filter(|factor| *factor != 1.0) {
        return Err(metadata.refuse(attention, "1", found));
    }
    match metadata.text(KIND)? {
        Some("none") => return Ok(()),
        None | Some("linear") => {}
        Some(found) => return Err(metadata.refuse(KIND, "none (Llama 3's scaling is a tensor)", found)),
    }
    let factor = |key| Ok::<_, LoadError>(metadata.real(key)?.map(|factor| (key, factor)));
    let found = match factor("llama.rope.scaling.factor")? {
        None => factor("llama.rope.scale_linear")?,
        found => found,
    };
    match found.filter(|(_, factor)| ![0.0, 1.0].contains(factor)) {
        Some((key, found)) => Err(metadata.refuse(key, "1: linear scaling is not supported", found)),
        None => Ok(()),
    }
}
