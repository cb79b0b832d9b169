//! Pre-tokenizers by their names: how a text is cut to words before byte pairs are merged. The
//! patterns are those of the tokenizers' own `tokenizer.json`.

use serde_json::{Value, json};

/// The names that are known.
pub(super) const KNOWN: &str = "llama-bpe (also llama3, llama-v3), smaug-bpe, dbrx, qwen2 (also deepseek-r1-qwen), \
    gpt-4o, tekken, smollm, refact, starcoder, gpt-2 or olmo";

/// One name for each of them.
pub(super) const NAMES: [&str; 7] = ["llama-bpe", "dbrx", "qwen2", "gpt-4o", "tekken", "smollm", "gpt-2"];

/// Contractions of English, in any case.
const CONTRACTIONS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
/// What a word of letters may begin with.
const BEFORE: &str = r"[^\r\n\p{L}\p{N}]?";
/// Line ends and other white space, at the end of every pattern.
const SPACES: &str = r"\s*[\r\n]+|\s+(?!\S)|\s+";
/// Up to three digits, or one.
const THREE_DIGITS: &str = r"\p{N}{1,3}";
const ONE_DIGIT: &str = r"\p{N}";

/// A pre-tokenizer.
pub(super) struct Pre {
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    /// Whether a word that is a token is that token, whatever its merges come to.
    pub(super) whole_words: bool,
}

/// The pre-tokenizer of a name. Those of Llama 3's line differ in the digits that they take
/// together, and whether words are looked up whole.
pub(super) fn named(name: &str) -> Option<Pre> {
    let pre = |pre_tokenizer, whole_words| Some(Pre { normalizer: Value::Null, pre_tokenizer, whole_words });
    let digits = || json!({ "type": "Digits", "individual_digits": true });
    match name {
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" => pre(split(&words(THREE_DIGITS)), true),
        "dbrx" => pre(split(&words(THREE_DIGITS)), false),
        "qwen2" | "deepseek-r1-qwen" => {
            let normalizer = json!({ "type": "NFC" });
            Some(Pre { normalizer, pre_tokenizer: split(&words(ONE_DIGIT)), whole_words: false })
        }
        "gpt-4o" => pre(split(&cased_words(&format!("{CONTRACTIONS}?"), THREE_DIGITS)), false),
        "tekken" => pre(split(&cased_words("", ONE_DIGIT)), true),
        "smollm" | "refact" | "starcoder" => pre(sequence(digits(), byte_level(true)), false),
        "gpt-2" | "olmo" => pre(byte_level(true), false),
        _ => None,
    }
}

/// Contractions, letters, digits, other signs with line ends behind them, spaces.
fn words(digits: &str) -> String {
    format!(r"{CONTRACTIONS}|{BEFORE}\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SPACES}")
}

/// The same where a word ends before a capital that follows a small letter, with what may end it.
fn cased_words(end: &str, digits: &str) -> String {
    let capital = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
    let small = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    let letters = format!("{BEFORE}{capital}*{small}+{end}|{BEFORE}{capital}+{small}*{end}");
    format!(r"{letters}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACES}")
}

/// Words by a pattern, then bytes.
fn split(pattern: &str) -> Value {
    let split = json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
    sequence(split, byte_level(false))
}

pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}

fn sequence(first: Value, then: Value) -> Value {
    json!({ "type": "Sequence", "pretokenizers": [first, then] })
}
