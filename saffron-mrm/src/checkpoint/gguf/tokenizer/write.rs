//! A directory's tokenizer as a GGUF's metadata, where that is the same tokenizer.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value, VersionedMagic};
use saffron_core::{Token, Vocabulary};
use serde::Deserialize;
use serde_json::Value as Json;

use super::pre::{self, Pre};
use super::{CONTROL, NORMAL, TEMPLATE, UNUSED, USER_DEFINED};
use crate::checkpoint::source::Checkpoint;
use crate::config::Metadata;
use crate::error::LoadError;
use crate::files::{MAX_TOKENIZER, read_text};
use crate::text::{EntryKind, TextError, TextTokenizer};

/// What to do about a tokenizer that is not written here.
const INSTEAD: &str = "; convert the base with llama.cpp's converter and export on that GGUF";

/// Texts that both tokenizers must encode alike.
const TEXTS: [&str; 10] = [
    "What is the quick 12345 brown fox?\n\n  It's jumping",
    "IT'S don't WE'VE he'll\tx\t\ty",
    "fn main() { println!(\"{:?}\", [1, 22, 333, 4444]); }\r\n\r\n",
    "ünïcödé 漢字かな交じり文 हिन्दी عربى עברית",
    "e\u{301} a\u{308} \u{212b} ﬁ",
    "   leading and trailing   \n \n",
    "camelCaseWordsAndHTMLParser3D 2026-12-01T06:00",
    "🙂👩‍👩‍👧 \u{200b}\u{feff}x",
    "a",
    " .,;:!?…—«»/\\|@#$%^&*()[]{}<>~`'\"",
];

/// The metadata of a directory's tokenizer, with a token for every row of the embedding.
///
/// # Errors
///
/// Anything but a byte-level BPE whose pre-tokenizer has a name; one that comes to another
/// tokenizer when it is read again.
pub(in crate::checkpoint) fn fields(
    checkpoint: &Checkpoint,
    rows: usize,
) -> Result<BTreeMap<String, Value>, LoadError> {
    let path = checkpoint.path().join("tokenizer.json");
    let tokenizer = checkpoint.tokenizer()?;
    let file: File = serde_json::from_slice(&read_text(&path, MAX_TOKENIZER)?)
        .map_err(|source| LoadError::Tokenizer { path: path.clone(), source: source.into() })?;
    let name = file.pre(&path)?;
    let (mut tokens, mut kinds) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for id in 0..rows {
        let entry = Token::try_from(id).ok().and_then(|id| tokenizer.entry(id));
        let (text, kind) = match entry {
            Some((text, EntryKind::Word)) => (text, NORMAL),
            Some((text, EntryKind::Added)) => (text, USER_DEFINED),
            Some((text, EntryKind::Special)) => (text, CONTROL),
            None => (format!("[PAD{id}]"), UNUSED),
        };
        tokens.push(Value::String(text));
        kinds.push(Value::I32(kind as i32));
    }
    let merges = file.model.merges.iter().map(|Merge(left, right)| Value::String(format!("{left} {right}"))).collect();
    let text = |text: &str| Value::String(text.to_owned());
    let mut fields = BTreeMap::from([
        (String::from("tokenizer.ggml.model"), text("gpt2")),
        (String::from("tokenizer.ggml.pre"), text(name)),
        (String::from("tokenizer.ggml.tokens"), Value::Array(tokens)),
        (String::from("tokenizer.ggml.token_type"), Value::Array(kinds)),
        (String::from("tokenizer.ggml.merges"), Value::Array(merges)),
    ]);
    for (role, id) in roles(checkpoint, &tokenizer)? {
        fields.insert(format!("tokenizer.ggml.{role}_token_id"), Value::U32(id));
    }
    if let Some(template) = checkpoint.chat_template()? {
        fields.insert(String::from(TEMPLATE), text(template.source()));
    }
    check(&fields, &tokenizer, &path)?;
    Ok(fields)
}

/// Tokens with a role: beginning and ends.
fn roles(checkpoint: &Checkpoint, tokenizer: &TextTokenizer) -> Result<Vec<(&'static str, Token)>, LoadError> {
    let mut ends = checkpoint.end_tokens(tokenizer)?;
    if let Some(eos) = tokenizer.eos() {
        ends.retain(|end| *end != eos);
        ends.insert(0, eos);
    }
    let ends = ["eos", "eot", "eom"].into_iter().zip(ends);
    Ok(tokenizer.bos().map(|bos| ("bos", bos)).into_iter().chain(ends).collect())
}

