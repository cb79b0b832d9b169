//! A template's source in lexemes, as minijinja reads it.

use super::TemplateError;

/// The largest template that is read, in bytes.
pub(super) const MAX_SOURCE: usize = 256 << 10;

/// A part of a template's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lexeme<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Where it begins, in bytes.
    pub(super) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text outside of tags.
    Data,
    /// `{{`
    Variable,
    /// `{%`
    Block,
    /// `}}` or `%}`, with the sign for white space before it.
    End,
    Name,
    Number,
    /// A text in quotes, with them.
    Quoted,
    /// An operator or a bracket.
    Sign,
}

/// A tag that is open.
#[derive(Clone, Copy)]
enum Tag {
    Variable,
    Block,
}

const SIGNS: [&str; 25] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", ".", ",", ":", "~", "|", "=", ">", "<", "(", ")", "[",
    "]", "{", "}",
];

/// The lexemes of a source. White space in tags and comments are left out.
///
/// # Errors
///
/// A tag, a comment or a text that does not end, a character that stands for nothing.
pub(super) fn lexemes(source: &str) -> Result<Vec<Lexeme<'_>>, TemplateError> {
    let mut lexer = Lexer { source, at: 0, open: None, balance: 0, found: Vec::new() };
    while lexer.at < source.len() {
        match lexer.open {
            None => lexer.outside()?,
            Some(tag) => lexer.inside(tag)?,
        }
    }
    match lexer.open {
        None => Ok(lexer.found),
        Some(_) => Err(syntax("a tag does not end")),
    }
}

/// The texts that a template writes, or compares with: those outside of tags, and those in quotes.
/// None of a source that is no template.
pub(crate) fn literals(source: &str) -> Vec<String> {
    let small = Some(source).filter(|source| source.len() <= MAX_SOURCE);
    let lexemes = small.and_then(|source| lexemes(source).ok()).unwrap_or_default().into_iter();
    let texts = lexemes.filter_map(|lexeme| match lexeme.kind {
        Kind::Data => Some(lexeme.text),
        Kind::Quoted => Some(&lexeme.text[1..lexeme.text.len() - 1]),
        _ => None,
    });
    texts.map(str::to_owned).collect()
}

fn syntax(reason: &str) -> TemplateError {
    TemplateError::Syntax(reason.to_owned())
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    open: Option<Tag>,
    /// Brackets that are open: a tag does not end within them.
    balance: isize,
    found: Vec<Lexeme<'a>>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let text = &self.rest()[..length];
        if length > 0 {
            self.found.push(Lexeme { kind, text, at: self.at });
        }
        self.at += length;
    }

    /// Text up to the next tag, and how that begins.
    fn outside(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest();
        let starts = rest.match_indices('{').map(|(place, _)| place);
        let start = starts.into_iter().find(|place| rest[place + 1..].starts_with(['{', '%', '#']));
        self.push(Kind::Data, start.unwrap_or(rest.len()));
        let rest = self.rest();
        let skip = 2 + usize::from(rest.get(2..).is_some_and(|rest| rest.starts_with(['-', '+'])));
        match rest.as_bytes().get(1) {
            Some(b'{') => {
                self.push(Kind::Variable, skip);
                self.open = Some(Tag::Variable);
            }
            Some(b'%') => match basic_tag(&rest[skip..], "raw", false) {
                Some(length) => {
                    self.at += skip + length;
                    self.raw()?;
                }
                None => {
                    self.push(Kind::Block, skip);
                    self.open = Some(Tag::Block);
                }
            },
            Some(_) => {
                let end = rest[skip..].find("#}").ok_or_else(|| syntax("a comment does not end"))?;
                self.at += skip + end + 2;
            }
            None => {}
        }
        Ok(())
    }

    /// What stands in a raw block.
    fn raw(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest();
        for (place, _) in rest.match_indices("{%") {
            if let Some(length) = basic_tag(&rest[place + 2..], "endraw", true) {
                self.push(Kind::Data, place);
                self.at += 2 + length;
                return Ok(());
            }
        }
        Err(syntax("a raw block does not end"))
    }

    fn inside(&mut self, tag: Tag) -> Result<(), TemplateError> {
        let rest = self.rest();
        let space = rest.bytes().take_while(u8::is_ascii_whitespace).count();
        if space > 0 {
            self.at += space;
            return Ok(());
        }
        if self.balance == 0 {
            let end = match tag {
                Tag::Variable => "}}",
                Tag::Block => "%}",
            };
            let sign = usize::from(rest.starts_with(['-', '+']));
            if rest[sign..].starts_with(end) {
                self.push(Kind::End, sign + 2);
                self.open = None;
                return Ok(());
            }
        }
        self.lexeme()
    }

    fn lexeme(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest();
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.balance += match *sign {
                "(" | "[" | "{" => 1,
                ")" | "]" | "}" => -1,
                _ => 0,
            };
            self.push(Kind::Sign, sign.len());
            return Ok(());
        }
        let word = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        match rest.as_bytes().first() {
            Some(quote @ (b'\'' | b'"')) => {
                let length = quoted(rest, *quote).ok_or_else(|| syntax("a text in quotes does not end"))?;
                self.push(Kind::Quoted, length);
            }
            Some(byte) if byte.is_ascii_digit() => self.push(Kind::Number, word),
            _ if word > 0 => self.push(Kind::Name, word),
            _ => return Err(syntax(&format!("unexpected character {:?}", rest.chars().next().unwrap_or_default()))),
        }
        Ok(())
    }
}

