//! One attention layer over a trie cache, with random projections of token embeddings in place of a
//! model.

use anyhow::{Result, ensure};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::symmetric_f32;
use saffron_kvtrie::attention::{AttentionPlan, AttentionShape, PlanKind};
use saffron_kvtrie::{CacheStats, KvPools, KvTrie, PoolShape, Reservation, Reuse, Seq, StepError, Want};

use crate::output::line;

const SHAPE: AttentionShape = AttentionShape { kv_heads: 2, group: 3, head_dim: 64 };

/// Number of tokens that the layer knows.
pub const VOCAB: u32 = 100;

/// An attention layer with its cache.
#[derive(Debug)]
pub struct ToyLayer {
    cache: KvTrie<KvPools>,
    tables: Tables,
    capacity: u32,
}

/// What the layer makes of a token.
#[derive(Debug)]
struct Tables {
    queries: Tensor<3>,
    keys: Tensor<3>,
    values: Tensor<3>,
    device: Device,
}

impl ToyLayer {
    /// A layer whose cache has room for `capacity` tokens.
    #[must_use]
    pub fn new(capacity: u32, device: &Device) -> Self {
        let shape = PoolShape { layers: 1, kv_heads: SHAPE.kv_heads, head_dim: SHAPE.head_dim, dtype: DType::F32 };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut table = |width: usize| {
            let mut number = || symmetric_f32(&mut rng);
            let numbers: Vec<f32> = (0..SHAPE.kv_heads * VOCAB as usize * width).map(|_| number()).collect();
            Tensor::from_data(TensorData::new(numbers, [SHAPE.kv_heads, VOCAB as usize, width]), device)
        };
        let tables = Tables {
            queries: table(SHAPE.group * SHAPE.head_dim),
            keys: table(SHAPE.head_dim),
            values: table(SHAPE.head_dim),
            device: device.clone(),
        };
        Self { cache: KvTrie::new(KvPools::new(shape, capacity, device)), tables, capacity }
    }

    /// Asks for contexts: the cache reserves their rows, the layer computes them, the cache commits
    /// them. Prints what was computed; gives handles that keep the contexts in the cache.
    ///
    /// # Errors
    ///
    /// Contexts that do not fit, an answer that differs from one without a cache.
    pub fn ask(&mut self, what: &str, contexts: &[Vec<u32>]) -> Result<Vec<Seq>> {
        let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
        let step = self.cache.step(&wants, Reuse::Cached, |reservation, pools| {
            let counts = (reservation.tokens().len(), reservation.segments().len());
            Ok::<_, anyhow::Error>((self.tables.forward(reservation, pools)?, counts))
        });
        let step = step.map_err(failure)?;
        let (answers, (rows, chains)) = step.output;
        for (context, answer) in contexts.iter().zip(&answers) {
            let cold = Self::new(self.capacity, &self.tables.device).cold(context)?;
            let gap = answer.iter().zip(&cold).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            ensure!(gap < 1e-5, "an answer from the cache differs by {gap}");
        }
        line(format_args!(
            "{what}: {} contexts, {rows} rows in {chains} chains computed, answers as without a cache",
            contexts.len()
        ))?;
        self.show()?;
        Ok(step.seqs)
    }

    /// The answer to one context that nothing is known about.
    fn cold(&mut self, context: &[u32]) -> Result<Vec<f32>> {
        let forward = |reservation: &Reservation, pools: &mut KvPools| self.tables.forward(reservation, pools);
        Ok(self.cache.step(&[Want::keep(context)], Reuse::Nothing, forward).map_err(failure)?.output.remove(0))
    }

    /// Prints what the cache holds.
    ///
    /// # Errors
    ///
    /// Standard output that cannot be written.
    pub fn show(&mut self) -> Result<()> {
        let CacheStats { trie: stats, store } = self.cache.stats();
        line(format_args!(
            "    asked {} tokens: {} found, {} shared within a call, {} computed; {} live, {} pinned, {} evicted; pools {} bytes\n",
            stats.tokens_asked,
            stats.tokens_hit,
            stats.tokens_shared,
            stats.tokens_computed,
            stats.live,
            stats.pinned,
            stats.tokens_evicted,
            store.bytes,
        ))?;
        Ok(())
    }

    /// The cache.
    pub fn cache(&mut self) -> &mut KvTrie<KvPools> {
        &mut self.cache
    }
}

impl Tables {
    /// Attention for all rows of a reservation, and from it the output of every context's last row.
    fn forward(&self, reservation: &Reservation, pools: &mut KvPools) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<i32> = reservation.tokens().iter().map(|token| *token as i32).collect();
        let rows = tokens.len();
        let tokens = Tensor::<1, Int>::from_data(tokens.as_slice(), &self.device);
        let pick = |table: &Tensor<3>| table.clone().select(1, tokens.clone());
        let queries = pick(&self.queries).reshape([SHAPE.kv_heads, rows, SHAPE.group, SHAPE.head_dim]);
        let plan = AttentionPlan::new(reservation, SHAPE, PlanKind::Cascade, pools);
        let mixed = plan.attend(pools, 0, queries, pick(&self.keys), pick(&self.values));
        let mixed =
            mixed.transpose().into_data().try_into_vec::<f32>().map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let width = mixed.len() / rows;
        Ok(reservation.outputs().map(|row| mixed[row * width..(row + 1) * width].to_vec()).collect())
    }
}

/// Why a step came to nothing.
fn failure(error: StepError<anyhow::Error>) -> anyhow::Error {
    match error {
        StepError::Cache(error) => error.into(),
        StepError::Forward(error) => error,
    }
}
