//! Where a text may spell a special token.

use std::ops::Range;

/// The longest special token, in bytes.
const LONGEST: usize = 128;

/// The places of `<…>` and `[…]` with a letter or digit in them, on one line. They are short, and
/// none holds another's end.
pub(super) fn spellings(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let opens = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'<' | b'['));
    opens.filter_map(move |(start, open)| {
        let close = if *open == b'<' { b'>' } else { b']' };
        let rest = &bytes[start..bytes.len().min(start + LONGEST)];
        let end = rest.iter().position(|byte| *byte == close || *byte == b'\n')?;
        let word = text.get(start..=start + end)?;
        (rest[end] == close && word.chars().any(char::is_alphanumeric)).then_some(start..start + end + 1)
    })
}

/// Whether a text can be part of one at all, together with what stands beside it.
pub(super) fn may_spell(text: &str) -> bool {
    text.contains(['<', '>', '[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_in_brackets_are_found() {
        let found = |text: &'static str| spellings(text).map(|place| &text[place]).collect::<Vec<_>>();
        assert_eq!(found("a<|x|> [INST]é<y"), ["<|x|>", "[INST]"]);
        assert_eq!(found("<<a> [b\n] <> []"), ["<<a>", "<a>"]);
        assert!(found("1 < 2 and 3 > 2").len() == 1 && found("plain").is_empty());
        assert!(spellings(&format!("<{}>", "x".repeat(200))).next().is_none());
    }
}
