//! Tokens and numbers as a reader sees them.

/// A token's text with its blanks at either end, line ends and invisible characters made visible, so that no text can pass for
/// another or turn the line around.
pub(super) fn visible(text: &str) -> String {
    if text.is_empty() {
        return String::from("⟨empty⟩");
    }
    let inner = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let after = text.len() - before - inner.len();
    let blanks = |count: usize| "␣".repeat(count);
    format!("{}{}{}", blanks(before), inner.chars().map(visible_char).collect::<String>(), blanks(after))
}

/// Running text: as [`visible`], but blanks and line ends stay what they are.
pub(super) fn readable(text: &str) -> String {
    let character = |c: char| if c == '\n' { String::from(c) } else { visible_char(c) };
    text.chars().map(character).collect()
}

fn visible_char(c: char) -> String {
    match c {
        '\n' => String::from("⏎"),
        '\t' => String::from("⇥"),
        c if c.is_control() || is_format(c) => c.escape_unicode().to_string(),
        c => String::from(c),
    }
}

/// Characters that take no room, break lines or change the direction of writing.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A number with at most three decimals and a real minus sign.
pub(super) fn number(value: f32) -> String {
    let text = format!("{value:.3}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if short == "-0" { String::from("0") } else { short.replace('-', "−") }
}

/// Text as HTML's, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let entity = |c: char| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    };
    text.chars().map(|c| entity(c).map_or_else(|| String::from(c), String::from)).collect()
}
