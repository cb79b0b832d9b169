//! How the joint projection of a block becomes heads: norms of queries and keys, rotation, scale.

use burn::tensor::Tensor;

use super::{RmsNorm, RopeRows};
use crate::config::{DecoderConfig, HeadNormKind};

/// The heads of a decoder's attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadShape {
    /// Key heads.
    pub kv_heads: usize,
    /// Query heads per key head.
    pub group: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// What queries are multiplied by, so that their products with keys are scores.
    pub scale: f64,
    /// Scores become `cap · tanh(score / cap)`.
    pub cap: Option<f64>,
}

impl HeadShape {
    /// The heads of a description.
    #[must_use]
    pub fn of(config: &DecoderConfig) -> Self {
        Self {
            kv_heads: config.num_key_value_heads,
            group: config.group(),
            head_dim: config.head_dim,
            scale: config.score_scale(),
            cap: config.choices.score_cap,
        }
    }

    /// Width of all query heads.
    pub(crate) fn q(&self) -> usize {
        self.kv_heads * self.group * self.head_dim
    }

    /// Width of all key heads.
    pub(crate) fn kv(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Queries and keys, rotated and scaled, and values as attention takes them.
    ///
    /// # Shapes
    ///
    /// - parts: `[q, rows]`, `[kv, rows]`, `[kv, rows]`, normed where they are to be
    /// - queries: `[kv_heads, rows, group, head_dim]`
    /// - keys, values: `[kv_heads, rows, head_dim]`
    pub(super) fn split(&self, parts: [Tensor<2>; 3], rope: Option<&RopeRows>) -> (Tensor<4>, Tensor<3>, Tensor<3>) {
        let Self { kv_heads: heads, group, head_dim: width, .. } = *self;
        let rows = parts[0].dims()[1];
        let [queries, keys, values] = parts;
        let turned = |x: Tensor<3>| match rope {
            Some(rope) => rope.rotate(x),
            None => x,
        };
        let queries = turned(queries.reshape([heads * group, width, rows])).mul_scalar(self.scale);
        let queries = queries.reshape([heads, group, width, rows]).permute([0, 3, 1, 2]);
        let keys = turned(keys.reshape([heads, width, rows])).swap_dims(1, 2);
        (queries, keys, values.reshape([heads, width, rows]).swap_dims(1, 2))
    }
}

/// The norms of queries and keys.
#[derive(Clone, Debug)]
pub struct HeadNorms {
    /// Whether each head has its own mean, or all have one. Never none.
    pub(crate) kind: HeadNormKind,
    /// Of queries: `[head_dim, 1]`, or `[q, 1]` for all heads together.
    pub(crate) query: RmsNorm,
    /// Of keys: `[head_dim, 1]`, or `[kv, 1]`.
    pub(crate) key: RmsNorm,
}

impl HeadNorms {
    /// Queries and keys, normed.
    ///
    /// # Shapes
    ///
    /// - each: `[heads · head_dim, rows]`
    pub(super) fn forward(&self, queries: Tensor<2>, keys: Tensor<2>) -> [Tensor<2>; 2] {
        match self.kind {
            HeadNormKind::PerHead => [self.query.forward_heads(queries), self.key.forward_heads(keys)],
            HeadNormKind::None | HeadNormKind::Whole => [self.query.forward(queries), self.key.forward(keys)],
        }
    }

    /// The joint projection with its queries and keys normed.
    ///
    /// # Shapes
    ///
    /// - joint, output: `[q + 2·kv, rows]`
    pub(super) fn forward_joint(&self, joint: &Tensor<2>, shape: &HeadShape) -> Tensor<2> {
        let (q, kv) = (shape.q(), shape.kv());
        let part = |from: usize, width: usize| joint.clone().slice_dim(0, from..from + width);
        let [queries, keys] = self.forward(part(0, q), part(q, kv));
        Tensor::cat(vec![queries, keys, part(q + kv, kv)], 0)
    }

    pub(super) fn map(&self, change: &impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { kind: self.kind, query: self.query.map(change), key: self.key.map(change) }
    }
}
