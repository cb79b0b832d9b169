//! Why an attack cannot be made.

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
    /// The prompt has no place in the template.
    #[error("the template has neither `{{prompt}}` nor `[INSERT PROMPT HERE]`: {beginning:?}")]
    NoPlace {
        /// How the template begins.
        beginning: String,
    },
    /// A reply can have one forced beginning only.
    #[error("an attack may have one prefill, found a second")]
    TwoPrefills,
}
