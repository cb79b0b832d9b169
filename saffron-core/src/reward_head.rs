//! What a multifurcation reward model has beyond a language model, and what a client needs to make
//! rewards of a served one's outputs.

use serde::{Deserialize, Serialize};

use crate::preset::Preset;
use crate::reward::ChildReward;
use crate::token::{Token, TokenSet};

/// Bias and unseen tokens over one vocabulary (Saffron paper, §4.1 and §4.3: `M(s) = W f(s) + b`).
///
/// ```
/// use saffron_core::{ChildReward, RewardHead};
/// let mut head = RewardHead::neutral(3);
/// head.bias[1] = 0.5;
/// head.unseen.insert(2);
/// assert_eq!(head.reward(1, 2.0), ChildReward::Seen(2.5));
/// assert_eq!(head.reward(2, 2.0), ChildReward::Unseen);
/// // A token beyond the vocabulary has no row, so it has not been seen.
/// assert_eq!(head.reward(3, 2.0), ChildReward::Unseen);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RewardHead {
    /// Added to the unembedding's output, one value a token.
    pub bias: Vec<f32>,
    /// Tokens that the training corpus never held.
    pub unseen: TokenSet,
}

impl RewardHead {
    /// No bias, no unseen token.
    #[must_use]
    pub fn neutral(vocab_size: usize) -> Self {
        Self { bias: vec![0.0; vocab_size], unseen: TokenSet::new(vocab_size) }
    }

    /// Whether the training corpus held a token of the vocabulary.
    #[must_use]
    pub fn is_seen(&self, token: Token) -> bool {
        (token as usize) < self.bias.len() && !self.unseen.contains(token)
    }

    /// The reward of a token from its logit, the bias added.
    #[must_use]
    pub fn reward(&self, token: Token, logit: f32) -> ChildReward {
        match self.bias.get(token as usize) {
            Some(bias) if self.is_seen(token) => ChildReward::Seen(logit + bias),
            _ => ChildReward::Unseen,
        }
    }
}

/// What a client needs to make rewards of a served model's outputs: the head, for a model that
/// serves hidden states its unembedding, and notes.
///
/// `saffron-mrm` makes one of any of its models (`Mrm::served_head`), and writes it as
/// `reward_head.safetensors`; `saffron-search` reads that file under its feature `remote`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedHead {
    /// Bias and unseen tokens.
    pub head: RewardHead,
    /// The unembedding, where the server gives hidden states.
    pub unembedding: Option<Unembedding>,
    /// How the served model is asked.
    pub notes: HeadNotes,
}

impl ServedHead {
    /// A head without unembedding and notes.
    #[must_use]
    pub fn new(head: RewardHead) -> Self {
        Self { head, unembedding: None, notes: HeadNotes::default() }
    }
}

/// The rows of an unembedding, `[vocab, width]`, in one vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Unembedding {
    rows: Vec<f32>,
    width: usize,
}

impl Unembedding {
    /// Rows of a width. None where they do not fill whole rows.
    ///
    /// ```
    /// use saffron_core::Unembedding;
    /// let rows = Unembedding::new(vec![1.0, 0.0, 0.5, 2.0], 2).unwrap();
    /// assert_eq!((rows.width(), rows.vocab_size()), (2, 2));
    /// assert_eq!(rows.logit(1, &[2.0, 3.0]), Some(7.0));
    /// assert_eq!(rows.logit(2, &[2.0, 3.0]), None);
    /// assert!(Unembedding::new(vec![1.0; 3], 2).is_none());
    /// ```
    #[must_use]
    pub fn new(rows: Vec<f32>, width: usize) -> Option<Self> {
        (width > 0 && rows.len().is_multiple_of(width)).then_some(Self { rows, width })
    }

    /// The length of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.rows.len() / self.width
    }

    /// All rows, one after another.
    #[must_use]
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The product of a token's row and a hidden state, summed in float64. None where the row does
    /// not exist or the hidden state has another width.
    #[must_use]
    pub fn logit(&self, token: Token, hidden: &[f32]) -> Option<f32> {
        let begin = (token as usize).checked_mul(self.width)?;
        let row = self.rows.get(begin..begin.checked_add(self.width)?)?;
        let products = row.iter().zip(hidden).map(|(weight, value)| f64::from(*weight) * f64::from(*value));
        (hidden.len() == self.width).then(|| products.sum::<f64>() as f32)
    }
}

/// How a served reward model is asked, and how its outputs are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HeadNotes {
    /// A token whose row of the unembedding is zero in the served model, so that its logit is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Token>,
    /// What the model divides its logits by.
    pub logit_divisor: f32,
    /// The model's soft cap: logits become `cap · tanh(logit / cap)` after the division.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_cap: Option<f32>,
    /// The name of the prompt layout that the model was trained with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The preset of searches with the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// What the model gives, to recognise a server of another one by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<RewardProbe>,
}

impl Default for HeadNotes {
    fn default() -> Self {
        Self { reference: None, logit_divisor: 1.0, logit_cap: None, layout: None, preset: None, probes: Vec::new() }
    }
}

impl HeadNotes {
    /// The logit that the model makes of the product of a row and a hidden state.
    #[must_use]
    pub fn bounded(&self, product: f32) -> f32 {
        let logit = product / self.logit_divisor;
        self.logit_cap.map_or(logit, |cap| cap * (logit / cap).tanh())
    }
}

/// What a model gave after a context where it was exported: logits, without the bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardProbe {
    /// The context.
    pub tokens: Vec<Token>,
    /// Tokens that may come next.
    pub ids: Vec<Token>,
    /// Their logits, in the same order.
    pub logits: Vec<f32>,
}
