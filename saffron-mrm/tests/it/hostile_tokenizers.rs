//! Tokenizer files that make the `tokenizers` crate panic, grow a text without bound, or cut it by
//! chance: refused by name, or made harmless.

use std::time::{Duration, Instant};

use saffron_mrm::LoadError;
use saffron_mrm::text::TextTokenizer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixtures::{copy, dir};

/// A tiny tokenizer's file.
fn file() -> Value {
    serde_json::from_slice(&std::fs::read(dir("tiny-b").join("policy/tokenizer.json")).unwrap()).unwrap()
}

/// A checkpoint with this tokenizer.
pub(crate) fn checkpoint(tokenizer: &Value) -> TempDir {
    let folder = copy(&dir("tiny-b").join("policy"));
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

fn open(tokenizer: &Value) -> Result<TextTokenizer, LoadError> {
    TextTokenizer::from_dir(checkpoint(tokenizer).path(), 190)
}

/// The tiny tokenizer with one part changed.
fn with(part: &str, value: Value) -> Value {
    let mut file = file();
    *file.pointer_mut(part).unwrap() = value;
    file
}

fn refusal(tokenizer: &Value) -> String {
    saffron_core::with_causes(&open(tokenizer).map(drop).unwrap_err())
}

fn replace(pattern: &Value, content: &str) -> Value {
    json!({ "type": "Replace", "pattern": pattern, "content": content })
}

#[test]
fn files_that_end_in_the_middle_are_refused() {
    let folder = copy(&dir("tiny-b").join("policy"));
    let whole = file().to_string();
    let decoder = whole.find("\"decoder\"").unwrap();
    for length in (0..whole.len()).step_by(97).chain(decoder..decoder + 120) {
        std::fs::write(folder.path().join("tokenizer.json"), &whole[..length]).unwrap();
        let error = TextTokenizer::from_dir(folder.path(), 190).map(drop).unwrap_err();
        assert!(matches!(error, LoadError::Tokenizer { .. }), "{length}: {error}");
    }
}

#[test]
fn decoders_that_are_none_are_refused() {
    for (decoder, says) in [
        (json!("ByteLevel"), "an object"),
        (json!({ "add_prefix_space": true }), "a type"),
        (json!({ "type": "Bytelevel" }), "a kind that is known"),
        (json!({ "type": "Sequence", "decoders": {} }), "a sequence of parts"),
        (json!({ "type": "Strip", "content": " ", "start": 0, "stop": 1 }), "stop 0"),
        (json!({ "type": "Replace", "pattern": { "String": "" }, "content": "x" }), "an empty one"),
        (
            json!({ "type": "Sequence", "decoders": [
            { "type": "CTC", "pad_token": "a", "word_delimiter_token": "|", "cleanup": true },
            { "type": "BPEDecoder", "suffix": "" },
        ] }),
            "CTC",
        ),
    ] {
        let error = refusal(&with("/decoder", decoder.clone()));
        assert!(error.contains(says), "{decoder}: {error}");
    }
}

#[test]
fn no_tokens_are_no_text() {
    for decoder in [json!({ "type": "BPEDecoder", "suffix": "</w>" }), json!(null), json!({ "type": "Fuse" })] {
        let tokenizer = open(&with("/decoder", decoder.clone())).unwrap();
        for ids in [&[][..], &[1, 0, 1], &[4_000_000_000]] {
            assert_eq!(tokenizer.decode_text(ids).unwrap(), "", "{decoder} {ids:?}");
        }
    }
}

#[test]
fn tables_of_replacements_that_are_none_are_refused() {
    for map in [json!(""), json!("!"), json!("AAAA"), json!("/////w=="), json!(null), json!(7), json!("AQ\nAA")] {
        let error = refusal(&with("/normalizer", json!({ "type": "Precompiled", "precompiled_charsmap": map })));
        assert!(error.contains("precompiled_charsmap"), "{map}: {error}");
    }
    // A trie of one unit, whose children are far outside.
    let error = refusal(&with("/normalizer", json!({ "type": "Precompiled", "precompiled_charsmap": "BAAAAP///38A" })));
    assert!(error.contains("point out of it"), "{error}");
}

#[test]
fn what_is_replaced_is_not_empty() {
    for pattern in [json!({ "String": "" }), json!({ "Regex": "" }), json!({ "Regex": "x*" }), json!({ "Regex": "^" })]
    {
        let refused = refusal(&with("/normalizer", replace(&pattern, "zz")));
        assert!(refused.contains("normalizer.Replace"), "{pattern}: {refused}");
    }
    let split = json!({ "type": "Split", "pattern": { "String": "" }, "behavior": "Isolated", "invert": false });
    assert!(refusal(&with("/pre_tokenizer", split)).contains("pre_tokenizer.Split"));
    assert!(refusal(&with("/normalizer", json!({ "type": "Prepend", "prepend": "" }))).contains("normalizer.Prepend"));
}

#[test]
fn a_fixed_length_is_at_least_one() {
    let of = |length: Value| with("/pre_tokenizer", json!({ "type": "FixedLength", "length": length }));
    for length in [json!(0), json!(-1), json!("2"), json!(null)] {
        assert!(refusal(&of(length.clone())).contains("a length of at least 1"), "{length}");
    }
    let tokenizer = open(&of(json!(2))).unwrap();
    assert_eq!(tokenizer.decode_text(&tokenizer.encode("abc").unwrap()).unwrap(), "abc");
}

#[test]
fn merges_make_words_of_the_vocabulary() {
    let error = refusal(&with("/model/continuing_subword_prefix", json!("##")));
    assert!(error.contains("model.merges") && error.contains("##"), "{error}");
    // Longer than every word: the crate would write it past the end of a buffer.
    let words = json!({ "a": 0, "bb": 1, "<|bos|>": 2, "<|eos|>": 3, "<|user|>": 4, "<|assistant|>": 5 });
    let mut file = with("/model/vocab", words);
    file["model"]["merges"] = json!([["<|assistant|>", "<|assistant|>"]]);
    assert!(refusal(&file).contains("model.merges"));
    for merges in [json!(["abb"]), json!([["a"]]), json!([["a", "b", "c"]]), json!("a b"), json!([["a", "zz"]])] {
        file["model"]["merges"] = merges.clone();
        assert!(open(&file).is_err(), "{merges}");
    }
}

#[test]
fn a_normalizer_that_grows_a_text_is_refused() {
    let double = replace(&json!({ "String": "a" }), "aa");
    let sequence = |times: usize| json!({ "type": "Sequence", "normalizers": vec![double.clone(); times] });
    assert!(open(&with("/normalizer", sequence(3))).is_ok());
    for normalizer in [
        sequence(8),
        sequence(26),
        json!({ "type": "Sequence", "normalizers": [sequence(4), sequence(4)] }),
        json!({ "type": "Prepend", "prepend": "a".repeat(200) }),
        replace(&json!({ "Regex": "." }), &"b".repeat(200)),
        json!({ "type": "Sequence", "normalizers": vec![json!({ "type": "ByteLevel" }); 9] }),
        // U+FDFA is taken apart to 33 bytes.
        json!({ "type": "Sequence", "normalizers": vec![json!([replace(&json!({ "String": "ا" }), "\u{fdfa}"), { "type": "NFKC" }]); 2]
            .into_iter().flat_map(|steps| steps.as_array().unwrap().clone()).collect::<Vec<_>>() }),
    ] {
        let error = refusal(&with("/normalizer", normalizer));
        assert!(error.contains("at most 100 bytes of one"), "{error}");
    }
    let error = refusal(&with(
        "/normalizer",
        json!({ "type": "Sequence", "normalizers": vec![json!({ "type": "NFC" }); 100] }),
    ));
    assert!(error.contains("at most 32 steps"), "{error}");
    let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
    let error = refusal(&with("/pre_tokenizer", json!({ "type": "Sequence", "pretokenizers": vec![metaspace; 6] })));
    assert!(error.contains("pre_tokenizer"), "{error}");
}

#[test]
fn an_added_token_is_something() {
    let mut file = with("/normalizer", json!({ "type": "Strip", "strip_left": true, "strip_right": true }));
    let mut token = file["added_tokens"][3].clone();
    (token["content"], token["normalized"], token["special"]) = (json!("  "), json!(true), json!(false));
    file["added_tokens"].as_array_mut().unwrap().push(token);
    // The token has an embedding: without one it would be left out.
    let error = TextTokenizer::from_dir(checkpoint(&file).path(), 191).map(drop).unwrap_err();
    let error = saffron_core::with_causes(&error);
    assert!(error.contains("makes nothing of the added token"), "{error}");
}

#[test]
fn expressions_that_try_without_end_are_refused() {
    for pattern in [r"(a+)+(?!b)", r"x(?=.*y)", r"(a|b)\1", "("] {
        let split =
            json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
        let error = refusal(&with("/pre_tokenizer", split));
        assert!(error.contains("pre_tokenizer.Split.pattern"), "{pattern}: {error}");
    }
}

/// A Unigram model of pieces of 500 letters, each with its number at the front or at the end.
fn long_pieces(count: usize, number_first: bool) -> Value {
    let piece = |number: usize| match number_first {
        true => format!("{number:08}{}", "x".repeat(492)),
        false => format!("{}{number:08}", "x".repeat(492)),
    };
    let pieces: Vec<Value> = (0..count).map(|number| json!([piece(number), -1.0])).collect();
    json!({ "type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": pieces })
}

#[test]
fn pieces_that_share_no_beginning_are_bounded_in_all() {
    let open = |model: Value| {
        let folder = checkpoint(&with("/model", model));
        TextTokenizer::from_dir(folder.path(), 10_000).map(drop)
    };
    let refused = saffron_core::with_causes(&open(long_pieces(3_000, true)).unwrap_err());
    let expected = "model.vocab: expected pieces of at most 1048576 different beginnings, found 14";
    assert!(refused.contains(expected), "{refused}");
    // As many and as long, with beginnings that they share.
    let said = open(long_pieces(3_000, false)).err().map(|error| saffron_core::with_causes(&error));
    assert!(!said.as_ref().is_some_and(|said| said.contains("model.")), "{said:?}");
}

#[test]
fn words_are_no_longer_and_no_more_than_a_model_has() {
    let mut words = with("/model/vocab", json!({ "x".repeat(20_000): 0 }));
    words["model"]["merges"] = json!([]);
    assert!(refusal(&words).contains("words of at most 4096 bytes"));
    let many: serde_json::Map<String, Value> = (0..500).map(|id| (id.to_string(), json!(id % 100))).collect();
    let mut more = with("/model/vocab", json!(many));
    more["model"]["merges"] = json!([]);
    assert!(refusal(&more).contains("at most the model's vocab_size = 190 words"));
    let model = json!({ "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["x".repeat(600), -1.0]] });
    assert!(refusal(&with("/model", model)).contains("words of at most 512 bytes"));
    let model = json!({ "type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100_000, "vocab": { "a": 0 } });
    assert!(refusal(&with("/model", model)).contains("max_input_chars_per_word"));
    // Written for every letter, or every word.
    for field in ["continuing_subword_prefix", "end_of_word_suffix", "unk_token"] {
        let error = refusal(&with(&format!("/model/{field}"), json!("x".repeat(100_000))));
        assert!(error.contains(field) && error.contains("at most 64 bytes"), "{error}");
    }
}

#[test]
fn dropout_is_switched_off_and_said() {
    let plain = open(&file()).unwrap();
    let tokenizer = open(&with("/model/dropout", json!(0.5))).unwrap();
    let text = "one question, simple words over again";
    for _ in 0..20 {
        assert_eq!(tokenizer.encode(text).unwrap(), plain.encode(text).unwrap());
        assert_eq!(tokenizer.encode_markup(text).unwrap(), plain.encode_markup(text).unwrap());
    }
    assert!(plain.notices().is_empty() && open(&with("/model/dropout", json!(0.0))).unwrap().notices().is_empty());
    let [notice] = tokenizer.notices() else { panic!("one notice: {:?}", tokenizer.notices()) };
    assert!(notice.contains("dropout of 0.5") && notice.contains("tokenizer.json"), "{notice}");
}

#[test]
fn special_tokens_come_from_layouts_alone() {
    // A post-processor that repeats the text, and limits left over from training.
    let sequence = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let mut file = with(
        "/post_processor",
        json!({ "type": "TemplateProcessing", "single": [sequence, sequence],
        "pair": [sequence, sequence], "special_tokens": {} }),
    );
    file["truncation"] = json!({ "max_length": 1 });
    let text = "words";
    assert_eq!(open(&file).unwrap().encode(text).unwrap(), open(&self::file()).unwrap().encode(text).unwrap());
}

/// Models whose words are the control tokens themselves, with nothing that splits a text.
fn models() -> [Value; 2] {
    let added = file()["added_tokens"].clone();
    let texts = ["<|bos|>", "<|eos|>", "<|user|>", "<|assistant|>", "!"];
    let letters = "<|>abcdefghijklmnopqrstuvwxyz\u{2581}\n".chars().map(String::from);
    let words: Vec<String> = texts.map(String::from).into_iter().chain(letters).collect();
    let pieces: Vec<Value> = words.iter().map(|word| json!([word, if word.len() > 4 { 0.0 } else { -5.0 }])).collect();
    let ids: serde_json::Map<String, Value> =
        words.iter().enumerate().map(|(id, word)| (word.clone(), json!(id))).collect();
    let file = |pre_tokenizer: Value, model: Value| {
        json!({ "version": "1.0", "added_tokens": added, "normalizer": null, "pre_tokenizer": pre_tokenizer,
            "post_processor": null, "decoder": { "type": "Fuse" }, "model": model })
    };
    let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false });
    [
        file(metaspace, json!({ "type": "Unigram", "unk_id": 4, "byte_fallback": false, "vocab": pieces })),
        file(json!({ "type": "WhitespaceSplit" }), json!({ "type": "WordLevel", "unk_token": "!", "vocab": ids })),
    ]
}

#[test]
fn a_text_of_control_words_takes_linear_time() {
    for model in models() {
        let tokenizer = open(&model).unwrap();
        for text in ["<|eos|>".repeat(12_000), "<|eos|>\n".repeat(15_000), "<".repeat(90_000), "<|eos|".repeat(15_000)]
        {
            let begin = Instant::now();
            let tokens = tokenizer.encode(&text).unwrap();
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?} for {} bytes", begin.elapsed(), text.len());
            assert!(tokens.iter().all(|token| *token > 3), "no control token");
            assert!(tokens.len() <= text.len());
        }
    }
}
