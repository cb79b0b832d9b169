//! Token ids and sets of them. Knows nothing of text.

use std::fmt;

/// A token id of some vocabulary. Which vocabulary is recorded by the [`Session`](crate::Session) that carries it.
pub type Token = u32;

/// A set of token ids over a vocabulary of fixed size, one bit a token.
///
/// ```
/// use saffron_core::TokenSet;
/// let mut unseen = TokenSet::new(100);
/// assert!(unseen.insert(7) && !unseen.insert(100));
/// assert!(unseen.contains(7) && !unseen.contains(8));
/// assert_eq!(unseen.iter().collect::<Vec<_>>(), [7]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSet {
    words: Vec<u64>,
    size: usize,
}

impl TokenSet {
    /// The empty set over `size` token ids.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { words: vec![0; size.div_ceil(64)], size }
    }

    /// The set of the positions that hold `true`; its size is the slice's length.
    #[must_use]
    pub fn from_mask(mask: &[bool]) -> Self {
        let mut set = Self::new(mask.len());
        for (token, _) in mask.iter().enumerate().filter(|(_, on)| **on) {
            set.words[token / 64] |= 1 << (token % 64);
        }
        set
    }

    /// Number of token ids that the set ranges over.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of tokens in the set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Adds a token; `false` (and no change) when it lies outside the set's range.
    pub fn insert(&mut self, token: Token) -> bool {
        let index = token as usize;
        let inside = index < self.size;
        if inside {
            self.words[index / 64] |= 1 << (index % 64);
        }
        inside
    }

    /// Whether the set holds the token. Tokens outside the range are in no set.
    #[must_use]
    pub fn contains(&self, token: Token) -> bool {
        let index = token as usize;
        index < self.size && self.words[index / 64] >> (index % 64) & 1 == 1
    }

    /// The tokens in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Token> + '_ {
        (0..self.size).filter_map(|index| Token::try_from(index).ok()).filter(|token| self.contains(*token))
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSet({} of {})", self.count(), self.size)
    }
}
