//! Why an attack cannot be made.

use crate::eval::data::Place;

/// An attack cannot be made upon an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttackError {
    /// The reply's beginning is to be the item's own reply.
    #[error("item `{id}` has no reply to prefill with")]
    NoReply {
        /// The item.
        id: String,
    },
    /// The reply's beginning is to be the item's own target.
    #[error("item `{id}` has no target to prefill with")]
    NoTarget {
        /// The item.
        id: String,
    },
    /// The prompt has no place in the template.
    #[error("the template has neither `{{prompt}}` nor `[INSERT PROMPT HERE]`: {beginning:?}")]
    NoPlace {
        /// How the template begins.
        beginning: String,
    },
    /// A name in braces that stands for nothing.
    #[error(
        "`{{{name}}}` stands for nothing in an attack's text: expected `{{prompt}}`, `{{question}}`, `{{request}}` or \
         `{{attacked}}`; text in braces is written `\\{{{name}}}`"
    )]
    UnknownPlace {
        /// The name.
        name: String,
    },
    /// A template around the item's own question, behind an attack that has changed the prompt.
    #[error(
        "the template drops what was done to the prompt before it: {beginning:?}; put it first, or write `{{attacked}}` for \
         the prompt as it then is"
    )]
    Drops {
        /// How the template begins.
        beginning: String,
    },
    /// A template of a file cannot be used.
    #[error("{place}: template {id} of the file, counted from 0")]
    Template {
        /// The template.
        id: String,
        /// Where it begins in the file.
        place: Place,
        /// Why not.
        source: Box<AttackError>,
    },
    /// A reply can have one forced beginning only.
    #[error("an attack may have one prefill, found a second")]
    TwoPrefills,
}
