//! The beginning of a file that is still being fetched: whether it can be used is known before its
//! weights are here.

use std::io::{BufReader, ErrorKind, Seek};
use std::path::Path;

use candle_core::quantized::gguf_file::Content;

use super::audit::audit_of;
use super::{config, shapes, split, template, tokenizer};
use crate::config::Metadata;
use crate::error::LoadError;
use crate::family::{Architecture, Tensors};
use crate::files::open_regular;
use crate::text::TextTokenizer;

/// Checks keys, tokenizer and template of a file that will have `length` bytes and be called
/// `name`, as far as its beginning tells. False where its header is not whole yet.
///
/// # Errors
///
/// As for a whole file, but for its tensors.
pub(crate) fn look(path: &Path, name: &Path, length: u64) -> Result<bool, LoadError> {
    let (mut file, found) = open_regular(path)?;
    let again = file.try_clone().map_err(LoadError::io(name))?;
    let audit = match audit_of(again, name, length) {
        Err(LoadError::Io { source, .. }) if source.kind() == ErrorKind::UnexpectedEof => return Ok(false),
        audit => audit?,
    };
    if found < audit.end() {
        return Ok(false);
    }
    file.rewind().map_err(LoadError::io(name))?;
    let content = Content::read(&mut BufReader::new(file))
        .map_err(|error| LoadError::Gguf { path: name.to_path_buf(), source: error.to_string().into() })?;
    audit.check(name, &content)?;
    let metadata = Metadata::new(name, &content);
    template(&metadata)?;
    let architecture = Architecture::of(&metadata)?;
    let tensors = Tensors { shapes: shapes([&content].into_iter()), more: true, ..Tensors::default() };
    if split::is_one_of_several(&metadata)? {
        // The embedding, and with it the size of the vocabulary, may be in another part.
        architecture.config(&metadata, &tensors)?;
        tokenizer::parts(&metadata)?;
        return Ok(true);
    }
    let config = config(architecture, &metadata, &tensors)?;
    TextTokenizer::from_parts(tokenizer::parts(&metadata)?, config.vocab_size)?;
    Ok(true)
}
