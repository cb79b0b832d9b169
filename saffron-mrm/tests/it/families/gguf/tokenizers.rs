//! Pre-tokenizers by their names.

use candle_core::quantized::gguf_file::Value;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::TextTokenizer;

use super::parts;
use crate::gguf::{Parts, number, texts};

/// The letters that bytes are written as.
fn letters() -> Vec<String> {
    let shown = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut next = 256;
    let letter = |byte: u32| {
        let code = if shown(byte) { byte } else { next };
        next += u32::from(!shown(byte));
        char::from_u32(code).unwrap().to_string()
    };
    (0..256).map(letter).collect()
}

/// A tokenizer of bytes and some words, every pair of whose letters is merged from the left.
fn tokenizer(pre: &str, words: &[&str]) -> TextTokenizer {
    let mut tokens = letters();
    let mut merges = Vec::new();
    for word in words {
        let mut left = String::new();
        for letter in word.chars() {
            let whole = format!("{left}{letter}");
            if !left.is_empty() && !tokens.contains(&whole) {
                merges.push(format!("{left} {letter}"));
                tokens.push(whole.clone());
            }
            left = whole;
        }
    }
    // Rows enough for all of them.
    let rows = tokens.len();
    let kinds = vec![Value::I32(1); rows];
    let parts = self::parts("qwen3").without("token_embd.weight");
    let parts = parts
        .with_tensor("token_embd.weight", vec![0.0; rows * 48], &[rows, 48])
        .with("tokenizer.ggml.pre", Value::String(pre.to_owned()))
        .with("tokenizer.ggml.tokens", texts(tokens.iter().map(String::as_str)))
        .with("tokenizer.ggml.token_type", Value::Array(kinds))
        .with("tokenizer.ggml.merges", texts(merges.iter().map(String::as_str)))
        .with("tokenizer.ggml.bos_token_id", number(0));
    opened(&parts)
}

fn opened(parts: &Parts) -> TextTokenizer {
    let (_folder, path) = parts.file();
    Checkpoint::open(&path).unwrap().tokenizer().unwrap()
}

fn pieces(tokenizer: &TextTokenizer, text: &str) -> Vec<String> {
    tokenizer.encode(text).unwrap().into_iter().map(|token| tokenizer.decode_text(&[token]).unwrap()).collect()
}

#[test]
fn digits_are_taken_together_as_a_pre_tokenizer_says() {
    let three = ["llama-bpe", "llama3", "llama-v3", "smaug-bpe", "dbrx", "gpt-4o"];
    let one = ["qwen2", "deepseek-r1-qwen", "tekken", "smollm", "refact", "starcoder"];
    let all = ["gpt-2", "olmo"];
    let found = |pre: &str| pieces(&tokenizer(pre, &["12345"]), "12345");
    for pre in three {
        assert_eq!(found(pre), ["123", "4", "5"], "{pre}");
    }
    for pre in one {
        assert_eq!(found(pre), ["1", "2", "3", "4", "5"], "{pre}");
    }
    for pre in all {
        assert_eq!(found(pre), ["12345"], "{pre}");
    }
}

#[test]
fn a_word_ends_before_a_capital_where_a_pre_tokenizer_says_so() {
    let found = |pre: &str| pieces(&tokenizer(pre, &["helloWorld", "World"]), "helloWorld");
    for pre in ["gpt-4o", "tekken"] {
        assert_eq!(found(pre), ["hello", "World"], "{pre}");
    }
    for pre in ["llama-bpe", "dbrx", "qwen2", "refact", "gpt-2"] {
        assert_eq!(found(pre), ["helloWorld"], "{pre}");
    }
}

#[test]
fn contractions_stand_where_a_pre_tokenizer_puts_them() {
    let found = |pre: &str| pieces(&tokenizer(pre, &["IT'S", "'S"]), "IT'S");
    assert_eq!(found("gpt-4o"), ["IT'S"], "part of the word");
    for pre in ["llama-bpe", "dbrx", "qwen2"] {
        assert_eq!(found(pre), ["IT", "'S"], "{pre}");
    }
    assert_eq!(pieces(&tokenizer("gpt-2", &["IT'S", "'S"]), "IT'S"), ["IT", "'", "S"], "in small letters alone");
}

#[test]
fn a_word_that_is_a_token_is_that_token_where_a_pre_tokenizer_says_so() {
    // "ab" comes before "bc", so merges never reach "abc" from "a" and "bc".
    let found = |pre: &str| {
        let tokens: Vec<String> = letters().into_iter().chain(["ab", "bc", "abc"].map(String::from)).collect();
        let parts = self::parts("qwen3").without("token_embd.weight");
        let parts = parts
            .with_tensor("token_embd.weight", vec![0.0; tokens.len() * 48], &[tokens.len(), 48])
            .with("tokenizer.ggml.pre", Value::String(pre.to_owned()))
            .with("tokenizer.ggml.tokens", texts(tokens.iter().map(String::as_str)))
            .with("tokenizer.ggml.token_type", Value::Array(vec![Value::I32(1); tokens.len()]))
            .with("tokenizer.ggml.merges", texts(["a b", "b c", "a bc"]));
        pieces(&opened(&parts), "abc")
    };
    for pre in ["llama-bpe", "smaug-bpe", "tekken"] {
        assert_eq!(found(pre), ["abc"], "{pre}");
    }
    for pre in ["dbrx", "qwen2", "gpt-4o", "refact", "gpt-2"] {
        assert_eq!(found(pre), ["ab", "c"], "{pre}");
    }
}

