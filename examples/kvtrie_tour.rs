//! The trie cache used by itself: no search, no reward model, no checkpoint.
//!
//! A toy attention layer (its keys, values and queries are random projections of token embeddings) answers a prompt, forks it, drops and
//! evicts, and shows after each step what was computed, what was found and what it takes. Every answer is compared with one that was
//! computed without a cache.
//!
//! ```text
//! cargo run --example kvtrie_tour
//! ```

use std::process::ExitCode;

use anyhow::{Result, ensure};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::symmetric_f32;
use saffron_examples::device::{device, first};
use saffron_examples::output::{self, line};
use saffron_kvtrie::attention::{AttentionPlan, AttentionShape, PlanKind};
use saffron_kvtrie::{CacheStats, KvPools, KvTrie, PoolShape, Reservation, Reuse, Seq, StepError, Want};

const SHAPE: AttentionShape = AttentionShape { kv_heads: 2, group: 3, head_dim: 64 };
const VOCAB: usize = 100;
const CAPACITY: u32 = 150;

/// One attention layer over a trie.
struct Layer {
    cache: KvTrie<KvPools>,
    tables: Tables,
}

/// What the layer makes of a token.
struct Tables {
    queries: Tensor<3>,
    keys: Tensor<3>,
    values: Tensor<3>,
    device: Device,
}

impl Layer {
    fn new(device: &Device) -> Self {
        let shape = PoolShape { layers: 1, kv_heads: SHAPE.kv_heads, head_dim: SHAPE.head_dim, dtype: DType::F32 };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut table = |width: usize| {
            let mut number = || symmetric_f32(&mut rng);
            let numbers: Vec<f32> = (0..SHAPE.kv_heads * VOCAB * width).map(|_| number()).collect();
            Tensor::from_data(TensorData::new(numbers, [SHAPE.kv_heads, VOCAB, width]), device)
        };
        let tables = Tables {
            queries: table(SHAPE.group * SHAPE.head_dim),
            keys: table(SHAPE.head_dim),
            values: table(SHAPE.head_dim),
            device: device.clone(),
        };
        Self { cache: KvTrie::new(KvPools::new(shape, CAPACITY, device)), tables }
    }

    /// Asks for contexts: reserve, compute, commit.
    fn ask(&mut self, what: &str, contexts: &[Vec<u32>]) -> Result<Vec<Seq>> {
        let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
        let step = self.cache.step(&wants, Reuse::Cached, |reservation, pools| {
            let counts = (reservation.tokens().len(), reservation.segments().len());
            Ok::<_, anyhow::Error>((self.tables.forward(reservation, pools)?, counts))
        });
        let step = step.map_err(failure)?;
        let (answers, (rows, chains)) = step.output;
        for (context, answer) in contexts.iter().zip(&answers) {
            let cold = Layer::new(&self.tables.device).cold(context)?;
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

    /// The answer of one context that nothing is known about.
    fn cold(&mut self, context: &[u32]) -> Result<Vec<f32>> {
        let forward = |reservation: &Reservation, pools: &mut KvPools| self.tables.forward(reservation, pools);
        Ok(self.cache.step(&[Want::keep(context)], Reuse::Nothing, forward).map_err(failure)?.output.remove(0))
    }

    fn show(&mut self) -> Result<()> {
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
}

impl Tables {
    /// Attention for all rows of a reservation, and from it the output of every context's last row.
    fn forward(&self, reservation: &Reservation, pools: &mut KvPools) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<i32> = reservation.tokens().iter().map(|token| *token as i32).collect();
        let rows = tokens.len();
        let tokens = Tensor::<1, burn::tensor::Int>::from_data(tokens.as_slice(), &self.device);
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

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let device = device(first())?;
    let mut layer = Layer::new(&device);
    let prompt: Vec<u32> = (0..40).map(|place| place * 7 % VOCAB as u32).collect();
    let with = |tail: &[u32]| [&prompt[..], tail].concat();
    let prefill = layer.ask("a prompt", std::slice::from_ref(&prompt))?;
    let children: Vec<Vec<u32>> = (0..8).map(|child| with(&[child])).collect();
    let beam = layer.ask("eight children of it", &children)?;
    let grandchildren: Vec<Vec<u32>> = (0..8).map(|child| with(&[child % 3, 50 + child])).collect();
    let deeper = layer.ask("eight grandchildren of three of them", &grandchildren)?;
    layer.ask("the same once more", &grandchildren)?;
    line("five children are let go; what their handles alone held may be forgotten from now on")?;
    drop(beam);
    layer.show()?;
    let other: Vec<u32> = (0..100).map(|place| place * 11 % VOCAB as u32).collect();
    layer.ask("a long prompt that the rest must make room for", &[other])?;
    line("the first beam is held, so that it was not what made room:")?;
    for seq in prefill.iter().chain(&deeper) {
        ensure!(layer.cache.trie().tokens(seq)?.starts_with(&prompt), "a held sequence is what it was");
    }
    let moved = layer.cache.compact()?;
    line(format_args!("    {moved} rows moved to the lowest slots, path after path; the handles are what they were"))?;
    layer.ask("the grandchildren from their new places", &grandchildren)?;
    drop((prefill, deeper));
    line(format_args!(
        "    {} tokens evicted when nothing is held and everything is asked to go",
        layer.cache.clear()
    ))?;
    layer.cache.validate(&[]).map_err(|violation| anyhow::anyhow!(violation))?;
    ensure!(layer.cache.stats().store.writes_copied == 0 || first() == "ndarray", "writes are in place");
    line("    the books are right, and every write was in place")?;
    Ok(())
}
