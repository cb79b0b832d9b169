//! Rust tokens as one line of text, spaced nearly as rustfmt does.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// A piece of syntax as text.
pub(super) fn text(piece: &impl ToTokens) -> String {
    let mut line = String::new();
    write(piece.to_token_stream(), &mut line);
    line
}

fn write(tokens: TokenStream, line: &mut String) {
    let mut joint = true;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                let call = group.delimiter() == Delimiter::Parenthesis && ends_a_name(line);
                if !call && !joint {
                    line.push(' ');
                }
                line.push_str(open);
                write(group.stream(), line);
                // A comma behind the last element is a matter of line breaks.
                if line.ends_with(',') {
                    line.pop();
                }
                line.push_str(close);
                joint = false;
            }
            TokenTree::Punct(punct) => {
                let mark = punct.as_char();
                if !joint && wants_space_before(mark, line) {
                    line.push(' ');
                }
                line.push(mark);
                joint = punct.spacing() == Spacing::Joint
                    || matches!(mark, '<' | '&' | '\'' | '#' | '?' | '!' | '*')
                    || line.ends_with("::");
            }
            word => {
                if !joint {
                    line.push(' ');
                }
                line.push_str(&word.to_string());
                joint = false;
            }
        }
    }
}

/// Whether a bracket that follows opens the arguments of a name: `Fn(…)`, not `dyn (…)`.
fn ends_a_name(line: &str) -> bool {
    let word = line.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
    !word.is_empty() && !["mut", "dyn", "impl", "const", "as", "where", "for", "in"].contains(&word)
        || line.ends_with('>') && !line.ends_with("->")
}

fn wants_space_before(mark: char, line: &str) -> bool {
    match mark {
        ',' | ';' | ':' | '>' | '.' => false,
        '!' => line.ends_with("->"),
        '<' => !(ends_a_name(line) || line.ends_with("for") || line.ends_with("impl")),
        _ => true,
    }
}
