//! What a template's source must keep to, and checks that are put into it.
//!
//! minijinja bounds the steps that a template takes and the text that it makes. It does not bound
//! how deep an expression is parsed, nor how deep, how large or how often shared a value is that is
//! compared, hashed or written. So long expressions are refused before they are parsed, and every
//! value that gets a name passes a filter that measures it: by `set`, `for`, `with`, and as an
//! argument of a macro.

use super::TemplateError;
use super::lexer::{Kind, Lexeme, lexemes};

/// The filter for what gets a name.
pub(super) const BOUNDED: &str = "saffron_bounded";
/// The filter for what becomes a part of a namespace.
pub(super) const HELD: &str = "saffron_held";
/// The most lexemes of a tag.
const MAX_LEXEMES: usize = 4_000;
/// The most operators and brackets that stand in or behind each other.
const MAX_DEPTH: usize = 200;
/// The most blocks in each other, and branches of one.
const MAX_BLOCKS: usize = 100;
/// How many times a list may be repeated.
const MAX_TIMES: u64 = 4_096;

/// The source with the filters in it.
///
/// # Errors
///
/// Source that is nested too deep, or not to be read.
pub(super) fn bounded_source(source: &str) -> Result<String, TemplateError> {
    let lexemes = lexemes(source)?;
    let mut inserted = Vec::new();
    let mut blocks = Blocks::default();
    for tag in lexemes.split_inclusive(|lexeme| lexeme.kind == Kind::End) {
        let begin = tag.iter().position(|lexeme| matches!(lexeme.kind, Kind::Variable | Kind::Block));
        let (Some(begin), Some((end, _))) = (begin, tag.split_last()) else { continue };
        let tag = Tag { words: &tag[begin + 1..tag.len() - 1], end };
        tag.check()?;
        if end.text.ends_with("%}") {
            blocks.enter(&tag)?;
            tag.bind(&mut inserted)?;
        }
    }
    Ok(with_inserted(source, inserted))
}

/// A tag: what stands in it, and its end.
struct Tag<'t, 's> {
    words: &'t [Lexeme<'s>],
    end: &'t Lexeme<'s>,
}

/// Blocks that are open, with the branches of each.
#[derive(Default)]
struct Blocks {
    open: Vec<usize>,
    depth: usize,
}

impl Blocks {
    fn enter(&mut self, tag: &Tag<'_, '_>) -> Result<(), TemplateError> {
        let opens = match tag.name() {
            "elif" => {
                if let Some(branches) = self.open.last_mut() {
                    *branches += 1;
                }
                self.depth += 1;
                false
            }
            "set" => tag.sign("=", 0).is_none(),
            "if" | "for" | "macro" | "call" | "filter" | "with" | "autoescape" | "block" => true,
            name => {
                if name.starts_with("end") {
                    self.depth -= self.open.pop().unwrap_or(0);
                }
                false
            }
        };
        if opens {
            self.open.push(1);
            self.depth += 1;
        }
        check("blocks and branches in each other", self.depth, MAX_BLOCKS)
    }
}

fn check(what: &str, found: usize, limit: usize) -> Result<(), TemplateError> {
    if found > limit {
        return Err(TemplateError::Syntax(format!("{found} {what}, at most {limit} are read")));
    }
    Ok(())
}

