//! Long lists and long texts, cut short for an error's message.

/// How many items of a list a message names before it gives their number alone.
const LISTED: usize = 10;
/// How many characters of one text a message repeats.
const SHOWN: usize = 300;

/// The first items of a list and how many more there are.
pub(crate) fn listed<T>(items: &[T], separator: &str, text: impl Fn(&T) -> String) -> String {
    let list = items.iter().take(LISTED).map(|item| cut(text(item))).collect::<Vec<_>>().join(separator);
    match items.len().saturating_sub(LISTED) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

/// The beginning of a text and how long the whole is.
pub(crate) fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        let length = text.len();
        text.truncate(end);
        text.push_str(&format!("… ({length} bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_after_ten() {
        let numbers: Vec<usize> = (0..12).collect();
        let text = |number: &usize| number.to_string();
        assert_eq!(listed(&numbers[..10], ", ", text), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(listed(&numbers, ", ", text), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        assert_eq!(cut("é".repeat(300)), "é".repeat(300));
        assert_eq!(cut("é".repeat(301)), format!("{}… (602 bytes)", "é".repeat(300)));
    }
}
