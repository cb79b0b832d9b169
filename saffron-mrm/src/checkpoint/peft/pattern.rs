//! Regular expressions of adapter configurations, at a bounded cost: they are matched in linear
//! time, and large ones are refused. Python's are evaluated as far as the `regex` crate has the
//! same.

use std::path::Path;

use regex::bytes::{Regex, RegexBuilder};

use crate::error::LoadError;

/// Bytes of the longest expression, and of all of a field together.
const MAX_PATTERN: usize = 16 << 10;
const MAX_PATTERNS: usize = 128 << 10;
/// Bytes that a compiled expression may take: the one of a field, and one of many.
const MAX_COMPILED: usize = 4 << 20;
const MAX_COMPILED_OF_MANY: usize = 64 << 10;
/// Expressions times modules: a model of 126 layers with a pattern of its own for each module asks
/// for a fifth of it.
const MAX_MATCHES: usize = 1 << 22;

/// An expression that a text must match as a whole, as Python's `fullmatch`. None where it holds
/// something that is not evaluated here (look-around, back references).
pub(super) fn whole(pattern: &str, field: &str, path: &Path) -> Result<Option<Regex>, LoadError> {
    compile(&format!("^(?:{pattern})$"), MAX_COMPILED, field, path)
}

fn compile(pattern: &str, limit: usize, field: &str, path: &Path) -> Result<Option<Regex>, LoadError> {
    let too_large = |found: String| LoadError::field(path, field, "a small regular expression", found);
    if pattern.len() > MAX_PATTERN {
        return Err(too_large(format!("one of {} bytes", pattern.len())));
    }
    let mut builder = RegexBuilder::new(pattern);
    // Names of modules are ASCII.
    builder.unicode(false).size_limit(limit).dfa_size_limit(limit).nest_limit(64);
    match builder.build() {
        Ok(regex) => Ok(Some(regex)),
        Err(regex::Error::CompiledTooBig(_)) => Err(too_large(String::from("one that compiles to too much"))),
        Err(_) => Ok(None),
    }
}

/// What the first pattern that matches a module says of it, for each module. The rule is PEFT's:
/// `re.match(rf"(.*\.)?({pattern})$", module)`, in the order of the file.
pub(super) fn first_matches<T: Copy>(
    patterns: &[(String, T)],
    modules: &[String],
    field: &str,
    path: &Path,
) -> Result<Vec<Option<T>>, LoadError> {
    let bytes: usize = patterns.iter().map(|(pattern, _)| pattern.len()).sum();
    if patterns.len().saturating_mul(modules.len()) > MAX_MATCHES || bytes > MAX_PATTERNS {
        let most = (MAX_MATCHES / modules.len().max(1)).max(1);
        let expected = format!("at most {most} patterns of {MAX_PATTERNS} bytes together");
        return Err(LoadError::field(path, field, expected, format!("{} of {bytes}", patterns.len())));
    }
    let mut found = vec![None; modules.len()];
    for (pattern, value) in patterns {
        let Some(regex) = compile(&format!(r"^(?:(.*\.)?({pattern})$)"), MAX_COMPILED_OF_MANY, field, path)? else {
            let expected = "regular expressions without look-around or back references";
            return Err(LoadError::field(path, field, expected, format!("{pattern:?}")));
        };
        for (found, module) in found.iter_mut().zip(modules).filter(|(found, _)| found.is_none()) {
            *found = regex.is_match(module.as_bytes()).then_some(*value);
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn first(patterns: &[&str], module: &str) -> Option<usize> {
        let patterns: Vec<(String, usize)> =
            patterns.iter().enumerate().map(|(place, pattern)| ((*pattern).to_owned(), place)).collect();
        first_matches(&patterns, &[module.to_owned()], "rank_pattern", Path::new("x")).unwrap()[0]
    }

    /// Each as Python's `re.match(rf"(.*\.)?({pattern})$", module)` answers.
    #[test]
    fn patterns_match_as_in_peft() {
        let module = "model.layers.1.self_attn.q_proj";
        for pattern in [
            "q_proj",
            "self_attn.q_proj",
            "^model.layers.1.self_attn.q_proj",
            "^model.*",
            r"layers\.\d\.self_attn\.q_proj",
            "[qk]_proj",
            "q.proj",
            "1.*",
            "k_proj)|(model.*",
            "q_proj$",
        ] {
            assert_eq!(first(&[pattern], module), Some(0), "{pattern}");
        }
        for pattern in ["_proj", "^q_proj", "^layers.1.self_attn.q_proj", "layers.11.*", "self_attn", "Q_PROJ", "q_pro"]
        {
            assert_eq!(first(&[pattern], module), None, "{pattern}");
        }
        assert_eq!(first(&["k_proj", "^model.*", "q_proj"], module), Some(1), "the first in the file counts");
    }

    #[test]
    fn expressions_that_cost_too_much_are_refused() {
        let refused = |pattern: &str| whole(pattern, "target_modules", Path::new("x")).unwrap_err().to_string();
        assert!(refused("((a{100}){100}){100}").contains("target_modules: expected a small"));
        assert!(refused(&"a".repeat(20_000)).contains("one of 20006 bytes"));
        assert!(whole("(?=a)b", "target_modules", Path::new("x")).unwrap().is_none());
        let patterns: Vec<(String, usize)> = (0..10_000).map(|place| (format!("m{place}"), 1)).collect();
        let modules = vec![String::from("model.layers.0.self_attn.q_proj"); 882];
        let error = first_matches(&patterns, &modules, "rank_pattern", Path::new("x")).unwrap_err().to_string();
        assert!(error.contains("rank_pattern: expected at most 4755 patterns"), "{error}");
        // What explodes where an expression is tried backwards.
        let slow = whole("(a*)*b|(a|a)*c", "target_modules", Path::new("x")).unwrap().unwrap();
        assert!(!slow.is_match("a".repeat(10_000).as_bytes()));
    }
}