impl<'s> Tag<'_, 's> {
    fn name(&self) -> &'s str {
        self.words.first().filter(|word| word.kind == Kind::Name).map_or("", |word| word.text)
    }

    fn check(&self) -> Result<(), TemplateError> {
        check("words and signs in a tag", self.words.len(), MAX_LEXEMES)?;
        // Of each open bracket how many operators stand in the item that is read.
        let (mut open, mut depth) = (vec![0_usize], 0_usize);
        for word in self.words {
            match (word.kind, word.text) {
                (Kind::Sign, ")" | "]" | "}") if open.len() > 1 => depth -= open.pop().unwrap_or(0),
                (Kind::Sign, ",") => depth -= open.last_mut().map(std::mem::take).unwrap_or(0),
                (Kind::Sign, ":" | "=" | ")" | "]" | "}") => {}
                (Kind::Sign, _) | (Kind::Name, "and" | "or" | "not" | "in" | "is" | "if" | "else") => {
                    if let Some(operators) = open.last_mut() {
                        *operators += 1;
                        depth += 1;
                    }
                    if matches!(word.text, "(" | "[" | "{") {
                        open.push(0);
                    }
                }
                _ => {}
            }
            check("operators in or behind each other", depth, MAX_DEPTH)?;
        }
        self.check_products()
    }

    /// Refuses products that may repeat a list without bound: one side is a text or a small number.
    fn check_products(&self) -> Result<(), TemplateError> {
        let text = |place: Option<usize>| place.and_then(|place| self.words.get(place));
        let is = |place: Option<usize>, signs: &[&str]| {
            text(place).is_some_and(|word| word.kind == Kind::Sign && signs.contains(&word.text))
        };
        let mut times = 1_u64;
        for (place, word) in self.words.iter().enumerate().skip(1) {
            // In `f(*list)` it is no product.
            if word.kind != Kind::Sign || word.text != "*" || is(Some(place - 1), &["(", ","]) {
                continue;
            }
            let left = (!is(place.checked_sub(2), &["**", "."])).then(|| place - 1);
            let right = (!is(Some(place + 2), &["**", "|", ".", "[", "("])).then_some(place + 1);
            let sides = [text(left), text(right)];
            let number = |word: &Lexeme<'_>| word.text.parse().ok().filter(|_| word.kind == Kind::Number);
            if sides.iter().flatten().any(|side| side.kind == Kind::Quoted) {
                continue;
            }
            times =
                sides.iter().flatten().find_map(|side| number(side)).map_or(u64::MAX, |by| times.saturating_mul(by));
            if times > MAX_TIMES {
                let reason = format!("a product of what is neither a text nor a number up to {MAX_TIMES}");
                return Err(TemplateError::Syntax(reason));
            }
        }
        Ok(())
    }

    /// Where a sign stands outside of brackets, from a place on.
    fn sign(&self, sign: &str, from: usize) -> Option<usize> {
        self.outside(from, |word| word.kind == Kind::Sign && word.text == sign)
    }

    /// Where a word stands outside of brackets, from a place on.
    fn word(&self, names: &[&str], from: usize) -> Option<usize> {
        self.outside(from, |word| word.kind == Kind::Name && names.contains(&word.text))
    }

    fn outside(&self, from: usize, wanted: impl Fn(&Lexeme<'_>) -> bool) -> Option<usize> {
        let mut depth = 0_isize;
        self.words.iter().enumerate().skip(from).find_map(|(place, word)| {
            let found = depth == 0 && wanted(word);
            if word.kind == Kind::Sign {
                depth += match word.text {
                    "(" | "[" | "{" => 1,
                    ")" | "]" | "}" => -1,
                    _ => 0,
                };
            }
            found.then_some(place)
        })
    }

    /// Where a word begins in the source; behind the last one, where the tag ends.
    fn begin(&self, place: usize) -> usize {
        self.words.get(place).map_or(self.end.at, |word| word.at)
    }

    /// Puts a filter around the words from one place up to another.
    fn wrap(&self, from: usize, to: usize, filter: &str, inserted: &mut Vec<(usize, String)>) {
        inserted.push((self.begin(from), String::from("(")));
        inserted.push((self.begin(to), format!(")|{filter} ")));
    }

    /// Puts filters around what gets a name.
    fn bind(&self, inserted: &mut Vec<(usize, String)>) -> Result<(), TemplateError> {
        let all = self.words.len();
        match self.name() {
            "set" => match self.sign("=", 0) {
                Some(equals) => {
                    let attribute = self.words[..equals].iter().any(|word| word.kind == Kind::Sign && word.text == ".");
                    self.wrap(equals + 1, all, if attribute { HELD } else { BOUNDED }, inserted);
                }
                None => inserted.push((self.end.at, format!("|{BOUNDED} "))),
            },
            "for" => {
                if self.word(&["recursive"], 1).is_some() {
                    return Err(TemplateError::Syntax(String::from("recursive loops are not supported")));
                }
                if let Some(within) = self.word(&["in"], 1) {
                    let to = self.word(&["if"], within + 1).unwrap_or(all);
                    self.wrap(within + 1, to, BOUNDED, inserted);
                }
            }
            "with" => {
                let mut from = 1;
                while let Some(equals) = self.sign("=", from) {
                    let to = self.sign(",", equals + 1).unwrap_or(all);
                    self.wrap(equals + 1, to, BOUNDED, inserted);
                    from = to;
                }
            }
            "macro" => self.bind_parameters(2, inserted),
            "call" => self.bind_parameters(1, inserted),
            _ => {}
        }
        Ok(())
    }

    /// Passes each parameter through the filter where the body of a macro begins.
    fn bind_parameters(&self, open: usize, inserted: &mut Vec<(usize, String)>) {
        let opens = |word: &Lexeme<'_>| word.kind == Kind::Sign && word.text == "(";
        if !self.words.get(open).is_some_and(opens) {
            return;
        }
        let mut depth = 0_isize;
        let mut names = Vec::new();
        for pair in self.words[open..].windows(2) {
            depth += match pair[0].text {
                "(" | "[" | "{" if pair[0].kind == Kind::Sign => 1,
                ")" | "]" | "}" if pair[0].kind == Kind::Sign => -1,
                _ => 0,
            };
            if depth <= 0 {
                break;
            }
            let begins = pair[0].kind == Kind::Sign && matches!(pair[0].text, "(" | ",");
            if depth == 1 && begins && pair[1].kind == Kind::Name {
                names.push(pair[1].text);
            }
        }
        let end = self.end.text;
        let sets = names.iter().map(|name| format!("{{% set {name} = {name}|{BOUNDED} {end}"));
        inserted.push((self.end.at + end.len(), sets.collect()));
    }
}

