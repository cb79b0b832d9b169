//! Texts with places to be filled.

/// A place in a text and what goes there.
pub(super) struct Placeholder<'a> {
    pub(super) mark: &'static str,
    pub(super) text: &'a str,
}

/// A text whose places are filled.
pub(super) struct Filled {
    pub(super) text: String,
    /// How many places there were.
    pub(super) places: usize,
}

/// Fills every place once, from left to right; what is put in is not searched for places again.
pub(super) fn fill(pattern: &str, placeholders: &[Placeholder<'_>]) -> Filled {
    let mut filled = Filled { text: String::with_capacity(pattern.len()), places: 0 };
    let mut rest = pattern;
    while let Some((at, place)) = first(rest, placeholders) {
        filled.text.push_str(&rest[..at]);
        filled.text.push_str(place.text);
        filled.places += 1;
        rest = &rest[at + place.mark.len()..];
    }
    filled.text.push_str(rest);
    filled
}

fn first<'a, 'b>(text: &str, placeholders: &'a [Placeholder<'b>]) -> Option<(usize, &'a Placeholder<'b>)> {
    let found = placeholders.iter().filter_map(|place| Some((text.find(place.mark)?, place)));
    found.min_by_key(|(at, _)| *at)
}
