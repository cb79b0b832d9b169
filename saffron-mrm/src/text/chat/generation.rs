//! `{% generation %}`: transformers' mark around what a model said, for training. It writes nothing.

/// The source with these marks turned into blocks that are always taken.
pub(super) fn without_generation(source: &str) -> String {
    let mut rest = source;
    let mut changed = String::with_capacity(source.len());
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        changed.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let inner = &tag[..end];
        match inner.trim_matches(['-', '+']).trim() {
            "generation" => changed.push_str(&inner.replace("generation", "if true")),
            "endgeneration" => changed.push_str(&inner.replace("endgeneration", "endif")),
            _ => changed.push_str(inner),
        }
        rest = &tag[end..];
    }
    changed.push_str(rest);
    changed
}

#[cfg(test)]
mod tests {
    use super::without_generation;

    #[test]
    fn only_the_marks_are_changed() {
        let source = "{% for m in ms %}{%- generation -%}generation {{ m }}{% endgeneration %}{% endfor %}{% raw";
        let expected = "{% for m in ms %}{%- if true -%}generation {{ m }}{% endif %}{% endfor %}{% raw";
        assert_eq!(without_generation(source), expected);
        assert_eq!(without_generation("no tags"), "no tags");
    }
}
