//! The key that clients show.

use std::fmt;
use std::hint::black_box;

/// The environment's variable that holds the server's key. It is written nowhere.
pub(super) const KEY: &str = "SAFFRON_SERVE_KEY";

/// A key that requests must show.
#[derive(Clone)]
pub struct ServerKey(Vec<u8>);

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey")
    }
}

impl ServerKey {
    /// A key; none of an empty text, which everybody would know.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.as_bytes().to_vec()))
    }

    /// The environment's key.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        std::env::var(KEY).ok().and_then(|key| Self::new(&key))
    }

    /// Whether the header `Authorization` shows this key. The time taken depends on the length of
    /// what is shown alone.
    #[must_use]
    pub fn is_shown(&self, authorization: Option<&[u8]>) -> bool {
        let shown = authorization.and_then(|header| header.strip_prefix(b"Bearer ")).unwrap_or_default();
        let places = shown.iter().zip(self.0.iter().cycle());
        let differing = places.fold(0, |differing, (one, other)| black_box(differing | (one ^ other)));
        black_box(differing == 0) & (shown.len() == self.0.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::ServerKey;

    #[test]
    fn only_the_key_itself_is_the_key() {
        let key = ServerKey::new("abc").unwrap();
        assert!(key.is_shown(Some(b"Bearer abc")));
        for header in ["Bearer abd", "Bearer ab", "Bearer abcabc", "Bearer ", "abc", "bearer abc", "Bearer  abc"] {
            assert!(!key.is_shown(Some(header.as_bytes())), "{header}");
        }
        assert!(!key.is_shown(None));
        assert!(ServerKey::new("").is_none());
        assert_eq!(format!("{key:?}"), "ServerKey");
    }
}
