//! The steps of a tokenizer: normalizers, pre-tokenizers and decoders. Each kind is known, none
//! panics, and together they make a text only so much longer.

use serde_json::{Map, Value};

use super::charsmap;
use super::growth::Growth;
use super::patterns;
use super::refusal::Refusal;

/// The most steps of a kind.
const MAX_STEPS: usize = 32;
/// What Bert's normalizer makes of a byte: Chinese in spaces, accents apart, lower case.
const BERT: f64 = 8.0;
/// What a byte that is no UTF-8 is written as.
const REPLACED: f64 = 3.0;

/// A step: its kind and its settings.
struct Step<'a> {
    kind: &'a str,
    settings: &'a Map<String, Value>,
    field: &'static str,
}

/// Whether normalizer and pre-tokenizer can be run on any text.
pub(super) fn check_encoding(normalizer: &Value, pre_tokenizer: &Value) -> Result<(), Refusal> {
    let mut growth = Growth::default();
    for step in steps("normalizer", "normalizers", normalizer)? {
        step.normalizer(&mut growth)?;
    }
    growth.check("normalizer")?;
    let mut split = false;
    for step in steps("pre_tokenizer", "pretokenizers", pre_tokenizer)? {
        step.pre_tokenizer(&mut growth, split)?;
        split = true;
    }
    growth.check("pre_tokenizer")
}

/// Whether a decoder can be run on any tokens.
pub(super) fn check_decoding(decoder: &Value) -> Result<(), Refusal> {
    let mut growth = Growth::default();
    let mut may_be_none = false;
    for step in steps("decoder", "decoders", decoder)? {
        step.decoder(&mut growth, &mut may_be_none)?;
    }
    growth.check("decoder")
}

/// The steps of a part, those within sequences one by one.
fn steps<'a>(field: &'static str, list: &'static str, part: &'a Value) -> Result<Vec<Step<'a>>, Refusal> {
    let mut steps = Vec::new();
    let mut open = vec![part];
    while let Some(part) = open.pop() {
        if part.is_null() {
            continue;
        }
        let refuse = |expected: &str| Refusal::new(field, expected, shortened(part));
        let settings = part.as_object().ok_or_else(|| refuse("an object"))?;
        let kind = settings.get("type").and_then(Value::as_str).ok_or_else(|| refuse("an object with a type"))?;
        if kind == "Sequence" {
            let parts = settings.get(list).and_then(Value::as_array);
            open.extend(parts.ok_or_else(|| refuse("a sequence of parts"))?.iter().rev());
        } else {
            steps.push(Step { kind, settings, field });
        }
        if steps.len() + open.len() > MAX_STEPS {
            return Err(Refusal::new(field, format!("at most {MAX_STEPS} steps"), "more"));
        }
    }
    Ok(steps)
}

