//! Texts to learn from.

use std::ops::Range;

use saffron_core::Token;

use crate::corpus::Corpus;
use crate::error::TrainError;

/// Tokens, and which of them are learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    tokens: Vec<Token>,
    targets: Range<usize>,
}

impl Text {
    /// A text of which the tokens of a range are learnt, each after all before it. What is behind the range is not looked at.
    ///
    /// ```
    /// use saffron_train::objective::next_token::Text;
    /// let text = Text::new(vec![0, 7, 8, 9], 2..4)?;
    /// assert_eq!(text.targets(), [8, 9]);
    /// assert_eq!(text, Text::reply(&[0, 7], &[8, 9])?);
    /// assert_eq!(Text::whole(vec![0, 7, 8, 9])?.targets(), [7, 8, 9]);
    /// # Ok::<(), saffron_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An empty range, one that begins with the first token (nothing is before it) or goes beyond the last.
    pub fn new(tokens: Vec<Token>, targets: Range<usize>) -> Result<Self, TrainError> {
        if targets.start == 0 || targets.is_empty() || targets.end > tokens.len() {
            return Err(TrainError::Targets { start: targets.start, end: targets.end, tokens: tokens.len() });
        }
        Ok(Self { tokens, targets })
    }

    /// A text of which all tokens but the first are learnt.
    ///
    /// # Errors
    ///
    /// Fewer than two tokens.
    pub fn whole(tokens: Vec<Token>) -> Result<Self, TrainError> {
        let end = tokens.len();
        Self::new(tokens, 1..end)
    }

    /// A reply, which is learnt, after a context (a rendered prompt), which is not.
    ///
    /// # Errors
    ///
    /// An empty context or reply.
    pub fn reply(context: &[Token], reply: &[Token]) -> Result<Self, TrainError> {
        let tokens = [context, reply].concat();
        let targets = context.len()..tokens.len();
        Self::new(tokens, targets)
    }

    /// All tokens.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The tokens that are learnt.
    #[must_use]
    pub fn targets(&self) -> &[Token] {
        &self.tokens[self.targets.clone()]
    }

    /// Where they are.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.targets.clone()
    }

    /// What the model reads: all tokens before the last target.
    pub(super) fn inputs(&self) -> &[Token] {
        &self.tokens[..self.targets.end - 1]
    }
}

impl Corpus<Text> for [Text] {
    fn len(&self) -> usize {
        <[Text]>::len(self)
    }

    fn tokens(&self, place: usize) -> usize {
        self[place].inputs().len()
    }

    fn sample(&self, place: usize, _epoch: u64) -> Text {
        self[place].clone()
    }
}

impl Corpus<Text> for Vec<Text> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn tokens(&self, place: usize) -> usize {
        Corpus::tokens(self.as_slice(), place)
    }

    fn sample(&self, place: usize, epoch: u64) -> Text {
        self.as_slice().sample(place, epoch)
    }
}
