//! Regular expressions of a tokenizer: that they take linear time, and that what is replaced is
//! never empty.
//!
//! The `tokenizers` crate runs an expression without lookaround or back references in linear time.
//! One with them is tried step by step, which takes time without bound where repetitions are
//! nested, or look ahead through the text.

use tokenizers::utils::SysRegex;

use super::caught::caught;
use super::refusal::Refusal;

/// The longest expression, in bytes.
const MAX_PATTERN: usize = 8 << 10;
/// A text in which expressions that match nothing, such as `^`, `\b` and `x*`, do so.
const PROBE: &str = "a\n B.\t1-é▁中 _x\r\n";

/// Whether an expression can be run.
pub(super) fn check(field: &str, pattern: &str) -> Result<(), Refusal> {
    let refuse = |expected: &str| Err(Refusal::new(field, expected, format!("{pattern:.200?}")));
    if pattern.is_empty() || pattern.len() > MAX_PATTERN {
        return Err(Refusal::new(field, format!("1 to {MAX_PATTERN} bytes of a regular expression"), pattern.len()));
    }
    let found = Found::in_pattern(pattern);
    if found.fancy && (found.nested || found.looks_far) {
        return refuse(
            "an expression with lookaround to have no repetition in it, or in a repeated group, and no back reference",
        );
    }
    match caught(|| SysRegex::new(pattern).map(drop)) {
        Ok(()) => Ok(()),
        Err(error) => Err(Refusal::new(field, "a regular expression", error)),
    }
}

/// Whether what matches an expression has at least one letter, as far as a text of all kinds of
/// letters shows.
pub(super) fn check_filled(field: &str, pattern: &str) -> Result<(), Refusal> {
    check(field, pattern)?;
    let empty = caught(|| {
        let regex = SysRegex::new(pattern)?;
        let ascii: String = (' '..='~').collect();
        Ok(["", PROBE, &ascii].iter().any(|text| regex.find_iter(text).any(|(start, end)| start == end)))
    });
    match empty {
        Ok(false) => Ok(()),
        Ok(true) => Err(Refusal::new(field, "an expression that matches no empty text", format!("{pattern:.200?}"))),
        Err(error) => Err(Refusal::new(field, "a regular expression", error)),
    }
}

/// What an expression has that decides its time.
#[derive(Default)]
struct Found {
    /// Lookaround, back references and the like.
    fancy: bool,
    /// A repetition of a group that holds one.
    nested: bool,
    /// A repetition in lookaround, or a back reference.
    looks_far: bool,
}

/// A group that is open.
#[derive(Default)]
struct Group {
    looks: bool,
    repeats: bool,
}

impl Found {
    fn in_pattern(pattern: &str) -> Self {
        let mut found = Self::default();
        let mut groups = vec![Group::default()];
        let mut rest = pattern;
        // Whether what stands right before is a group with a repetition in it.
        let mut repeats = false;
        while let Some(letter) = rest.chars().next() {
            let after = &rest[letter.len_utf8()..];
            let was = std::mem::take(&mut repeats);
            rest = match letter {
                '\\' => found.escape(after),
                '[' => class(after),
                '(' => {
                    groups.push(found.open(after, &groups));
                    after
                }
                ')' => {
                    let closed = if groups.len() > 1 { groups.pop().unwrap_or_default() } else { Group::default() };
                    repeats = closed.repeats;
                    if let Some(group) = groups.last_mut() {
                        group.repeats |= closed.repeats;
                    }
                    after
                }
                '*' | '+' | '{' => {
                    found.nested |= was;
                    found.looks_far |= groups.iter().any(|group| group.looks);
                    // A repetition that gives nothing back.
                    found.fancy |= after.starts_with('+');
                    if let Some(group) = groups.last_mut() {
                        group.repeats = true;
                    }
                    after
                }
                _ => after,
            };
        }
        found
    }

    /// What stands behind an escape.
    fn escape<'a>(&mut self, after: &'a str) -> &'a str {
        let Some(letter) = after.chars().next() else { return after };
        if matches!(letter, '1'..='9' | 'k' | 'g') {
            (self.fancy, self.looks_far) = (true, true);
        }
        self.fancy |= matches!(letter, 'K' | 'G');
        let after = &after[letter.len_utf8()..];
        // `\p{Letter}`, `\x{e9}`: not a repetition.
        match after.strip_prefix('{') {
            Some(name) if matches!(letter, 'p' | 'P' | 'x' | 'u' | 'U') => {
                name.find('}').map_or("", |end| &name[end + 1..])
            }
            _ => after,
        }
    }

    fn open(&mut self, after: &str, groups: &[Group]) -> Group {
        let looks = ["?=", "?!", "?<=", "?<!"].iter().any(|kind| after.starts_with(kind));
        self.fancy |= looks || ["?>", "?(", "?&", "?P=", "?P>", "?|"].iter().any(|kind| after.starts_with(kind));
        Group { looks: looks || groups.iter().any(|group| group.looks), repeats: false }
    }
}

/// What stands behind a class of letters, which may hold others.
fn class(after: &str) -> &str {
    let mut depth = 1;
    let mut letters = after.char_indices().peekable();
    // A bracket that comes first is a letter.
    letters.next_if(|(_, letter)| *letter == '^');
    letters.next_if(|(_, letter)| *letter == ']');
    while let Some((place, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &after[place + 1..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::{check, check_filled};

    /// The words of GPT-4's, Llama 3's, Qwen's and Mistral's tokenizers.
    const WORDS: [&str; 4] = [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+|\s+",
        r"(a+b*)+c",
    ];

    #[test]
    fn expressions_of_linear_time_are_taken() {
        for pattern in WORDS {
            assert!(check("p", pattern).is_ok(), "{pattern}");
        }
        for pattern in [r" {2,}", r"\s+", "▁", r"[\r\n]", r"(?i)x"] {
            assert!(check_filled("p", pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn expressions_that_try_without_end_are_refused() {
        for pattern in
            ["", "(", r"(a+)+(?!b)", r"x(?=.*y)", r"(a|aa)\1", r"(?:(?:a*)b)*(?!c)", r"(?=[^]]*)x", r"(?<!(?:a{2}))b"]
        {
            assert!(check("p", pattern).is_err(), "{pattern}");
        }
        assert!(check("p", &"a".repeat(10_000)).is_err());
    }

    #[test]
    fn what_is_replaced_is_never_empty() {
        for pattern in ["^", r"\b", "x*", "(?=a)", "a|", r"(?!\S)", "$"] {
            assert!(check_filled("p", pattern).is_err(), "{pattern}");
        }
    }
}