impl Step<'_> {
    fn refuse(&self, expected: &str, found: impl std::fmt::Display) -> Refusal {
        Refusal::new(format!("{}.{}", self.field, self.kind), expected, found)
    }

    fn text(&self, key: &str) -> Result<&str, Refusal> {
        let text = self.settings.get(key).and_then(Value::as_str);
        text.ok_or_else(|| self.refuse(&format!("a text {key}"), "none"))
    }

    fn is_on(&self, key: &str, default: bool) -> bool {
        self.settings.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    fn unknown(&self) -> Refusal {
        Refusal::new(self.field, "a kind that is known", format!("{:.100?}", self.kind))
    }

    fn normalizer(&self, growth: &mut Growth) -> Result<(), Refusal> {
        match self.kind {
            "NFC" | "NFD" | "NFKC" | "NFKD" | "Lowercase" | "Nmt" | "StripAccents" => growth.unicode(),
            "Strip" => {}
            "Bert" | "BertNormalizer" => growth.times(BERT),
            "ByteLevel" => growth.times(2.0),
            "Precompiled" => growth.times(charsmap::growth(self.text("precompiled_charsmap")?)?),
            "Prepend" => match self.text("prepend")? {
                "" => return Err(self.refuse("a text prepend", "an empty one")),
                text => growth.and(text.len()),
            },
            "Replace" => self.replace(growth)?,
            _ => return Err(self.unknown()),
        }
        Ok(())
    }

    fn pre_tokenizer(&self, growth: &mut Growth, split: bool) -> Result<(), Refusal> {
        // Behind a step that splits, every byte may be a stretch of its own.
        let mut prefix = |times: f64, bytes: usize| {
            growth.times(if split { times + bytes as f64 } else { times });
            growth.and(if split { 0 } else { bytes });
        };
        match self.kind {
            "BertPreTokenizer" | "Delimiter" | "Whitespace" | "Punctuation" | "WhitespaceSplit" | "Digits"
            | "UnicodeScripts" => {}
            "ByteLevel" => prefix(2.0, if self.is_on("add_prefix_space", true) { 2 } else { 0 }),
            "Metaspace" => {
                let length = self.text("replacement")?.len();
                prefix(length as f64, length);
            }
            "FixedLength" => {
                let length = self.settings.get("length");
                if let Some(found) = length.filter(|length| length.as_u64().is_none_or(|length| length == 0)) {
                    return Err(self.refuse("a length of at least 1", found));
                }
            }
            "Split" => match self.pattern()? {
                (text, true) => patterns::check(&format!("{}.Split.pattern", self.field), text)?,
                (text, false) => self.check_filled(text)?,
            },
            _ => return Err(self.unknown()),
        }
        Ok(())
    }

    fn decoder(&self, growth: &mut Growth, may_be_none: &mut bool) -> Result<(), Refusal> {
        match self.kind {
            "Metaspace" | "Fuse" => {}
            "ByteLevel" | "ByteFallback" => growth.times(REPLACED),
            "WordPiece" => growth.and(1),
            // It leaves tokens out.
            "CTC" => *may_be_none = true,
            "BPEDecoder" if *may_be_none => return Err(self.refuse("tokens", "none, where CTC leaves all out")),
            "BPEDecoder" => growth.times(2.0),
            "Strip" => {
                let stop = self.settings.get("stop");
                if let Some(found) = stop.filter(|stop| stop.as_u64() != Some(0)) {
                    return Err(self.refuse("stop 0: short tokens have no letters to strip", found));
                }
            }
            "Replace" => self.replace(growth)?,
            _ => return Err(self.unknown()),
        }
        Ok(())
    }

    fn replace(&self, growth: &mut Growth) -> Result<(), Refusal> {
        let content = self.text("content")?;
        let (pattern, is_regex) = self.pattern()?;
        if is_regex {
            patterns::check_filled(&format!("{}.Replace.pattern", self.field), pattern)?;
            growth.times(content.len() as f64);
        } else {
            self.check_filled(pattern)?;
            growth.times(content.len() as f64 / pattern.len() as f64);
        }
        Ok(())
    }

    fn check_filled(&self, pattern: &str) -> Result<(), Refusal> {
        if pattern.is_empty() { Err(self.refuse("a pattern", "an empty one")) } else { Ok(()) }
    }

    /// The pattern, and whether it is a regular expression.
    fn pattern(&self) -> Result<(&str, bool), Refusal> {
        let pattern = self.settings.get("pattern");
        let text = |kind| pattern.and_then(|pattern| pattern.get(kind)).and_then(Value::as_str);
        match (text("String"), text("Regex")) {
            (Some(text), None) => Ok((text, false)),
            (None, Some(text)) => Ok((text, true)),
            _ => Err(self.refuse("a pattern of String or Regex", pattern.map_or_else(|| "none".into(), shortened))),
        }
    }
}

/// The beginning of a value.
fn shortened(value: &Value) -> String {
    format!("{:.100}", value.to_string())
}
