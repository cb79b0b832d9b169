//! One decoder block.

use burn::tensor::{Int, Tensor};

use super::lora::{LoraPair, LoraWeights, Projection};
use super::{Attend, BlockNorms, HeadShape, Linear, RmsNorm, RopeRows, fused, simd};
use crate::config::{Activation, DecoderConfig};

/// Attention and gated MLP, each added to the residual stream, with norms where the description has
/// some. Projections of the same input are one matrix.
#[derive(Clone, Debug)]
pub struct Block {
    /// The norms.
    pub norms: BlockNorms,
    /// `[q + 2·kv, hidden]`: queries, keys, values.
    pub qkv: Linear,
    /// `[hidden, q]`
    pub output: Linear,
    /// `[2·intermediate, hidden]`: gate, up.
    pub gate_up: Linear,
    /// `[hidden, intermediate]`
    pub down: Linear,
}

/// What a block needs to know beside its weights.
pub(crate) struct BlockContext<'a> {
    pub(crate) layer: usize,
    pub(crate) heads: &'a HeadShape,
    /// None where the layer does not rotate.
    pub(crate) rope: Option<&'a RopeRows>,
    pub(crate) activation: Activation,
    /// What attention and MLP are multiplied by before they are added.
    pub(crate) residual: f64,
    pub(crate) lora: Option<&'a LoraWeights>,
    /// The rows that are wanted, if not all are.
    pub(crate) wanted: Option<&'a Tensor<1, Int>>,
}

impl BlockContext<'_> {
    fn pair(&self, projection: Projection) -> Option<&LoraPair> {
        self.lora.and_then(|lora| lora.pairs.get(&(self.layer, projection)))
    }

    /// Adds an unmerged adapter's share to a projection's output.
    fn adapted(&self, projection: Projection, x: &Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        match self.pair(projection) {
            Some(pair) => {
                let LoraPair { a, b, scale } = pair.cast(x.dtype());
                y + b.matmul(a.matmul(x.clone())).mul_scalar(scale)
            }
            None => y,
        }
    }

    /// Adds the adapters of several projections, each so high, to their joint output: one product, with their factors stacked.
    fn adapted_jointly(&self, parts: &[(Projection, usize)], x: &Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        let pairs: Vec<_> = parts.iter().map(|(projection, _)| self.pair(*projection)).collect();
        let (mut before, rank) = (0, pairs.iter().flatten().map(|pair| pair.a.dims()[0]).sum::<usize>());
        if rank == 0 {
            return y;
        }
        let factors = pairs.iter().flatten().map(|pair| pair.a.clone()).collect();
        let down = Tensor::cat(factors, 0).matmul(x.clone());
        let zeros = |height, width| Tensor::<2>::zeros([height, width], &x.device());
        let row = |(pair, (_, height)): (&Option<&LoraPair>, &(Projection, usize))| {
            let Some(pair) = pair else { return zeros(*height, rank) };
            let (first, own) = (before, pair.b.dims()[1]);
            before += own;
            let after = rank - before;
            let factor = pair.b.clone().mul_scalar(pair.scale);
            let row = [zeros(*height, first), factor, zeros(*height, after)];
            Tensor::cat(row.into_iter().filter(|part| part.dims()[1] > 0).collect(), 1)
        };
        let up: Vec<_> = pairs.iter().zip(parts).map(row).collect();
        y + Tensor::cat(up, 0).matmul(down)
    }
}

impl Block {
    /// # Shapes
    ///
    /// - x: `[hidden, rows]`
    /// - output: `[hidden, rows]`, or as many rows as are wanted
    pub(crate) fn forward(&self, x: Tensor<2>, cx: &BlockContext<'_>, attend: &mut dyn Attend) -> Tensor<2> {
        let norms = &self.norms;
        let mixed = self.mixed(&normed(norms.before_attention.as_ref(), x.clone()), cx, attend);
        let (mixed, x) = match cx.wanted {
            Some(rows) => (mixed.select(1, rows.clone()), x.select(1, rows.clone())),
            None => (mixed, x),
        };
        let x = added(Projection::Output, &self.output, norms.behind_attention.as_ref(), &mixed, x, cx);
        let wide = self.wide(&normed(norms.before_mlp.as_ref(), x.clone()), cx);
        added(Projection::Down, &self.down, norms.behind_mlp.as_ref(), &wide, x, cx)
    }

    /// What attention takes from the values.
    fn mixed(&self, x: &Tensor<2>, cx: &BlockContext<'_>, attend: &mut dyn Attend) -> Tensor<2> {
        if fused::serves(x) {
            let (q, kv) = (cx.heads.q(), cx.heads.kv());
            let parts = [(Projection::Query, q), (Projection::Key, kv), (Projection::Value, kv)];
            let joint = cx.adapted_jointly(&parts, x, self.joint(x, cx));
            let joint = match &self.norms.heads {
                None => joint,
                Some(norms) => {
                    let alone = fused::head_norms(&joint, norms, cx.heads);
                    alone.unwrap_or_else(|| norms.forward_joint(&joint, cx.heads))
                }
            };
            if let Some(mixed) = attend.attend_joint(cx.layer, &joint, cx.rope, cx.heads) {
                return mixed;
            }
        }
        let (queries, keys, values) = self.heads(x, cx);
        attend.attend(cx.layer, queries, keys, values)
    }

    /// Queries, keys and values of all heads, an adapter of all three among them.
    fn joint(&self, x: &Tensor<2>, cx: &BlockContext<'_>) -> Tensor<2> {
        cx.adapted(Projection::QueryKeyValue, x, self.qkv.forward(x.clone()))
    }

