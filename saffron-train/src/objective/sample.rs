//! Sequences with the rewards of their prefixes, and their batches: host data only.

use saffron_core::{Token, TokenSet};
use saffron_mrm::DecoderConfig;

use super::Packed;
use crate::corpus::Corpus;
use crate::error::TrainError;

/// One sequence and the rewards of its prefixes: `rewards[j]` is R of the sequence up to and including token `first + j`, the last reward
/// that of the whole sequence. Tokens before `first` are context: nothing is learnt about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    tokens: Vec<Token>,
    first: usize,
    rewards: Vec<f32>,
}

impl Sample {
    /// A sequence of which every token but the first has a reward.
    ///
    /// # Errors
    ///
    /// Fewer than two tokens, another number of rewards than of tokens after the first, rewards that are not finite.
    pub fn new(tokens: Vec<Token>, rewards: Vec<f32>) -> Result<Self, TrainError> {
        Self::from(1, tokens, rewards)
    }

    /// A reply with the reward of each of its tokens, after a context (a rendered prompt) that has none.
    ///
    /// # Errors
    ///
    /// An empty context or reply, another number of rewards than of the reply's tokens, rewards that are not finite.
    pub fn after(context: &[Token], reply: &[Token], rewards: &[f32]) -> Result<Self, TrainError> {
        Self::from(context.len(), [context, reply].concat(), rewards.to_vec())
    }

    fn from(first: usize, tokens: Vec<Token>, rewards: Vec<f32>) -> Result<Self, TrainError> {
        if first == 0 || rewards.is_empty() || first + rewards.len() != tokens.len() {
            return Err(TrainError::SampleLength { tokens: tokens.len(), context: first, rewards: rewards.len() });
        }
        match rewards.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((position, value)) => Err(TrainError::Reward { position, value: *value }),
            None => Ok(Self { tokens, first, rewards }),
        }
    }

    /// The sequence.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The tokens that have rewards.
    #[must_use]
    pub fn targets(&self) -> &[Token] {
        &self.tokens[self.first..]
    }

    /// The rewards, one a target.
    #[must_use]
    pub fn rewards(&self) -> &[f32] {
        &self.rewards
    }

    /// The sample as many: one for each reward, cut after its token, so that a pass computes that reward alone. The same targets at the
    /// cost of a forward pass each, as a trainer that shuffles prefixes would have them (paper, appendix A.1).
    ///
    /// ```
    /// use saffron_train::Sample;
    /// let sample = Sample::new(vec![1, 5, 9], vec![0.5, -2.0])?;
    /// let prefixes: Vec<Sample> = sample.prefixes().collect();
    /// assert_eq!(prefixes[0], Sample::new(vec![1, 5], vec![0.5])?);
    /// assert_eq!((prefixes[1].tokens(), prefixes[1].targets()), (&[1, 5, 9][..], &[9][..]));
    /// # Ok::<(), saffron_train::TrainError>(())
    /// ```
    pub fn prefixes(&self) -> impl Iterator<Item = Self> {
        self.rewards.iter().zip(self.first..).map(|(reward, place)| Self {
            tokens: self.tokens[..=place].to_vec(),
            first: place,
            rewards: vec![*reward],
        })
    }
}

/// Samples laid out for one forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The inputs: all tokens of a sample but its last.
    pub inputs: Packed,
    /// Rows that predict a token with a reward.
    pub rows: Vec<u32>,
    /// That token.
    pub targets: Vec<Token>,
    /// Its reward.
    pub rewards: Vec<f32>,
}

impl Batch {
    /// Lays samples out for a model.
    ///
    /// # Errors
    ///
    /// No samples, tokens that the model does not have, samples that are too long.
    pub fn new(samples: &[&Sample], model: &DecoderConfig) -> Result<Self, TrainError> {
        for (place, sample) in samples.iter().enumerate() {
            super::check(place, &sample.tokens, model)?;
        }
        let inputs = Packed::causal(samples.iter().map(|sample| &sample.tokens[..sample.tokens.len() - 1]))?;
        let (mut rows, mut targets, mut rewards) = (Vec::new(), Vec::new(), Vec::new());
        for (place, sample) in samples.iter().enumerate() {
            let from = place * inputs.length + sample.first - 1;
            rows.extend((from..from + sample.rewards.len()).map(|row| row as u32));
            targets.extend(sample.targets());
            rewards.extend(&sample.rewards);
        }
        Ok(Self { inputs, rows, targets, rewards })
    }
}

/// The tokens of a vocabulary that no sample has a reward for: their entries of the bias are never trained (Saffron paper, Prop. 1).
///
/// ```
/// use saffron_train::{Sample, unseen_tokens};
/// let sample = Sample::after(&[0, 1], &[3], &[0.5])?;
/// assert_eq!(unseen_tokens([&sample], 5)?.iter().collect::<Vec<_>>(), [0, 1, 2, 4]);
/// # Ok::<(), saffron_train::TrainError>(())
/// ```
///
/// # Errors
///
/// A token outside the vocabulary.
pub fn unseen_tokens<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    vocab_size: usize,
) -> Result<TokenSet, TrainError> {
    let mut mask = vec![true; vocab_size];
    for (sample, one) in samples.into_iter().enumerate() {
        for token in one.targets() {
            let outside = TrainError::Token { sample, token: *token, size: vocab_size };
            *mask.get_mut(*token as usize).ok_or(outside)? = false;
        }
    }
    Ok(TokenSet::from_mask(&mask))
}

impl Corpus<Sample> for [Sample] {
    fn len(&self) -> usize {
        <[Sample]>::len(self)
    }

    fn tokens(&self, place: usize) -> usize {
        self[place].tokens().len()
    }

    fn sample(&self, place: usize, _epoch: u64) -> Sample {
        self[place].clone()
    }
}

impl Corpus<Sample> for Vec<Sample> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn tokens(&self, place: usize) -> usize {
        self.as_slice().tokens(place)
    }

    fn sample(&self, place: usize, epoch: u64) -> Sample {
        self.as_slice().sample(place, epoch)
    }
}
