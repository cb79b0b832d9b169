//! A frontier as a search makes it, and its next step.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::symmetric_f32;
use saffron_examples::device::{device, first};
use saffron_kvtrie::attention::AttentionShape;
use saffron_kvtrie::{Extent, KvPools, PoolShape, Reservation, Reuse, Trie, Want};

pub(crate) fn bench_device() -> Device {
    device(first()).unwrap_or_else(|error| panic!("{error}"))
}

/// Pools in float32.
pub(crate) fn pool_shape(layers: usize, kv_heads: usize, head_dim: usize) -> PoolShape {
    PoolShape { layers, kv_heads, head_dim, dtype: DType::F32 }
}

/// Pools at their full size.
pub(crate) fn full_pools(shape: PoolShape, tokens: u32) -> KvPools {
    let mut pools = KvPools::new(shape, tokens, &bench_device());
    pools.ensure(tokens as usize + 1).unwrap_or_else(|error| panic!("{error}"));
    pools
}

/// Random rows.
pub(crate) fn rows<const D: usize>(size: [usize; D]) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let numbers = (0..size.iter().product()).map(|_| symmetric_f32(&mut rng));
    Tensor::from_data(TensorData::new(numbers.collect::<Vec<f32>>(), size), &bench_device())
}

/// A beam of `chains` sequences that grew side by side behind a prompt, and the rows of its next step.
pub(crate) struct Step {
    pub(crate) reservation: Reservation,
    pub(crate) pools: KvPools,
    pub(crate) shape: AttentionShape,
}

impl Step {
    /// A step that brings every sequence to `suffix` tokens of its own behind the prompt's `trunk`.
    pub(crate) fn new(shape: AttentionShape, chains: usize, trunk: usize, suffix: usize) -> Self {
        let capacity = (trunk + chains * suffix) as u32;
        let mut trie = Trie::new(capacity);
        let mut contexts = vec![(0..trunk as u32).collect::<Vec<u32>>(); chains];
        let mut held = Vec::new();
        let ask = |trie: &mut Trie, contexts: &[Vec<u32>]| {
            let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
            trie.reserve(&wants, Reuse::Cached).unwrap_or_else(|error| panic!("{error}"))
        };
        for place in 0..suffix as u32 {
            let reservation = ask(&mut trie, &contexts);
            held = trie.commit(reservation).unwrap_or_else(|error| panic!("{error}"));
            let with_token =
                |(chain, context): (usize, &mut Vec<u32>)| context.push(place * chains as u32 + chain as u32);
            contexts.iter_mut().enumerate().for_each(with_token);
        }
        let reservation = ask(&mut trie, &contexts);
        drop(held);
        let mut pools = full_pools(pool_shape(1, shape.kv_heads, shape.head_dim), capacity);
        let stored = rows([shape.kv_heads, capacity as usize, shape.head_dim]);
        pools.write(0, &[(0, Extent { base: 1, len: capacity })], &stored, &stored);
        Self { reservation, pools, shape }
    }

    /// Queries, keys and values of the step's rows.
    pub(crate) fn inputs(&self) -> (Tensor<4>, Tensor<3>, Tensor<3>) {
        let AttentionShape { kv_heads, group, head_dim } = self.shape;
        let count = self.reservation.tokens().len();
        let keys = rows([kv_heads, count, head_dim]);
        (rows([kv_heads, count, group, head_dim]), keys.clone(), keys)
    }
}
