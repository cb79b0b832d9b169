//! Settings that people write: TOML files.

use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

/// Settings that do not say what they should. The text has the line and what was expected there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// What serde calls values of several shapes, which means nothing to who writes one, and what is
/// said in its place.
const SHAPES: [(&str, &str); 3] = [
    ("internally tagged enum ", "a table with `kind`"),
    ("adjacently tagged enum ", "a table with `kind`"),
    ("data did not match any variant of untagged enum ", "none of the values that may stand here"),
];

/// Reads a TOML file.
///
/// # Errors
///
/// A file that cannot be read, or says something else than it should.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Reads TOML.
///
/// # Errors
///
/// TOML that says something else than it should.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, SettingsError> {
    toml::from_str(text).map_err(|error| SettingsError(in_words(&error.to_string())))
}

/// An error of serde's in words of its reader.
fn in_words(error: &str) -> String {
    SHAPES.iter().fold(error.trim_end().to_owned(), |text, (shape, words)| {
        let mut parts = text.split(shape);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |said, part| {
            let name = part.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(part.len());
            said + words + &part[name..]
        })
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::parse;

    #[derive(Debug, Deserialize)]
    #[serde(tag = "kind")]
    #[allow(dead_code, reason = "read by its shape alone")]
    enum Tagged {
        One { value: u8 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code, reason = "read by its shape alone")]
    enum Untagged {
        Number(u8),
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read by its shape alone")]
    struct Settings {
        #[serde(default)]
        tagged: Option<Tagged>,
        #[serde(default)]
        untagged: Option<Untagged>,
    }

    fn refused(text: &str) -> String {
        parse::<Settings>(text).map(drop).map_or_else(|error| error.to_string(), |()| String::from("read"))
    }

    #[test]
    fn what_was_expected_is_said_in_words_beside_the_line() {
        let error = refused("\ntagged = \"One\"\n");
        assert!(error.contains("tagged = \"One\"") && error.contains("line 2"), "{error}");
        assert!(error.ends_with("invalid type: string \"One\", expected a table with `kind`"), "{error}");
        let error = refused("untagged = \"two\"");
        assert!(error.contains("untagged = \"two\""), "{error}");
        assert!(error.ends_with("none of the values that may stand here"), "{error}");
        assert!(refused("tagged = { value = 1 }").contains("missing field `kind`"));
        assert_eq!(refused("tagged = { kind = \"One\", value = 1 }\nuntagged = 3"), "read");
    }
}
