//! What the files beside a `tokenizer.json` say of its tokens, against transformers 5.24.

use std::path::Path;

use saffron_mrm::text::TextTokenizer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixtures::{copy, dir};

const BPE: &str = "tiny-b";

/// A tiny checkpoint's tokenizer with these files beside it.
fn checkpoint(config: &Value, map: Option<&Value>) -> TempDir {
    let folder = copy(&dir(BPE).join("policy"));
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    if let Some(map) = map {
        std::fs::write(folder.path().join("special_tokens_map.json"), map.to_string()).unwrap();
    }
    folder
}

fn open(folder: &Path) -> TextTokenizer {
    TextTokenizer::from_dir(folder, 200).unwrap()
}

/// A tokenizer of whole words, which is no BPE.
fn words(config: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": { "type": "Whitespace" }, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "?", "vocab": { "?": 0, "one": 1, ".": 2, "two": 3, "!=": 4 } },
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    folder
}

#[test]
fn spaces_are_cleaned_up_unless_the_model_is_a_bpe() {
    let text = "if x != y : print ( a , b ) .";
    let decoded = |config: &Value| {
        let folder = checkpoint(config, None);
        let tokenizer = open(folder.path());
        tokenizer.decode_text(&tokenizer.encode(text).unwrap()).unwrap()
    };
    let both = json!({ "clean_up_tokenization_spaces": true,
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": true });
    assert_eq!(decoded(&json!({ "clean_up_tokenization_spaces": true })), text);
    assert_eq!(decoded(&both), "if x!= y : print ( a, b ).");
    for (clean_up, expected) in [(true, "one two."), (false, "one two .")] {
        let folder = words(&json!({ "clean_up_tokenization_spaces": clean_up }));
        assert_eq!(open(folder.path()).decode_text(&[1, 3, 2]).unwrap(), expected);
    }
}

#[test]
fn the_map_of_special_tokens_names_bos_and_eos() {
    let map = json!({ "bos_token": "<|user|>", "eos_token": { "content": "<|eos|>", "special": true } });
    let folder = checkpoint(&json!({}), Some(&map));
    let tokenizer = open(folder.path());
    let id = |token| tokenizer.token_id(token);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (id("<|user|>"), id("<|eos|>")));
    assert!(tokenizer.bos().is_some() && tokenizer.eos().is_some());
    let both = checkpoint(&json!({ "bos_token": "<|bos|>" }), Some(&map));
    assert_eq!(open(both.path()).bos(), id("<|user|>"), "the map counts");
    let listed = checkpoint(&json!({ "bos_token": "<|bos|>", "added_tokens_decoder": {} }), Some(&map));
    assert_eq!((open(listed.path()).bos(), open(listed.path()).eos()), (id("<|bos|>"), None), "the map is not read");
}

#[test]
fn tokens_that_are_named_special_are_no_ordinary_text() {
    let added = json!({ "190": { "content": "EOT", "special": true }, "191": { "content": "over", "special": true } });
    for (config, expected) in [
        (json!({ "extra_special_tokens": ["EOT", "over"] }), [190, 191]),
        (
            json!({ "additional_special_tokens": [{ "content": "EOT" }, "over"], "extra_special_tokens": [] }),
            [190, 191],
        ),
        (json!({ "eot_token": "EOT", "pad_token": "over" }), [191, 190]),
        (json!({ "added_tokens_decoder": added }), [190, 191]),
    ] {
        let folder = checkpoint(&config, None);
        let tokenizer = open(folder.path());
        let ids = ["EOT", "over"].map(|token| tokenizer.token_id(token).unwrap());
        assert_eq!(ids, expected, "{config}: they get the free ids");
        assert_eq!(tokenizer.encode_markup("EOTover").unwrap(), ids, "{config}");
        let said = tokenizer.encode("EOTover").unwrap();
        assert!(said.iter().all(|id| !ids.contains(id)), "{config}: {said:?}");
        assert_eq!(tokenizer.decode_text(&[&said[..], &ids].concat()).unwrap(), "EOTover", "{config}");
    }
}

#[test]
fn a_special_token_without_an_embedding_is_left_out() {
    let folder = checkpoint(&json!({ "pad_token": "[PAD]" }), None);
    let tokenizer = TextTokenizer::from_dir(folder.path(), 190).unwrap();
    assert_eq!(tokenizer.token_id("[PAD]"), None);
    assert_eq!(tokenizer.decode_text(&tokenizer.encode_markup("[PAD]").unwrap()).unwrap(), "[PAD]");
}

#[test]
fn added_tokens_may_be_described_anew() {
    let plain = open(&dir(BPE).join("policy"));
    let user = plain.token_id("<|user|>").unwrap();
    let config = json!({ "added_tokens_decoder": { user.to_string(): { "content": "<|user|>", "special": true, "rstrip": true } } });
    let folder = checkpoint(&config, None);
    let tokenizer = open(folder.path());
    assert_eq!(tokenizer.encode_markup("<|user|> \na").unwrap(), [&[user][..], &plain.encode("a").unwrap()].concat());
    let broken = checkpoint(&json!({ "added_tokens_decoder": { "x": "<|user|>" } }), None);
    let error = TextTokenizer::from_dir(broken.path(), 200).unwrap_err().to_string();
    assert!(error.contains("added_tokens_decoder"), "{error}");
}

#[test]
fn unknown_words_are_ordinary_text() {
    let config = json!({ "unk_token": "?", "added_tokens_decoder": { "0": { "content": "?", "special": true } } });
    let folder = words(&config);
    let tokenizer = open(folder.path());
    assert_eq!(tokenizer.encode("one three two").unwrap(), [1, 0, 3]);
}

#[cfg(unix)]
#[test]
fn a_tokenizers_file_that_is_there_is_read_or_is_an_error() {
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        let folder = checkpoint(&json!({}), None);
        let path = folder.path().join(name);
        std::fs::remove_file(&path).ok();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &path).unwrap();
        let error = TextTokenizer::from_dir(folder.path(), 200).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