/// The length of a text in quotes.
fn quoted(rest: &str, quote: u8) -> Option<usize> {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let ends = !escaped && byte == quote;
        escaped = !escaped && byte == b'\\';
        ends
    });
    Some(end? + 2)
}

/// The length of what stands behind `{%` of a tag that is no more than a name.
fn basic_tag(rest: &str, name: &str, signed: bool) -> Option<usize> {
    let blank = |text: &'_ str| text.bytes().take_while(u8::is_ascii_whitespace).count();
    let mut at = usize::from(signed && rest.starts_with(['-', '+']));
    at += blank(&rest[at..]);
    at += rest[at..].starts_with(name).then_some(name.len())?;
    at += blank(&rest[at..]);
    at += usize::from(rest[at..].starts_with(['-', '+']));
    rest[at..].starts_with("%}").then_some(at + 2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Kind, lexemes, literals};

    fn shown(source: &str) -> Vec<(Kind, &str)> {
        lexemes(source).unwrap().iter().map(|lexeme| (lexeme.kind, lexeme.text)).collect()
    }

    #[test]
    fn tags_end_where_minijinja_ends_them() {
        use Kind::{Block, Data, End, Name, Number, Quoted, Sign, Variable};
        assert_eq!(
            shown("a{ {{- {'k}}': 1}}}b{% set x=\"\\\"%}\" -%}"),
            [
                (Data, "a{ "),
                (Variable, "{{-"),
                (Sign, "{"),
                (Quoted, "'k}}'"),
                (Sign, ":"),
                (Number, "1"),
                (Sign, "}"),
                (End, "}}"),
                (Data, "b"),
                (Block, "{%"),
                (Name, "set"),
                (Name, "x"),
                (Sign, "="),
                (Quoted, "\"\\\"%}\""),
                (End, "-%}"),
            ]
        );
        assert_eq!(shown("{#- {{ #}{%- raw %}{{ {% x %}{%- endraw -%}c"), [(Data, "{{ {% x %}"), (Data, "c")]);
        assert_eq!(literals("a{{ 'b' ~ c['d'] }}{% raw %}{{e}}{% endraw %}"), ["a", "b", "d", "{{e}}"]);
        for open in ["{{ x", "{% set x = '", "{# x", "{% raw %}{% endra %}", "{{ (x }}", "{{ é }}", "{{ ! }}"] {
            assert!(lexemes(open).is_err(), "{open}");
        }
    }
}
