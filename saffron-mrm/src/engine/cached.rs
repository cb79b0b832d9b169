//! Attention through the trie cache.

use burn::tensor::Tensor;
use saffron_kvtrie::KvPools;
use saffron_kvtrie::attention::AttentionPlan;

use crate::nn::Attend;

/// Writes each layer's new rows into the pools and attends as planned.
#[derive(Debug)]
pub(super) struct CachedAttention<'a> {
    pub(super) plan: &'a AttentionPlan,
    pub(super) pools: &'a mut KvPools,
}

impl Attend for CachedAttention<'_> {
    fn attend(&mut self, layer: usize, queries: Tensor<4>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<2> {
        self.plan.attend(self.pools, layer, queries, keys, values)
    }
}
