//! One forward pass over the cache: rows planned and padded, computed, their logits read.

use burn::tensor::{DType, Tensor};
use saffron_core::ModelError;
use saffron_kvtrie::attention::{
    AttentionPlan, AttentionPlanner, AttentionShape, Buckets, CostModel, Frontier, PlanKind, PlanOptions,
};
use saffron_kvtrie::{KvPools, Reservation, StepError};

use super::{ModelOptions, Outputs};
use crate::nn::{Attend, Decoder, read_columns, row_indices};

/// What a pass needs beside its rows.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) options: &'a ModelOptions,
    pub(super) planner: &'a dyn AttentionPlanner,
}

impl Pass<'_> {
    /// Computes a reservation's rows and returns the logits of each context.
    pub(super) fn logits(
        self,
        rows: &Reservation,
        pools: &mut KvPools,
        outputs: Outputs<'_>,
    ) -> Result<Vec<f32>, ModelError> {
        let hidden = self.rows(rows, pools);
        let mut wanted: Vec<u32> = rows.outputs().map(|row| row as u32).collect();
        let real = wanted.len();
        wanted.resize(self.buckets().round(real), 0);
        let last = hidden.select(1, row_indices(&wanted, &self.decoder.device()));
        let mut logits = match outputs {
            Outputs::All => self.decoder.read_logits(last),
            Outputs::Tokens(tokens) => read_columns(self.decoder.unembed_tokens(last, tokens)),
        }?;
        logits.truncate(logits.len() / wanted.len().max(1) * real);
        Ok(logits)
    }

    /// Computes a reservation's rows and writes their keys and values.
    ///
    /// # Shapes
    ///
    /// - output: `[hidden, rows]`, those of the reservation first
    pub(super) fn rows(self, reservation: &Reservation, pools: &mut KvPools) -> Tensor<2> {
        let config = self.decoder.config();
        let heads =
            AttentionShape { kv_heads: config.num_key_value_heads, group: config.group(), head_dim: config.head_dim };
        let kind = self.options.attention.unwrap_or_else(|| self.planner.pick(&Frontier::new(reservation), heads));
        let options = PlanOptions { buckets: self.buckets(), ..PlanOptions::new(kind) };
        let plan = AttentionPlan::with_options(reservation, heads, options, pools);
        let (tokens, positions) = (plan.padded(reservation.tokens()), plan.padded(reservation.positions()));
        self.decoder.forward(&tokens, &positions, &mut CachedAttention { plan: &plan, pools })
    }

    /// How sizes are rounded up.
    fn buckets(self) -> Buckets {
        let own = if self.decoder.has_kernels() { Buckets::Exact } else { Buckets::Powers };
        self.options.buckets.unwrap_or(own)
    }
}

/// Writes each layer's new rows into the pools and attends as planned.
#[derive(Debug)]
struct CachedAttention<'a> {
    plan: &'a AttentionPlan,
    pools: &'a mut KvPools,
}

impl Attend for CachedAttention<'_> {
    fn attend(&mut self, layer: usize, queries: Tensor<4>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<2> {
        self.plan.attend(self.pools, layer, queries, keys, values)
    }
}

/// What a step that came to nothing is to a caller of the model.
pub(super) fn failure(error: StepError<ModelError>) -> ModelError {
    match error {
        StepError::Forward(error) => error,
        StepError::Cache(source) => ModelError::other("reserving the key–value cache", source),
    }
}

/// Tiles where their kernels run; elsewhere what costs least. What the devices of other names are is not to be known here: half-precision
/// weights speak for a GPU.
pub(super) fn planner(decoder: &Decoder) -> Box<dyn AttentionPlanner> {
    match decoder.dtype() {
        _ if decoder.has_kernels() => Box::new(PlanKind::Tiles),
        DType::F32 => Box::new(CostModel::cpu()),
        _ => Box::new(CostModel::gpu()),
    }
}
