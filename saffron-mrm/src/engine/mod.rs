//! A decoder with its key–value cache: contexts in, logits of their last tokens out, and what it cost.

mod audit;
mod pass;

use std::path::Path;

use burn::tensor::{DType, Device};
use rustc_hash::FxHashMap;
use saffron_core::{AskedContexts, DecoderShape, Forwarded, ModelError, Run, Session, Token, Work};
use saffron_kvtrie::attention::{AttentionPlanner, Buckets, PlanKind};
use saffron_kvtrie::{CacheError, KvError, KvPools, KvTrie, PoolShape, Reservation, Reuse, StepError, TrieStats, Want};

use crate::checkpoint::{Checkpoint, LoraWeights, load_decoder};
use crate::config::ContextLength;
use crate::error::LoadError;
use crate::nn::Decoder;
use pass::{Pass, failure, planner};

/// How a model runs. The defaults suit a CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelOptions {
    /// Type of weights, activations and cache. Default: float32, the fastest on CPUs.
    pub dtype: DType,
    /// Bytes that keys and values may take. Default: 1 GiB.
    pub cache_bytes: u64,
    /// Whether what was computed is used again. Default: yes.
    pub reuse: Reuse,
    /// Contexts per forward pass. Default: no limit, so that a step reads the weights once.
    pub max_batch: usize,
    /// The longest context, in tokens. Default: none, so that the model decides. A model whose
    /// rotary frequencies differ beyond an original length ([`LongRope`](crate::LongRope)) takes
    /// those for short contexts, and no longer ones, unless this is above that length; then it
    /// takes those for long contexts for all of them. One that was opened for long contexts
    /// ([`Base::for_contexts`](crate::Base::for_contexts)) keeps their frequencies.
    pub max_context: Option<usize>,
    /// Tokens of a context that one forward pass computes; a longer prompt takes several, which bounds the memory of its activations.
    /// Default: 512.
    pub prefill_chunk: usize,
    /// The attention plan of every pass. Default: none, so that the planner picks.
    pub attention: Option<PlanKind>,
    /// How the sizes of a pass are rounded up. Default: none, so that the device decides: exact sizes on `flex`; elsewhere few, because
    /// most backends compile or tune kernels for every shape.
    pub buckets: Option<Buckets>,
    /// Bytes of memory that there are. A checkpoint whose weights, cache and working set are
    /// [estimated](crate::memory) to need more is refused before its weights are read. Default:
    /// none, no check. A model on weights that are loaded is not checked.
    pub memory_limit: Option<u64>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            dtype: DType::F32,
            cache_bytes: 1 << 30,
            reuse: Reuse::Cached,
            max_batch: usize::MAX,
            max_context: None,
            prefill_chunk: 512,
            attention: None,
            buckets: None,
            memory_limit: None,
        }
    }
}

/// One context to be answered.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The search that asks.
    pub run: &'a Run,
    /// The whole context.
    pub tokens: Vec<Token>,
    /// Tokens at its end that no other context will share.
    pub scratch: usize,
}

/// The queries of a batch of sessions, each rendered by `context`.
pub(crate) fn queries(
    sessions: &[Session],
    scratch: usize,
    context: impl Fn(&Session) -> Result<Vec<Token>, ModelError>,
) -> Result<Vec<Query<'_>>, ModelError> {
    sessions.iter().map(|session| Ok(Query { run: session.run(), tokens: context(session)?, scratch })).collect()
}

/// Rows of logits for a batch of queries; equal queries share a row.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Row after row.
    values: Vec<f32>,
    width: usize,
    row_of: Vec<usize>,
    /// What each query cost.
    pub work: Vec<Work>,
}

impl Answers {
    /// The logits of a query.
    #[must_use]
    pub fn logits(&self, query: usize) -> &[f32] {
        &self.values[self.row_of[query] * self.width..][..self.width]
    }

    /// Number of queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row_of.len()
    }

    /// Whether there was no query.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row_of.is_empty()
    }
}

/// Which logits are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Outputs<'a> {
    /// The whole vocabulary.
    All,
    /// These tokens, in this order.
    Tokens(&'a [Token]),
}

/// A decoder and its cache.
#[derive(Debug)]
pub struct Engine {
    decoder: Decoder,
    cache: KvTrie<KvPools>,
    options: ModelOptions,
    shape: DecoderShape,
    asked: AskedContexts,
    planner: Box<dyn AttentionPlanner>,
    /// The different windows of the layers, and which of them each layer has.
    windows: (Vec<Option<usize>>, Vec<usize>),
    /// The longest context, in tokens.
    limit: usize,
}

