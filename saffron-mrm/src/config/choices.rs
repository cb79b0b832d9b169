//! What a decoder computes beside its sizes: the choices in which families differ. They are
//! resolved when a checkpoint is opened; the forward pass knows no families.

use super::rotary::Rotary;

/// The name of a family of decoders, as `model_type` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family(pub(crate) &'static str);

impl Family {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// The choices of a decoder. [`Choices::llama`] has the plainest.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// The family as whose files it is written.
    pub family: Family,
    /// Where the norms of a block stand.
    pub norms: NormPlaces,
    /// What a norm multiplies by.
    pub norm_weights: NormWeights,
    /// Norms of queries and keys.
    pub head_norms: HeadNormKind,
    /// Which linear layers have biases.
    pub biases: Biases,
    /// The function of the MLP's gate.
    pub activation: Activation,
    /// Whether projections of the same input are stored as one matrix (`qkv_proj`, `gate_up_proj`).
    pub fused: bool,
    /// Rotary positions and windows, layer by layer.
    pub layers: Layers,
    /// Multipliers.
    pub scales: Scales,
    /// Scores of attention become `cap · tanh(score / cap)`.
    pub score_cap: Option<f64>,
    /// Logits become `cap · tanh(logit / cap)`.
    pub logit_cap: Option<f64>,
}

/// Where the norms of a block stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormPlaces {
    /// Before attention and before the MLP.
    Before,
    /// Behind both, before they are added to the residual stream.
    After,
    /// Before and behind both.
    Around,
}

/// What a norm multiplies by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormWeights {
    /// Its stored weights.
    Plain,
    /// One more than these.
    OnePlus,
}

/// Norms of queries and keys, before they are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNormKind {
    /// None.
    None,
    /// Of every head on its own, with weights that all heads share.
    PerHead,
    /// Of all heads together.
    Whole,
}

/// Which linear layers of a block have biases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Biases {
    /// Queries, keys and values.
    pub qkv: bool,
    /// What attention gives.
    pub output: bool,
    /// Gate, up and down.
    pub mlp: bool,
}

/// The function of the MLP's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · σ(x)`
    Silu,
    /// GELU by its tanh form: `x · σ(√(8/π) · (x + 0.044715 x³))`.
    GeluTanh,
}

/// Multipliers of a decoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    /// Of the embeddings.
    pub embedding: f64,
    /// Of what attention and MLP add to the residual stream.
    pub residual: f64,
    /// Of the scores of attention; none stands for `1/√head_dim`.
    pub score: Option<f64>,
    /// What the logits are divided by.
    pub logit_divisor: f64,
}

impl Default for Scales {
    fn default() -> Self {
        Self { embedding: 1.0, residual: 1.0, score: None, logit_divisor: 1.0 }
    }
}

/// What differs between the layers of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its rotary positions; none where queries and keys are not rotated.
    pub rotary: Option<Rotary>,
    /// Tokens that a token sees, itself among them; none where it sees all before it.
    pub window: Option<usize>,
}

/// The layers of a decoder, from the first on.
#[derive(Clone, Debug, PartialEq)]
pub enum Layers {
    /// All alike.
    Alike(Layer),
    /// Each on its own.
    Each(Vec<Layer>),
}

impl Layers {
    /// Layers from the first on; alike where they are equal. An empty list gives layers without
    /// positions.
    pub(crate) fn of(layers: Vec<Layer>) -> Self {
        let Some(first) = layers.first() else { return Self::Alike(Layer { rotary: None, window: None }) };
        if layers.iter().all(|layer| layer == first) { Self::Alike(first.clone()) } else { Self::Each(layers) }
    }

    /// A layer by its number; of a number that is too large the last.
    ///
    /// # Panics
    ///
    /// Never for layers that [`DecoderConfig::validate`](super::DecoderConfig::validate) accepts:
    /// of those there is one.
    #[must_use]
    pub fn layer(&self, number: usize) -> &Layer {
        match self {
            Self::Alike(layer) => layer,
            Self::Each(layers) => &layers[number.min(layers.len() - 1)],
        }
    }

    /// The layers that differ in kind: all of a list, one where they are alike.
    pub(crate) fn kinds(&self) -> &[Layer] {
        match self {
            Self::Alike(layer) => std::slice::from_ref(layer),
            Self::Each(layers) => layers,
        }
    }
}

impl Choices {
    /// The plainest choices, in a family's name.
    pub(crate) fn plain(family: Family, layers: Layers) -> Self {
        Self {
            family,
            norms: NormPlaces::Before,
            norm_weights: NormWeights::Plain,
            head_norms: HeadNormKind::None,
            biases: Biases::default(),
            activation: Activation::Silu,
            fused: false,
            layers,
            scales: Scales::default(),
            score_cap: None,
            logit_cap: None,
        }
    }

    /// Whether any linear layer of a block has a bias.
    #[must_use]
    pub fn has_biases(&self) -> bool {
        self.biases != Biases::default()
    }
}
