//! Chat templates: a checkpoint's own way to put a conversation before its model.
//!
//! A template is text with holes, and whoever fills them must not be able to write the model's
//! control tokens. So a conversation is rendered more than once, with marks in place of what was
//! said: the template's own words are encoded with special tokens, what was said without.

mod bounded;
mod bounds;
mod environment;
mod error;
mod files;
mod generation;
mod json;
mod layout;
mod lexer;
mod message;
mod pieces;
mod python;
mod shape;
mod tags;
mod template;

pub use error::TemplateError;
#[cfg(feature = "hub")]
pub(crate) use files::MAX_FILE as MAX_TEMPLATE;
pub(crate) use files::{template_sources, template_sources_of};
pub(crate) use lexer::literals;
pub use message::Message;
pub(crate) use pieces::Piece;
pub use template::ChatTemplate;
pub(crate) use template::End;