/// Refuses metadata that come to another tokenizer.
fn check(fields: &BTreeMap<String, Value>, tokenizer: &TextTokenizer, path: &Path) -> Result<(), LoadError> {
    let metadata: HashMap<String, Value> = fields.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let (magic, tensor_infos) = (VersionedMagic::GgufV3, HashMap::new());
    let content = Content { magic, metadata, tensor_infos, tensor_data_offset: 0 };
    let read = TextTokenizer::from_parts(super::parts(&Metadata::new(path, &content))?, tokenizer.size())?;
    let refuse = |what: &str, expected: String, found: String| {
        Err(LoadError::field(path, what, format!("{expected}, as read from a GGUF{INSTEAD}"), found))
    };
    let marks = |tokenizer: &TextTokenizer| format!("{:?}", (tokenizer.bos(), tokenizer.eos(), tokenizer.known()));
    if read.id() != tokenizer.id() {
        return refuse("the vocabulary", format!("{:?}", read.id()), format!("{:?}", tokenizer.id()));
    }
    if marks(&read) != marks(tokenizer) {
        return refuse("bos, eos and number of tokens", marks(&read), marks(tokenizer));
    }
    let wrap = |TextError(source)| LoadError::Tokenizer { path: path.to_path_buf(), source };
    for text in TEXTS {
        let (one, other) = (read.encode(text).map_err(wrap)?, tokenizer.encode(text).map_err(wrap)?);
        if one != other {
            return refuse(&format!("the tokens of {text:?}"), format!("{one:?}"), format!("{other:?}"));
        }
    }
    Ok(())
}

/// A `tokenizer.json` as far as it decides how words are cut and merged.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    normalizer: Json,
    #[serde(default)]
    pre_tokenizer: Json,
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    merges: Vec<Merge>,
}

/// Two pieces, written as a list or with a space between.
#[derive(Deserialize)]
#[serde(try_from = "MergeForm")]
struct Merge(String, String);

#[derive(Deserialize)]
#[serde(untagged)]
enum MergeForm {
    Pair(String, String),
    Text(String),
}

impl TryFrom<MergeForm> for Merge {
    type Error = String;

    fn try_from(form: MergeForm) -> Result<Self, String> {
        match form {
            MergeForm::Pair(left, right) => Ok(Self(left, right)),
            MergeForm::Text(text) => {
                let pair =
                    text.split_once(' ').ok_or_else(|| format!("two pieces with a space between, not {text:?}"))?;
                Ok(Self(pair.0.to_owned(), pair.1.to_owned()))
            }
        }
    }
}

impl File {
    /// The name of its pre-tokenizer.
    fn pre(&self, path: &Path) -> Result<&'static str, LoadError> {
        let model = &self.model;
        let affix = |affix: &Option<String>| affix.as_ref().is_some_and(|affix| !affix.is_empty());
        let is_bpe = model.kind.as_deref().is_none_or(|kind| kind == "BPE");
        if !is_bpe || model.byte_fallback || affix(&model.continuing_subword_prefix) || affix(&model.end_of_word_suffix)
        {
            let found = match (is_bpe, model.byte_fallback) {
                (false, _) => model.kind.clone().unwrap_or_default(),
                (true, true) => String::from("SentencePiece's, whose scores a tokenizer.json does not have"),
                (true, false) => String::from("BPE with marks at the ends of words"),
            };
            return Err(LoadError::field(path, "model", format!("a byte-level BPE{INSTEAD}"), found));
        }
        let is = |pre: &Pre| {
            pre.whole_words == model.ignore_merges
                && plain(&pre.normalizer) == plain(&self.normalizer)
                && plain(&pre.pre_tokenizer) == plain(&self.pre_tokenizer)
        };
        let found = pre::NAMES.into_iter().find(|name| pre::named(name).as_ref().is_some_and(is));
        found.ok_or_else(|| {
            let found = format!("{} with ignore_merges {}", self.pre_tokenizer, model.ignore_merges);
            LoadError::field(path, "pre_tokenizer", format!("that of {}{INSTEAD}", pre::NAMES.join(", ")), found)
        })
    }
}

/// A part of a `tokenizer.json` with its defaults, and without what changes no ids.
fn plain(part: &Json) -> Json {
    let mut part = part.clone();
    let Some(object) = part.as_object_mut() else { return part };
    object.remove("trim_offsets");
    let defaults: &[(&str, bool)] = match object.get("type").and_then(Json::as_str) {
        Some("ByteLevel") => &[("add_prefix_space", true), ("use_regex", true)],
        Some("Digits") => &[("individual_digits", false)],
        Some("Split") => &[("invert", false)],
        _ => &[],
    };
    for (field, default) in defaults {
        object.entry(*field).or_insert(Json::Bool(*default));
    }
    for field in ["pretokenizers", "normalizers"] {
        let Some(Json::Array(parts)) = object.get_mut(field) else { continue };
        parts.iter_mut().for_each(|part| *part = plain(part));
        // A sequence of one is the one.
        if let [_] = parts[..]
            && let Some(only) = parts.pop()
        {
            return only;
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_are_compared_with_their_defaults() {
        let byte_level = json!({ "type": "ByteLevel", "add_prefix_space": false });
        let alone = json!({ "type": "Sequence", "pretokenizers": [byte_level] });
        let full = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        assert_eq!(plain(&alone), plain(&full));
        assert_ne!(plain(&json!({ "type": "ByteLevel" })), plain(&full), "a space before texts");
    }

    #[test]
    fn every_name_is_found_by_what_it_stands_for() {
        for name in pre::NAMES {
            let Pre { normalizer, pre_tokenizer, whole_words } = pre::named(name).unwrap_or_else(|| panic!("{name}"));
            let model = Model {
                kind: Some(String::from("BPE")),
                byte_fallback: false,
                ignore_merges: whole_words,
                continuing_subword_prefix: None,
                end_of_word_suffix: None,
                merges: Vec::new(),
            };
            assert_eq!(File { normalizer, pre_tokenizer, model }.pre(Path::new("x")).ok(), Some(name));
        }
    }
}
