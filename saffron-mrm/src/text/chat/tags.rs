//! Tags (`<…>`, `[…]`, `/word`) that a template looks for in what is said.

use std::collections::BTreeSet;
use std::ops::Range;

/// The longest tag, in bytes.
const MAX_TAG: usize = 32;

/// The tags that stand in quotes in a template's source.
pub(super) fn quoted_tags(source: &str) -> BTreeSet<&str> {
    let quotes = source.match_indices(['\'', '"']);
    let quoted = quotes.filter_map(|(at, quote)| {
        let tag = tag_at(&source[at + quote.len()..])?;
        source[at + quote.len() + tag.len()..].starts_with(quote).then_some(tag)
    });
    quoted.collect()
}

/// Where a text holds some of these tags, in order.
pub(super) fn tags_in(text: &str, tags: &BTreeSet<&str>) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(start) = text[at..].find(['<', '[', '/']).map(|start| at + start) {
        at = start + 1;
        if let Some(tag) = tag_at(&text[start..]).filter(|tag| tags.contains(tag)) {
            at = start + tag.len();
            found.push(start..at);
        }
    }
    found
}

/// The tag that a text begins with.
fn tag_at(text: &str) -> Option<&str> {
    let until = |end: u8| Some(text.bytes().take(MAX_TAG).position(|byte| byte == end)? + 1);
    let letters = text.bytes().skip(1).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let length = match text.as_bytes().first()? {
        b'<' => until(b'>')?,
        b'[' => until(b']')?,
        b'/' => 1 + letters.take(MAX_TAG).count(),
        _ => return None,
    };
    (3..=MAX_TAG).contains(&length).then(|| &text[..length])
}

#[cfg(test)]
mod tests {
    use super::{quoted_tags, tags_in};

    #[test]
    fn only_tags_that_the_template_names_are_found() {
        let tags = quoted_tags("it's {{ '</think>' }} {{ \"/no_think\" + '[INST] ' }} '<a' '</b>\" '<>'");
        assert_eq!(tags.iter().copied().collect::<Vec<_>>(), ["/no_think", "</think>"]);
        let text = "<think>é</think> a/no_think <</think> [INST]";
        let found: Vec<&str> = tags_in(text, &tags).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["</think>", "/no_think", "</think>"]);
    }
}