impl Engine {
    /// Loads a checkpoint.
    ///
    /// # Errors
    ///
    /// A checkpoint that does not load or does not fit, a type that the device does not support, a
    /// cache budget below one token.
    pub fn open(dir: &Path, device: &Device, options: ModelOptions) -> Result<Self, LoadError> {
        let checkpoint = Checkpoint::open(dir)?;
        checkpoint.check_memory(&options)?;
        Self::new(load_decoder(&checkpoint, options.dtype, device)?, options)
    }

    /// An engine around a decoder; its type of weights is the options' too.
    ///
    /// # Errors
    ///
    /// A cache budget below one token; longer contexts than the model has positions for.
    pub fn new(decoder: Decoder, options: ModelOptions) -> Result<Self, LoadError> {
        let options = ModelOptions { dtype: decoder.dtype(), ..options };
        let (decoder, limit) = for_contexts(decoder, options.max_context)?;
        let config = decoder.config();
        let shape = PoolShape {
            layers: config.num_hidden_layers,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            dtype: options.dtype,
        };
        let tokens = shape.tokens_within(options.cache_bytes)?;
        let [lora_per_token, lora_per_output] = decoder.lora_flops();
        let flops = DecoderShape { lora_per_token, lora_per_output, ..config.shape() };
        let (planner, windows) = (planner(&decoder), config.windows());
        let cache = KvTrie::new(KvPools::new(shape, tokens, &decoder.device()));
        Ok(Self { decoder, cache, options, shape: flops, asked: AskedContexts::default(), planner, windows, limit })
    }

