//! Everything but the weights: configurations, tokenizer, chat template.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checkpoint::source::{Checkpoint, Kind};
use crate::error::LoadError;
use crate::family::text_alone;
use crate::files::small::{OPTIONAL, TEMPLATES};
use crate::files::{is_there, read_capped, read_json};

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
#[cfg(feature = "gguf")]
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const MAX_TEMPLATES: usize = 256;
const MAX_FILE: u64 = 256 << 20;

/// Files by their relative names.
type Texts = Vec<(PathBuf, Vec<u8>)>;

/// The files of a checkpoint whose weights will have a type of this name, and whose unembedding will
/// be its embedding or not. Refuses what would not load again.
pub(super) fn of(checkpoint: &Checkpoint, torch_dtype: &str, tied: bool) -> Result<Texts, LoadError> {
    checkpoint.end_tokens(&checkpoint.tokenizer()?)?;
    checkpoint.chat_template()?;
    match &checkpoint.kind {
        Kind::Directory => copied(checkpoint, torch_dtype, tied),
        #[cfg(feature = "gguf")]
        Kind::Gguf(file) => gguf::made(checkpoint, file, torch_dtype, tied),
    }
}

/// A directory's files as they are, but for what `config.json` says of the weights.
fn copied(checkpoint: &Checkpoint, torch_dtype: &str, tied: bool) -> Result<Texts, LoadError> {
    let dir = checkpoint.path();
    // The weights are written as those of a model of text.
    let mut config = text_alone(read_json(&dir.join(CONFIG))?);
    config.insert(String::from("torch_dtype"), torch_dtype.into());
    if checkpoint.config()?.tie_word_embeddings != tied {
        config.insert(String::from("tie_word_embeddings"), tied.into());
    }
    // Newer files spell it so.
    if let Some(dtype) = config.get_mut("dtype") {
        *dtype = torch_dtype.into();
    }
    let mut texts = vec![(CONFIG.into(), json(&dir.join(CONFIG), &config.into())?)];
    let mut copy = |name: PathBuf| {
        let bytes = read_capped(&dir.join(&name), MAX_FILE)?;
        texts.push((name, bytes));
        Ok::<_, LoadError>(())
    };
    copy(TOKENIZER.into())?;
    for name in OPTIONAL {
        if is_there(&dir.join(name))? {
            copy(name.into())?;
        }
    }
    templates(dir)?.into_iter().try_for_each(copy)?;
    Ok(texts)
}

/// The chat templates with names, sorted.
fn templates(dir: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let folder = dir.join(TEMPLATES);
    if !is_there(&folder)? {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(LoadError::io(&folder))? {
        let path = entry.map_err(LoadError::io(&folder))?.path();
        let name = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "jinja"));
        names.extend(name.map(|name| Path::new(TEMPLATES).join(name)));
        if names.len() > MAX_TEMPLATES {
            return Err(LoadError::field(&folder, "templates", format!("at most {MAX_TEMPLATES}"), "more"));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn json(path: &Path, value: &Value) -> Result<Vec<u8>, LoadError> {
    serde_json::to_vec_pretty(value).map_err(LoadError::json(path))
}

#[cfg(feature = "gguf")]
mod gguf {
    use serde_json::{Map, Value};

    use super::{CONFIG, TOKENIZER, TOKENIZER_CONFIG, Texts};
    use crate::checkpoint::gguf::GgufFile;
    use crate::checkpoint::source::{Checkpoint, GENERATION};
    use crate::config::DecoderConfig;
    use crate::error::LoadError;
    use crate::family::ids_json;
    use crate::text::{CleanUp, TokenizerParts};

    /// The files that a GGUF's metadata stand for.
    pub(super) fn made(
        checkpoint: &Checkpoint,
        file: &GgufFile,
        torch_dtype: &str,
        tied: bool,
    ) -> Result<Texts, LoadError> {
        let (parts, tokenizer) = (file.tokenizer()?, checkpoint.tokenizer()?);
        let (bos, further) = (tokenizer.bos(), further(&parts));
        let padding = file.token_text("padding")?;
        // Named by its text, an ordinary word would become a control token of the directory.
        let word = padding.and_then(|text| tokenizer.token_id(text));
        let word = word.filter(|id| tokenizer.decode_text(&[*id]).is_ok_and(|text| !text.is_empty()));
        let generation = [
            ("bos_token_id", bos.into()),
            ("eos_token_id", ids_json(&checkpoint.end_tokens(&tokenizer)?)),
            ("pad_token_id", word.into()),
        ];
        let about = [
            ("tokenizer_class", "PreTrainedTokenizerFast".into()),
            ("bos_token", parts.bos.into()),
            ("eos_token", parts.eos.into()),
            ("unk_token", file.token_text("unknown")?.into()),
            ("pad_token", padding.filter(|_| word.is_none()).into()),
            ("additional_special_tokens", further),
            ("chat_template", file.chat_template_source()?.into()),
            ("clean_up_tokenization_spaces", (parts.clean_up != CleanUp::Never).into()),
        ];
        let config = DecoderConfig { tie_word_embeddings: tied, ..file.config().clone() };
        config.check_written(checkpoint.path())?;
        let json = |value: &Value| super::json(checkpoint.path(), value);
        Ok(vec![
            (CONFIG.into(), json(&config.file(torch_dtype, bos))?),
            (TOKENIZER.into(), parts.json),
            (TOKENIZER_CONFIG.into(), json(&known(about))?),
            (GENERATION.into(), json(&known(generation))?),
        ])
    }

    /// The special tokens beside the beginning and the end of a sequence, null where there are
    /// none.
    fn further(parts: &TokenizerParts) -> Value {
        let known = [&parts.bos, &parts.eos];
        let further = parts.special.iter().filter(|text| known.into_iter().flatten().all(|known| known != *text));
        let mut further: Vec<&str> = further.map(String::as_str).collect();
        further.sort_unstable();
        further.dedup();
        if further.is_empty() { Value::Null } else { further.into() }
    }

    /// An object of the fields that have a value.
    fn known<const N: usize>(fields: [(&str, Value); N]) -> Value {
        let known = fields.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(known.map(|(field, value)| (field.to_owned(), value)).collect::<Map<_, _>>())
    }
}
