//! The contexts that a reward model was trained for, where its base has several sets of rotary
//! frequencies.

use std::path::Path;

use crate::checkpoint::MrmCard;
use crate::config::{ContextLength, DecoderConfig};
use crate::engine::ModelOptions;
use crate::error::LoadError;

/// The options with which a base serves the contexts that the card of a directory names.
///
/// # Errors
///
/// A length for which the base has no frequencies of their own; options that ask for those for
/// short contexts, which the reward model was not trained with.
pub(super) fn options_for(
    card: &MrmCard,
    dir: &Path,
    base: &DecoderConfig,
    options: ModelOptions,
) -> Result<ModelOptions, LoadError> {
    let Some(trained) = card.max_context else { return Ok(options) };
    let original = base.clone().for_contexts(ContextLength::Short).context_limit();
    let most = base.max_position_embeddings;
    if trained <= original || trained > most {
        let expected = match original < most {
            true => format!("{} to {most}, the contexts for which the base has frequencies of their own", original + 1),
            false => String::from("none, as the base has one set of rotary frequencies"),
        };
        return Err(LoadError::field(&MrmCard::path(dir), "max_context", expected, trained));
    }
    match options.max_context {
        // A base that was opened for long contexts keeps their frequencies.
        _ if base.context_length() == ContextLength::Long => Ok(options),
        None => Ok(ModelOptions { max_context: Some(trained), ..options }),
        Some(asked) if asked > original => Ok(options),
        Some(asked) => {
            let expected = format!(
                "above {original}, or none: the reward model of {} was trained with the frequencies for long contexts",
                dir.display()
            );
            Err(LoadError::field(Path::new("ModelOptions"), "max_context", expected, asked))
        }
    }
}