    /// Queries, keys and values as attention takes them.
    fn heads(&self, x: &Tensor<2>, cx: &BlockContext<'_>) -> (Tensor<4>, Tensor<3>, Tensor<3>) {
        let joint = self.joint(x, cx);
        let norms = self.norms.heads.as_ref();
        let alone = if cx.lora.is_none() { simd::split_heads(&joint, norms, cx.rope, cx.heads) } else { None };
        alone.unwrap_or_else(|| self.split_heads(x, joint, cx))
    }

    fn split_heads(&self, x: &Tensor<2>, joint: Tensor<2>, cx: &BlockContext<'_>) -> (Tensor<4>, Tensor<3>, Tensor<3>) {
        let (q, kv) = (cx.heads.q(), cx.heads.kv());
        let part = |projection, from: usize, width: usize| {
            cx.adapted(projection, x, joint.clone().slice_dim(0, from..from + width))
        };
        let (queries, keys) = (part(Projection::Query, 0, q), part(Projection::Key, q, kv));
        let [queries, keys] = match &self.norms.heads {
            Some(norms) => norms.forward(queries, keys),
            None => [queries, keys],
        };
        cx.heads.split([queries, keys, part(Projection::Value, q + kv, kv)], cx.rope)
    }

    /// The MLP's gated activations.
    ///
    /// # Shapes
    ///
    /// - output: `[intermediate, rows]`
    fn wide(&self, x: &Tensor<2>, cx: &BlockContext<'_>) -> Tensor<2> {
        let alone = if cx.lora.is_none() { self.gate_up.gated(x, cx.activation) } else { None };
        if let Some(wide) = alone {
            return wide;
        }
        let joint = cx.adapted(Projection::GateUp, x, self.gate_up.forward(x.clone()));
        let wide = joint.dims()[0] / 2;
        if fused::serves(x) {
            let parts = [(Projection::Gate, wide), (Projection::Up, wide)];
            let joint = cx.adapted_jointly(&parts, x, joint.clone());
            if let Some(wide) = fused::gated(&joint, cx.activation) {
                return wide;
            }
        }
        let alone = if cx.lora.is_none() { simd::gate(&joint, cx.activation) } else { None };
        if let Some(wide) = alone {
            return wide;
        }
        let gate = cx.adapted(Projection::Gate, x, joint.clone().slice_dim(0, 0..wide));
        let up = cx.adapted(Projection::Up, x, joint.slice_dim(0, wide..2 * wide));
        cx.activation.apply(gate) * up
    }

    /// The layer that a projection is rows of, and the first of them; none for the unembedding.
    pub(crate) fn linear(&self, projection: Projection, config: &DecoderConfig) -> Option<(&Linear, usize)> {
        let (q, kv) = (config.query_width(), config.key_width());
        match projection {
            Projection::Query | Projection::QueryKeyValue => Some((&self.qkv, 0)),
            Projection::Key => Some((&self.qkv, q)),
            Projection::Value => Some((&self.qkv, q + kv)),
            Projection::Output => Some((&self.output, 0)),
            Projection::Gate | Projection::GateUp => Some((&self.gate_up, 0)),
            Projection::Up => Some((&self.gate_up, config.intermediate_size)),
            Projection::Down => Some((&self.down, 0)),
            Projection::Head => None,
        }
    }

    /// Adds an adapter's pair to the weights.
    pub(crate) fn merge(&mut self, projection: Projection, pair: &LoraPair, config: &DecoderConfig) {
        let Some((_, first)) = self.linear(projection, config) else { return };
        let linear = match projection {
            Projection::Output => &mut self.output,
            Projection::Gate | Projection::Up | Projection::GateUp => &mut self.gate_up,
            Projection::Down => &mut self.down,
            _ => &mut self.qkv,
        };
        linear.merge(first, pair);
    }

    pub(crate) fn map(&self, change: &impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            norms: self.norms.map(change),
            qkv: self.qkv.map(change),
            output: self.output.map(change),
            gate_up: self.gate_up.map(change),
            down: self.down.map(change),
        }
    }

    /// The projections' weights, in the order of the fields.
    pub(crate) fn matrices(&self) -> [&Tensor<2>; 4] {
        [&self.qkv, &self.output, &self.gate_up, &self.down].map(Linear::weight)
    }

    /// The block with other weights of its projections, changed in the order of the fields.
    pub(crate) fn map_matrices(&self, change: &mut impl FnMut(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            norms: self.norms.clone(),
            qkv: self.qkv.map_weight(&mut *change),
            output: self.output.map_weight(&mut *change),
            gate_up: self.gate_up.map_weight(&mut *change),
            down: self.down.map_weight(&mut *change),
        }
    }
}

/// Normed, where there is a norm.
fn normed(norm: Option<&RmsNorm>, x: Tensor<2>) -> Tensor<2> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}

/// Adds a linear layer of `y` to the residual stream `x`, after the norm and the multiplier that
/// the block has for it.
fn added(
    projection: Projection,
    linear: &Linear,
    norm: Option<&RmsNorm>,
    y: &Tensor<2>,
    x: Tensor<2>,
    cx: &BlockContext<'_>,
) -> Tensor<2> {
    if norm.is_none() && cx.residual == 1.0 {
        return cx.adapted(projection, y, linear.forward_add(y.clone(), x));
    }
    let y = normed(norm, cx.adapted(projection, y, linear.forward(y.clone())));
    x + if cx.residual == 1.0 { y } else { y.mul_scalar(cx.residual) }
}