    /// The same with an adapter added to the weights, or beside them. What the cache holds is forgotten.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_lora(self, lora: LoraWeights, merge: Merge) -> Result<Self, LoadError> {
        let Self { decoder, options, .. } = self;
        let decoder = match merge {
            Merge::IntoWeights => decoder.merged(&lora),
            Merge::Beside => decoder.with_lora(lora),
        };
        Self::new(decoder, options)
    }

    /// The engine with another planner of its attention.
    #[must_use]
    pub fn with_planner(self, planner: Box<dyn AttentionPlanner>) -> Self {
        Self { planner, ..self }
    }

    /// The decoder.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The longest context, in tokens.
    #[must_use]
    pub fn context_limit(&self) -> usize {
        self.limit
    }

    /// How it runs.
    #[must_use]
    pub fn options(&self) -> ModelOptions {
        self.options
    }

    /// Forgets all that is cached and nobody holds; gives the number of tokens. What comes after does not depend on what came before, to
    /// the last bit.
    pub fn forget(&mut self) -> usize {
        self.cache.clear()
    }

    /// Counts of the cache.
    pub fn cache_stats(&mut self) -> TrieStats {
        self.cache.stats().trie
    }

    /// The pools of keys and values.
    #[must_use]
    pub fn pools(&self) -> &KvPools {
        self.cache.store()
    }

    /// The logits of each query's last token. Equal contexts are computed once and get the same row.
    ///
    /// # Errors
    ///
    /// An empty or too long context, a token that the model has no embedding for, a cache that is out of budget.
    pub fn last_logits(&mut self, queries: &[Query<'_>], outputs: Outputs<'_>) -> Result<Answers, ModelError> {
        queries.iter().try_for_each(|query| self.check(&query.tokens))?;
        let mut seen = FxHashMap::default();
        let mut distinct: Vec<usize> = Vec::new();
        let mut row_of = Vec::with_capacity(queries.len());
        for (place, query) in queries.iter().enumerate() {
            let next = distinct.len();
            let row = *seen.entry((query.tokens.as_slice(), query.scratch)).or_insert(next);
            if row == next {
                distinct.push(place);
            }
            row_of.push(row);
        }
        let mut work = vec![Work::default(); queries.len()];
        let width = match outputs {
            Outputs::All => self.decoder.config().vocab_size,
            Outputs::Tokens(tokens) => tokens.len(),
        };
        for place in &distinct {
            work[*place].computed = self.prefill(&queries[*place])?;
        }
        let mut values = Vec::new();
        let mut batches: Vec<&[usize]> = distinct.chunks(self.options.max_batch.max(1)).rev().collect();
        while let Some(batch) = batches.pop() {
            let wants = batch.iter().map(|place| Want::with_scratch(&queries[*place].tokens, queries[*place].scratch));
            let pass = Pass {
                decoder: &self.decoder,
                options: &self.options,
                planner: &*self.planner,
                windows: &self.windows,
            };
            let forward = |rows: &Reservation, pools: &mut KvPools| {
                Ok((pass.logits(rows, pools, outputs)?, rows.computed().collect::<Vec<_>>()))
            };
            let (rows, computed) = match self.cache.step(&wants.collect::<Vec<_>>(), self.options.reuse, forward) {
                Ok(step) => step.output,
                // Together they do not fit; one after the other they may.
                Err(StepError::Cache(KvError::Cache(CacheError::OutOfBudget { .. }))) if batch.len() > 1 => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    batches.extend([second, first]);
                    continue;
                }
                Err(error) => return Err(failure(error)),
            };
            values = if values.is_empty() { rows } else { [values, rows].concat() };
            for (place, computed) in batch.iter().zip(computed) {
                work[*place].computed += self.cost(&computed, outputs, 1);
            }
        }
        self.attribute(queries, outputs, &mut work);
        Ok(Answers { values, width, row_of, work })
    }

    /// Computes and stores all but the last chunk of a long context.
    fn prefill(&mut self, query: &Query<'_>) -> Result<Forwarded, ModelError> {
        let (chunk, kept) = (self.options.prefill_chunk.max(1), query.tokens.len().saturating_sub(query.scratch));
        let mut computed = Forwarded::default();
        if self.options.reuse == Reuse::Nothing || query.tokens.len() <= chunk {
            return Ok(computed);
        }
        let mut stored = self.cache.stored(&query.tokens[..kept]);
        while query.tokens.len() - stored > chunk && stored < kept {
            let end = (stored + chunk).min(kept);
            let pass = Pass {
                decoder: &self.decoder,
                options: &self.options,
                planner: &*self.planner,
                windows: &self.windows,
            };
            let forward = |rows: &Reservation, pools: &mut KvPools| {
                pass.rows(rows, pools);
                Ok(rows.computed().collect::<Vec<_>>())
            };
            let wants = [Want::keep(&query.tokens[..end])];
            let step = self.cache.step(&wants, self.options.reuse, forward).map_err(failure)?;
            for range in step.output {
                computed += self.cost(&range, Outputs::All, 0);
            }
            stored = end;
        }
        Ok(computed)
    }

    fn check(&self, tokens: &[Token]) -> Result<(), ModelError> {
        let config = self.decoder.config();
        if tokens.is_empty() {
            return Err(ModelError::EmptyPrompt);
        }
        if tokens.len() > self.limit {
            return Err(ModelError::ContextTooLong { length: tokens.len(), limit: self.limit });
        }
        match tokens.iter().find(|token| **token as usize >= config.vocab_size) {
            Some(token) => Err(ModelError::TokenOutOfRange { token: *token, size: config.vocab_size }),
            None => Ok(()),
        }
    }

    fn cost(&self, positions: &std::ops::Range<usize>, outputs: Outputs<'_>, rows: u64) -> Forwarded {
        let mut cost = self.shape.continuation(positions.start as u64, positions.end as u64, rows);
        if let Outputs::Tokens(tokens) = outputs {
            // Rows of the unembedding, and of its adapter, that are not asked for.
            let (whole, part) = (self.shape.vocab, (tokens.len() as u64).min(self.shape.vocab));
            cost.flops -= rows * self.shape.unembedding_per_output() / whole * (whole - part);
        }
        cost
    }

    /// Fills in what was asked for, what the cache saved, and what each search is answerable for.
    fn attribute(&mut self, queries: &[Query<'_>], outputs: Outputs<'_>, work: &mut [Work]) {
        for (place, work) in work.iter_mut().enumerate() {
            let query = &queries[place];
            work.asked = query.tokens.len() as u64;
            // More is computed than was asked for where a prompt was evicted between its chunks.
            work.cached = work.asked.saturating_sub(work.computed.tokens);
            let same = |earlier: &&Query<'_>| {
                query.run.same(earlier.run) && (earlier.scratch, &earlier.tokens) == (query.scratch, &query.tokens)
            };
            // A search's equal contexts of one call are computed once, whatever its cache holds.
            if !queries[..place].iter().any(|earlier| same(&earlier)) {
                let computed = self.asked.ask(query.run, &query.tokens, query.scratch);
                work.attributed = self.cost(&computed, outputs, 1);
            }
        }
    }
}

/// The decoder with the rotary frequencies for contexts up to the length that is asked for, and
/// that length, in tokens.
fn for_contexts(decoder: Decoder, asked: Option<usize>) -> Result<(Decoder, usize), LoadError> {
    let (limit, most) = (decoder.config().context_limit(), decoder.config().max_position_embeddings);
    match asked {
        None => Ok((decoder, limit)),
        Some(asked) if asked == 0 || asked > most => {
            let expected = format!("1 to {most}, the model's max_position_embeddings");
            Err(LoadError::field(Path::new("ModelOptions"), "max_context", expected, asked))
        }
        Some(asked) if asked > limit => {
            tracing::warn!(asked, limit, "rotary frequencies for long contexts serve all contexts, short ones, too");
            Ok((decoder.for_contexts(ContextLength::Long), asked))
        }
        Some(asked) => Ok((decoder, asked)),
    }
}

/// Where an adapter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Into the weights: no cost per token (the default).
    IntoWeights,
    /// Beside them: exact in any type, at a small cost per token.
    Beside,
}
