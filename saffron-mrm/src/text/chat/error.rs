//! What can be wrong with a chat template.

use crate::text::TextError;

/// A chat template that cannot be used, or that a conversation does not suit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Larger than any template is.
    #[error("the template has {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// Not Jinja.
    #[error("the template cannot be read: {0}")]
    Syntax(String),
    /// The template does not take the conversation, or takes too many steps over it.
    #[error("the template refuses the conversation: {0}")]
    Refused(String),
    /// A conversation of so much text that it is not rendered.
    #[error("the conversation is rendered to more than {limit} bytes")]
    TooLong {
        /// The most.
        limit: usize,
    },
    /// A template whose own words depend on what is said, or which leaves out what is to be
    /// continued: what is said cannot be told from them.
    #[error("what the template makes of message {message} of the conversation cannot be told from its own words")]
    Rewritten {
        /// Which, counted from 0.
        message: usize,
    },
    /// A speaker whose name is not one of letters, digits, `_` and `-`: templates write it among their own words.
    #[error("message {message} is of the role {role:?}, expected letters, digits, _ and -")]
    Role {
        /// Which message, counted from 0.
        message: usize,
        /// The role.
        role: String,
    },
    /// A conversation that does not end with the turn that is to be answered.
    #[error("the template puts the last message in {found} places, expected one, after all others")]
    NotLast {
        /// In how many.
        found: usize,
    },
    /// Text that the tokenizer cannot encode.
    #[error(transparent)]
    Text(#[from] TextError),
    /// No template of that name.
    #[error("there is no template {wanted:?}; the names are {known}")]
    NoSuchName {
        /// The name asked for.
        wanted: String,
        /// The names that there are.
        known: String,
    },
}