#[test]
fn qwens_texts_are_composed() {
    let composed = |pre: &str| tokenizer(pre, &[]).encode("e\u{301}").unwrap();
    assert_eq!(composed("qwen2"), tokenizer("qwen2", &[]).encode("\u{e9}").unwrap());
    assert_ne!(composed("dbrx"), tokenizer("dbrx", &[]).encode("\u{e9}").unwrap());
}

/// A SentencePiece vocabulary in a file of a fixture: bytes, some letters, tokens of turns, rows
/// without a text.
fn pieces_of(name: &str) -> TextTokenizer {
    let special = [("<unk>", 2), ("<s>", 3), ("</s>", 4), ("<|endoftext|>", 3), ("<|user|>", 3), ("<|end|>", 3)];
    let mut tokens: Vec<(String, i32)> = special.map(|(token, kind)| (token.to_owned(), kind)).to_vec();
    tokens.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), 6)));
    tokens.extend(["\u{2581}", "h", "i", "hi", "\u{2581}hi"].map(|piece| (piece.to_owned(), 1)));
    let padding = tokens.len()..tokens.len() + 10;
    tokens.extend(padding.map(|id| (format!("[PAD{id}]"), 5)));
    let rows = tokens.len();
    let width = 48;
    let prefix = parts(name).without("token_embd.weight").without("tokenizer.ggml.merges");
    let parts = prefix
        .with_tensor("token_embd.weight", vec![0.0; rows * width], &[rows, width])
        .with("tokenizer.ggml.model", Value::String(String::from("llama")))
        .with("tokenizer.ggml.tokens", texts(tokens.iter().map(|(token, _)| token.as_str())))
        .with("tokenizer.ggml.token_type", Value::Array(tokens.iter().map(|(_, kind)| Value::I32(*kind)).collect()))
        .with("tokenizer.ggml.scores", Value::Array((0..rows).map(|rank| Value::F32(rank as f32)).collect()))
        .with("tokenizer.ggml.add_space_prefix", Value::Bool(false))
        .with("tokenizer.ggml.bos_token_id", number(1))
        .with("tokenizer.ggml.eos_token_id", number(3));
    opened(&parts)
}

#[test]
fn the_tokens_of_phi3s_turns_drop_the_line_end_behind_them() {
    let count = |tokenizer: &TextTokenizer, text: &str| tokenizer.encode_markup(text).unwrap().len();
    let (phi, llama) = (pieces_of("phi3"), pieces_of("llama"));
    for (text, of_phi, of_llama) in [
        ("<|user|>\nhi<|end|>\n", 3, 5),
        ("</s>\nhi", 2, 3),
        ("<s>\nhi", 3, 3),
        ("<|endoftext|>\nhi", 3, 3),
        ("<|user|>hi", 2, 2),
    ] {
        assert_eq!((count(&phi, text), count(&llama, text)), (of_phi, of_llama), "{text:?}");
    }
    assert_eq!(phi.known(), 6 + 256 + 5, "rows without a text have no token");
}

/// Runs of spaces are tokens that were added, and ten thousands of pieces are made of each other:
/// within the bounds.
#[test]
fn a_vocabulary_of_gemmas_size_is_read() {
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let mut tokens: Vec<(String, i32)> =
        [("<pad>", 3), ("<eos>", 3), ("<bos>", 3), ("<unk>", 2)].map(|(token, kind)| (token.to_owned(), kind)).to_vec();
    tokens.extend((2..32).map(|length| (" ".repeat(length), 4)));
    tokens.extend((1..32).map(|length| ("\n".repeat(length), 4)));
    tokens.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), 6)));
    tokens.push((String::from("\u{2581}"), 1));
    tokens.extend(letters.iter().map(|letter| (letter.to_string(), 1)));
    let two = letters.iter().flat_map(|one| letters.iter().map(move |other| format!("{one}{other}")));
    let two: Vec<String> = two.collect();
    tokens.extend(two.iter().map(|pair| (pair.clone(), 1)));
    let three = two.iter().flat_map(|pair| letters.iter().map(move |letter| (format!("{pair}{letter}"), 1)));
    tokens.extend(three);
    let words = two.iter().flat_map(|pair| letters.iter().map(move |letter| (format!("\u{2581}{pair}{letter}"), 1)));
    tokens.extend(words.take(262_144usize.saturating_sub(tokens.len())));
    assert!(tokens.len() > 250_000, "{}", tokens.len());
    let rows = tokens.len();
    let parts = self::parts("gemma3").without("token_embd.weight");
    let parts = parts
        .without("tokenizer.ggml.merges")
        .with_tensor("token_embd.weight", vec![0.0; rows * 48], &[rows, 48])
        .with("tokenizer.ggml.model", Value::String(String::from("llama")))
        .with("tokenizer.ggml.tokens", texts(tokens.iter().map(|(token, _)| token.as_str())))
        .with("tokenizer.ggml.token_type", Value::Array(tokens.iter().map(|(_, kind)| Value::I32(*kind)).collect()))
        .with("tokenizer.ggml.scores", Value::Array((0..rows).map(|rank| Value::F32(-(rank as f32))).collect()))
        .with("tokenizer.ggml.add_space_prefix", Value::Bool(false))
        .with("tokenizer.ggml.bos_token_id", number(2))
        .with("tokenizer.ggml.eos_token_id", number(1));
    let tokenizer = opened(&parts);
    assert_eq!(pieces(&tokenizer, "abc   abc\n\n\nab"), ["abc", "   ", "abc", "\n\n\n", "ab"]);
}
