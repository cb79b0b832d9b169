//! One decoder block.

use burn::tensor::activation::silu;
use burn::tensor::{Int, Tensor};

use super::lora::{LoraPair, LoraWeights, Projection};
use super::{Attend, Linear, RmsNorm, RopeRows, fused, simd};
use crate::config::DecoderConfig;

/// Attention and gated MLP, each behind a norm and added to the residual stream. Projections of the same input are one matrix.
#[derive(Clone, Debug)]
pub struct Block {
    /// Before attention.
    pub input_norm: RmsNorm,
    /// `[q + 2·kv, hidden]`: queries, keys, values.
    pub qkv: Linear,
    /// `[hidden, q]`
    pub output: Linear,
    /// Before the MLP.
    pub mlp_norm: RmsNorm,
    /// `[2·intermediate, hidden]`: gate, up.
    pub gate_up: Linear,
    /// `[hidden, intermediate]`
    pub down: Linear,
}

/// What a block needs to know beside its weights.
pub(crate) struct BlockContext<'a> {
    pub(crate) layer: usize,
    pub(crate) config: &'a DecoderConfig,
    pub(crate) rope: &'a RopeRows,
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
                let (a, b) = (pair.a.clone().cast(x.dtype()), pair.b.clone().cast(x.dtype()));
                y + b.matmul(a.matmul(x.clone())).mul_scalar(pair.scale)
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
        let mixed = self.mixed(&self.input_norm.forward(x.clone()), cx, attend);
        let (mixed, x) = match cx.wanted {
            Some(rows) => (mixed.select(1, rows.clone()), x.select(1, rows.clone())),
            None => (mixed, x),
        };
        let y = self.output.forward_add(mixed.clone(), x);
        let x = cx.adapted(Projection::Output, &mixed, y);
        let wide = self.wide(&self.mlp_norm.forward(x.clone()), cx);
        let y = self.down.forward_add(wide.clone(), x);
        cx.adapted(Projection::Down, &wide, y)
    }

    /// What attention takes from the values.
    fn mixed(&self, x: &Tensor<2>, cx: &BlockContext<'_>, attend: &mut dyn Attend) -> Tensor<2> {
        if fused::serves(x) {
            let (q, kv) = (cx.config.query_width(), cx.config.key_width());
            let parts = [(Projection::Query, q), (Projection::Key, kv), (Projection::Value, kv)];
            let joint = cx.adapted_jointly(&parts, x, self.qkv.forward(x.clone()));
            if let Some(mixed) = attend.attend_joint(&joint, cx.rope, cx.config) {
                return mixed;
            }
        }
        let (queries, keys, values) = self.heads(x, cx);
        attend.attend(cx.layer, queries, keys, values)
    }

    /// Queries, keys and values as attention takes them.
    fn heads(&self, x: &Tensor<2>, cx: &BlockContext<'_>) -> (Tensor<4>, Tensor<3>, Tensor<3>) {
        let joint = self.qkv.forward(x.clone());
        let alone = if cx.lora.is_none() { simd::split_heads(&joint, cx.rope, cx.config) } else { None };
        alone.unwrap_or_else(|| self.split_heads(x, joint, cx))
    }

    fn split_heads(&self, x: &Tensor<2>, joint: Tensor<2>, cx: &BlockContext<'_>) -> (Tensor<4>, Tensor<3>, Tensor<3>) {
        let DecoderConfig { num_key_value_heads: heads, head_dim, .. } = *cx.config;
        let (group, [_, rows]) = (cx.config.group(), x.dims());
        let (q, kv) = (cx.config.query_width(), cx.config.key_width());
        let part = |projection, from: usize, width: usize| {
            cx.adapted(projection, x, joint.clone().slice_dim(0, from..from + width))
        };
        let queries = part(Projection::Query, 0, q).reshape([heads * group, head_dim, rows]);
        let keys = part(Projection::Key, q, kv).reshape([heads, head_dim, rows]);
        let values = part(Projection::Value, q + kv, kv).reshape([heads, head_dim, rows]);
        let queries = cx.rope.rotate(queries).mul_scalar(1.0 / (head_dim as f64).sqrt());
        let queries = queries.reshape([heads, group, head_dim, rows]).permute([0, 3, 1, 2]);
        let keys = cx.rope.rotate(keys).swap_dims(1, 2);
        (queries, keys, values.swap_dims(1, 2))
    }

    /// The MLP's gated activations.
    ///
    /// # Shapes
    ///
    /// - output: `[intermediate, rows]`
    fn wide(&self, x: &Tensor<2>, cx: &BlockContext<'_>) -> Tensor<2> {
        let alone = if cx.lora.is_none() { self.gate_up.gated(x) } else { None };
        if let Some(wide) = alone {
            return wide;
        }
        let wide = cx.config.intermediate_size;
        if fused::serves(x) {
            let parts = [(Projection::Gate, wide), (Projection::Up, wide)];
            let joint = cx.adapted_jointly(&parts, x, self.gate_up.forward(x.clone()));
            if let Some(wide) = fused::swiglu(&joint) {
                return wide;
            }
        }
        let joint = self.gate_up.forward(x.clone());
        let alone = if cx.lora.is_none() { simd::gate(&joint) } else { None };
        if let Some(wide) = alone {
            return wide;
        }
        let gate = cx.adapted(Projection::Gate, x, joint.clone().slice_dim(0, 0..wide));
        let up = cx.adapted(Projection::Up, x, joint.slice_dim(0, wide..2 * wide));
        silu(gate) * up
    }

    /// Adds an adapter's pair to the weights.
    pub(crate) fn merge(&mut self, projection: Projection, pair: &LoraPair, config: &DecoderConfig) {
        let (q, kv) = (config.query_width(), config.key_width());
        match projection {
            Projection::Query => self.qkv.merge(0, pair),
            Projection::Key => self.qkv.merge(q, pair),
            Projection::Value => self.qkv.merge(q + kv, pair),
            Projection::Output => self.output.merge(0, pair),
            Projection::Gate => self.gate_up.merge(0, pair),
            Projection::Up => self.gate_up.merge(config.intermediate_size, pair),
            Projection::Down => self.down.merge(0, pair),
        }
    }

    pub(crate) fn map(&self, change: &impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            input_norm: self.input_norm.map(change),
            qkv: self.qkv.map(change),
            output: self.output.map(change),
            mlp_norm: self.mlp_norm.map(change),
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
            input_norm: self.input_norm.clone(),
            qkv: self.qkv.map_weight(&mut *change),
            output: self.output.map_weight(&mut *change),
            mlp_norm: self.mlp_norm.clone(),
            gate_up: self.gate_up.map_weight(&mut *change),
            down: self.down.map_weight(&mut *change),
        }
    }
}
