//! A small tokenizer in SentencePiece's way, with a space before texts, with one before the first
//! text alone, and with none.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixtures::{copy, dir};

pub(crate) const SIZE: usize = 190;

/// Where a space comes before a text that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrefixSpace {
    /// Before every text between special tokens: Llama 2, Mistral v0.1 to v0.3.
    Everywhere,
    /// Before a text that begins the sequence: as newer versions of transformers convert them.
    First,
    /// Nowhere: Gemma.
    Never,
}

pub(crate) const PREFIX_SPACES: [PrefixSpace; 3] = [PrefixSpace::Everywhere, PrefixSpace::First, PrefixSpace::Never];

const WORDS: [&str; 17] = [
    "▁What",
    "▁is",
    "▁the",
    "▁capital",
    "▁of",
    "▁France",
    "▁[",
    "▁",
    "INST",
    "▁Sure",
    "▁Yes",
    "▁here",
    "</s>",
    "What",
    "▁▁",
    "Yes",
    "Sure",
];

/// Pieces by id, and the merges that make them, the first before all others.
pub(crate) fn pieces() -> (Vec<String>, Vec<[String; 2]>) {
    let mut pieces: Vec<String> = ["<unk>", "<s>", "</s>", "<0x0A>", "<0xC3>", "<0xA9>"].map(String::from).to_vec();
    let letters = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("▁?.,!'[]/<>|:-_&".chars());
    pieces.extend(letters.map(String::from));
    let mut merges = Vec::new();
    for word in WORDS {
        let letters: Vec<char> = word.chars().collect();
        for end in 2..=letters.len() {
            let (left, right) = (letters[..end - 1].iter().collect::<String>(), letters[end - 1].to_string());
            let whole = format!("{left}{right}");
            if !merges.contains(&[left.clone(), right.clone()]) {
                merges.push([left, right]);
            }
            if !pieces.contains(&whole) {
                pieces.push(whole);
            }
        }
    }
    assert!(pieces.len() <= SIZE, "{}", pieces.len());
    (pieces, merges)
}

fn tokenizer(space: PrefixSpace) -> Value {
    let (pieces, merges) = pieces();
    let ids: BTreeMap<&str, usize> = pieces.iter().enumerate().map(|(id, piece)| (&piece[..], id)).collect();
    let added = ["<unk>", "<s>", "</s>"].iter().enumerate().map(|(id, text)| {
        json!({
            "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true,
        })
    });
    let replace = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
    let sequence = |kind: &str, parts: Vec<Value>| json!({ "type": "Sequence", kind: parts });
    let normalizer = match space {
        PrefixSpace::Everywhere => {
            sequence("normalizers", vec![json!({ "type": "Prepend", "prepend": "▁" }), replace(" ", "▁")])
        }
        PrefixSpace::First => Value::Null,
        PrefixSpace::Never => replace(" ", "▁"),
    };
    let pre_tokenizer = match space {
        PrefixSpace::First => {
            json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false })
        }
        _ => Value::Null,
    };
    let mut decoders = vec![replace("▁", " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
    if space != PrefixSpace::Never {
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "decoder": sequence("decoders", decoders),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": ids, "merges": merges,
        },
    })
}

/// A tiny checkpoint with the tokenizer, and with a chat template if there is one.
pub(crate) fn checkpoint(space: PrefixSpace, template: Option<&str>) -> TempDir {
    let folder = copy(&dir("tiny-b").join("policy"));
    let write = |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("tokenizer.json", &tokenizer(space));
    write("tokenizer_config.json", &json!({ "bos_token": "<s>", "eos_token": "</s>" }));
    set_template(folder.path(), template);
    folder
}

pub(crate) fn set_template(folder: &Path, template: Option<&str>) {
    if let Some(template) = template {
        std::fs::write(folder.join("chat_template.jinja"), template).unwrap();
    }
}
