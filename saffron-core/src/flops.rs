//! Closed-form FLOPs of a decoder-only transformer with gated MLPs. Two operations for a multiply-add; norms, rotary
//! embeddings, softmax and activations, which are below one per cent, are left out.

use crate::work::Forwarded;

/// The sizes that decide what a forward pass costs.
///
/// Per token and layer: `2·hidden·(q + 2·kv)` for the projections in, `2·q·hidden` out,
/// `2·3·hidden·intermediate` for the MLP; per query–key pair and layer `4·q` (scores and weighted
/// sum); per output `2·hidden·vocab`. Layers that slide have the pairs within their window.
///
/// ```
/// use saffron_core::{DecoderShape, Sliding};
/// // Llama 3 8B: 32 layers, hidden 4096, 32/8 heads of 128, intermediate 14336, vocabulary 128256.
/// let shape = DecoderShape {
///     layers: 32,
///     hidden: 4096,
///     q: 4096,
///     kv: 1024,
///     intermediate: 14_336,
///     vocab: 128_256,
///     lora_per_token: 0,
///     lora_per_output: 0,
///     sliding: Sliding::NONE,
/// };
/// let one_token = shape.forwarded(1, 1, 1).flops;
/// // Twice the 7.5 billion weights of its linear layers (the embedding table is only looked up), and a little attention.
/// assert!((one_token as f64 / 1e9 - 15.01).abs() < 0.01);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderShape {
    /// Transformer layers.
    pub layers: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Query heads × head width.
    pub q: u64,
    /// Key heads × head width.
    pub kv: u64,
    /// Width of the gated MLP.
    pub intermediate: u64,
    /// Rows of the unembedding.
    pub vocab: u64,
    /// Extra FLOPs per token of adapters that are not merged, over all layers.
    pub lora_per_token: u64,
    /// Extra FLOPs per output of an adapter of the unembedding that is not merged.
    pub lora_per_output: u64,
    /// Layers in which a token sees no more than a window; none by default.
    pub sliding: Sliding,
}

/// Layers in which a token sees the last tokens of its context alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sliding {
    /// How many there are.
    pub layers: u64,
    /// Tokens that are seen, the token itself among them.
    pub window: u64,
}

impl Sliding {
    /// No such layers.
    pub const NONE: Self = Self { layers: 0, window: 0 };

    /// Query–key pairs of the positions `from..to` in one such layer.
    fn pairs(self, from: u64, to: u64) -> u64 {
        // Up to the window's end every position sees one more than the one before it.
        let triangle = |n: u64| n * (n + 1) / 2;
        let until = |n: u64| triangle(n.min(self.window)) + n.saturating_sub(self.window) * self.window;
        until(to) - until(from)
    }
}

impl DecoderShape {
    /// FLOPs per token in the linear layers.
    #[must_use]
    pub fn linear_per_token(&self) -> u64 {
        let attention = 2 * self.hidden * (self.q + 2 * self.kv) + 2 * self.q * self.hidden;
        let mlp = 2 * 3 * self.hidden * self.intermediate;
        self.layers * (attention + mlp) + self.lora_per_token
    }

    /// FLOPs per query–key pair, over all layers.
    pub(crate) fn attention_per_pair(&self) -> u64 {
        self.layers * 4 * self.q
    }

    /// FLOPs per position that is unembedded.
    #[must_use]
    pub fn unembedding_per_output(&self) -> u64 {
        2 * self.hidden * self.vocab + self.lora_per_output
    }

    /// The amounts with their FLOPs, where every layer has all pairs.
    #[must_use]
    pub fn forwarded(&self, tokens: u64, pairs: u64, outputs: u64) -> Forwarded {
        let flops = tokens * self.linear_per_token()
            + pairs * self.attention_per_pair()
            + outputs * self.unembedding_per_output();
        Forwarded { tokens, pairs, outputs, flops }
    }

    /// Computing the positions `from..to` of one sequence on top of cached ones, with `outputs` of
    /// them unembedded. Its pairs are those of a layer that sees everything.
    #[must_use]
    pub fn continuation(&self, from: u64, to: u64, outputs: u64) -> Forwarded {
        let triangle = |n: u64| n * (n + 1) / 2;
        let pairs = triangle(to) - triangle(from);
        let whole = self.forwarded(to - from, pairs, outputs);
        let unseen = self.sliding.layers * (pairs - self.sliding.pairs(from, to).min(pairs));
        Forwarded { flops: whole.flops - 4 * self.q * unseen, ..whole }
    }
}
