//! What must not be written: names and values that look like secrets.

use serde_json::Value;

/// Something that looks like a secret. Says where it is, never what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A name that a secret would have.
    #[error("{path} looks like a secret by its name: it is not written, leave it out of the settings")]
    Name {
        /// Names and indices that lead to it.
        path: String,
    },
    /// An address with user name and password.
    #[error("{path} is an address with credentials: it is not written, leave them out of the settings")]
    Address {
        /// Names and indices that lead to it.
        path: String,
    },
    /// A value that is shaped like an access token.
    #[error("{path} has the shape of an access token: it is not written, leave it out of the settings")]
    Value {
        /// Names and indices that lead to it.
        path: String,
    },
}

/// How access tokens of model hubs, code hosts and services begin, in lower case, with what follows them at least so long.
const BEGINNINGS: [(&str, usize); 8] = [
    ("bearer ", 1),
    ("hf_", 8),
    ("sk-", 8),
    ("ghp_", 8),
    ("github_pat_", 8),
    ("api_key=", 1),
    ("apikey=", 1),
    ("access_token=", 1),
];

/// Words of which one is enough.
const SECRETS: [&str; 13] = [
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pwd",
    "secret",
    "secrets",
];

/// Words that make a secret together.
const PAIRS: [[&str; 2]; 6] =
    [["api", "key"], ["access", "key"], ["private", "key"], ["api", "keys"], ["openai", "key"], ["hf", "key"]];

/// Words beside which `token` is one of a vocabulary.
const VOCABULARY: [&str; 18] = [
    "bos", "cls", "count", "end", "eos", "first", "id", "ids", "last", "mask", "new", "next", "pad", "per", "sep",
    "special", "unk", "unseen",
];

/// Settings whose words are said to a model or looked for in what it says: what an attacker, a
/// judge or a system prompt says is no access to anything, whatever it looks like.
const WORDS: [&str; 5] = ["attack", "phrases", "question", "rule", "system"];

/// Refuses a value that holds a secret: one by its name, unless it is empty, or an address with
/// credentials. The values of [`WORDS`] may look as they like; names within them may not.
pub(super) fn check(path: &str, value: &Value) -> Result<(), SecretError> {
    check_within(path, value, false)
}

fn check_within(path: &str, value: &Value, words: bool) -> Result<(), SecretError> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            let path = format!("{path}.{name}");
            let words = words || WORDS.contains(&&name[..]);
            match !is_empty(value) && is_secret(name) {
                true => Err(SecretError::Name { path }),
                false => check_within(&path, value, words),
            }
        }),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(place, item)| check_within(&format!("{path}[{place}]"), item, words))
        }
        Value::String(_) if words => Ok(()),
        Value::String(text) if credentials(text).is_some() => Err(SecretError::Address { path: path.to_owned() }),
        Value::String(text) if is_token(text) => Err(SecretError::Value { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// Whether a word of the text begins as access tokens do.
fn is_token(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    BEGINNINGS.iter().any(|(beginning, least)| {
        text.match_indices(beginning).any(|(place, _)| {
            let alone = !text[..place].ends_with(|letter: char| letter.is_alphanumeric());
            let token = text[place + beginning.len()..].chars().take_while(|letter| !letter.is_whitespace());
            alone && token.count() >= *least
        })
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_secret(name: &str) -> bool {
    let words = words(name);
    let known = words.iter().any(|word| SECRETS.contains(&word.as_str()));
    let pair = words.windows(2).any(|pair| PAIRS.iter().any(|known| pair == known));
    let token =
        words.iter().any(|word| word == "token") && !words.iter().any(|word| VOCABULARY.contains(&word.as_str()));
    known || pair || token
}

/// The words of a name in snake, kebab or camel case, in lower case: `HFToken` is `hf` and `token`.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (place, letter) in letters.iter().enumerate() {
        if begins_word(&letters, place) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn begins_word(letters: &[char], place: usize) -> bool {
    let letter = letters[place];
    let before = place.checked_sub(1).map(|place| letters[place]);
    let after = letters.get(place + 1);
    let hump = before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()));
    !letter.is_alphanumeric() || letter.is_uppercase() && hump
}

/// The bytes of the first credentials in an address: what stands between `://` and `@`, if it has a password, or if the
/// web is addressed, where a name alone may be a token.
fn credentials(text: &str) -> Option<std::ops::Range<usize>> {
    text.match_indices("://").find_map(|(place, mark)| {
        let start = place + mark.len();
        let rest = &text[start..];
        let authority = rest.split(|letter: char| "/?#".contains(letter) || letter.is_whitespace()).next()?;
        let end = authority.rfind('@')?;
        let scheme = text[..place].to_ascii_lowercase();
        let web = scheme.ends_with("http") || scheme.ends_with("https");
        (web || authority[..end].contains(':')).then(|| start..start + end)
    })
}

/// The text with `***` in place of every user name and password in an address.
pub(super) fn blotted(text: &str) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(found) = credentials(rest) {
        done.push_str(&rest[..found.start]);
        done.push_str("***");
        rest = &rest[found.end..];
    }
    done.push_str(rest);
    done
}