/// The source with texts put into it, at places in order.
fn with_inserted(source: &str, inserted: Vec<(usize, String)>) -> String {
    let (mut changed, mut from) = (String::with_capacity(source.len()), 0);
    for (at, text) in inserted {
        changed.push_str(&source[from..at]);
        changed.push_str(&text);
        from = at;
    }
    changed.push_str(&source[from..]);
    changed
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::bounded_source;

    #[test]
    fn what_gets_a_name_passes_the_filter() {
        for (source, expected) in [
            ("a{{ b }}{% if c == d %}{% endif %}", "a{{ b }}{% if c == d %}{% endif %}"),
            ("{%- set a = b ~ 'c' -%}", "{%- set a = (b ~ 'c' )|saffron_bounded -%}"),
            ("{% set n.a=[b] %}", "{% set n.a=([b] )|saffron_held %}"),
            ("{% set a, b = c, d %}", "{% set a, b = (c, d )|saffron_bounded %}"),
            ("{% set a %}x{% endset %}", "{% set a |saffron_bounded %}x{% endset %}"),
            ("{% set a | trim %}x{% endset %}", "{% set a | trim |saffron_bounded %}x{% endset %}"),
            (
                "{% for a, b in c.items() if a is in(d) %}{% endfor %}",
                "{% for a, b in (c.items() )|saffron_bounded if a is in(d) %}{% endfor %}",
            ),
            ("{% for m in m[1:] %}{% endfor %}", "{% for m in (m[1:] )|saffron_bounded %}{% endfor %}"),
            (
                "{% with a = f(b=1), c = 2 %}{% endwith %}",
                "{% with a = (f(b=1))|saffron_bounded , c = (2 )|saffron_bounded %}{% endwith %}",
            ),
            (
                "{% macro f(a, b=[1, c]) -%}\nx{% endmacro %}",
                "{% macro f(a, b=[1, c]) -%}{% set a = a|saffron_bounded -%}{% set b = b|saffron_bounded -%}\nx{% endmacro %}",
            ),
            ("{% call(a) f(b) %}{% endcall %}", "{% call(a) f(b) %}{% set a = a|saffron_bounded %}{% endcall %}"),
            (
                "{% call f(b) %}{% endcall %}{% raw %}{% set a=b %}{% endraw %}",
                "{% call f(b) %}{% endcall %}{% raw %}{% set a=b %}{% endraw %}",
            ),
        ] {
            assert_eq!(bounded_source(source).unwrap(), expected);
        }
    }

    #[test]
    fn depth_is_counted_where_it_arises() {
        let nested = |begin: &str, part: &str, times: usize, end: &str| format!("{begin}{}{end}", part.repeat(times));
        for (begin, part, end) in [
            ("{{ ", "-", "1 }}"),
            ("{{ ", "not ", "1 }}"),
            ("{{ a", ".a", " }}"),
            ("{{ 1", "~1", " }}"),
            ("{{ ", "(", " }}"),
            ("{{ ", "[1, ", " }}"),
            ("{{ a", "|trim", " }}"),
            ("{{ a", "()", " }}"),
            ("{{ a", "[0]", " }}"),
            ("{{ 1", " if 1 else 1", " }}"),
            ("{% set ", "(", " %}"),
        ] {
            let source = nested(begin, part, 250, end);
            let error = bounded_source(&source).unwrap_err().to_string();
            assert!(error.contains("at most 200") || error.contains("does not end"), "{part}: {error}");
        }
        assert!(bounded_source(&nested("{{ [1", ", 1 + 2", 300, "] }}")).is_ok(), "items stand beside each other");
        let branches = nested("{% if a %}", "{% elif b %}", 120, "{% endif %}");
        assert!(bounded_source(&branches).unwrap_err().to_string().contains("101 blocks and branches"));
        assert!(bounded_source(&nested("", "{% if a %}", 120, "")).is_err());
        assert!(bounded_source(&nested("", "{% if a %}{% elif b %}{% endif %}", 300, "")).is_ok());
    }

    #[test]
    fn lists_are_not_repeated_without_bound() {
        for source in
            ["{{ '-' * n }}", "{{ n * '=' }}", "{{ n * 2 }}", "{{ f(*a) }}", "{{ 60 * 60 * a }}", "{{ f(1, *a, **b) }}"]
        {
            assert!(bounded_source(source).is_ok(), "{source}");
        }
        for source in [
            "{{ a * b }}",
            "{{ [1] * 99999 }}",
            "{{ a * 64 * 64 * 64 }}",
            "{{ a * 9|f }}",
            "{{ 9 ** 64 * a }}",
            "{{ a * 'x'.b }}",
        ] {
            assert!(bounded_source(source).is_err(), "{source}");
        }
    }
}
