//! Between text and token ids: tokenizers, prompt layouts by name, conversion between vocabularies.

mod caught;
mod chat;
mod conversation;
mod convert;
mod layouts;
mod llama3;
mod markers;
mod reader;
mod special;
mod spellings;
mod text_layout;
mod tokenizer;

#[cfg(feature = "hub")]
pub(crate) use chat::MAX_TEMPLATE;
#[cfg(feature = "gguf")]
pub(crate) use chat::literals;
pub(crate) use chat::template_sources_of;
pub use chat::{ChatTemplate, Message, TemplateError};
pub use conversation::Conversation;
pub use convert::Conversion;
pub use layouts::{LAYOUT_NAMES, TEMPLATE, layout};
pub use llama3::llama_guard_3;
pub(crate) use llama3::llama_guard_answers;
pub use reader::PrefillUse;
pub(crate) use reader::SessionReader;
pub use text_layout::TextLayout;
#[cfg(feature = "gguf")]
pub(crate) use tokenizer::EntryKind;
#[cfg(feature = "gguf")]
pub(crate) use tokenizer::{CleanUp, Named, TokenizerParts};
pub use tokenizer::{TextError, TextTokenizer};
