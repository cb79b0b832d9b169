//! A reward model's adapter with a reference token, for an engine that serves adapters: factors of
//! `lm_head` take the token's row away. All modules have one rank, which engines permit, and one
//! scale.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::View;
use saffron_core::Token;

use super::merged::Merged;
use crate::checkpoint::parts::write_parts;
use crate::checkpoint::peft::{self, AdapterConfig, AdapterFile, Factors, Targets};
use crate::checkpoint::source::Checkpoint;
use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::family::is_always_tied;
use crate::nn::lora::Projection;

/// The ranks that vLLM has kernels for (`--max-lora-rank`), but for 1.
const PERMITTED: [usize; 8] = [8, 16, 32, 64, 128, 256, 320, 512];

const HEAD: (usize, Projection) = (0, Projection::Head);

/// What was written: the files' names, the rank that a server must permit, and whether the adapter
/// has another form than its source.
pub(super) struct Written {
    pub(super) names: Vec<PathBuf>,
    pub(super) rank: usize,
    pub(super) reshaped: bool,
}

/// The smallest rank that is permitted and holds so many.
fn permitted(rank: usize, path: &Path) -> Result<usize, LoadError> {
    let found = PERMITTED.into_iter().find(|permitted| *permitted >= rank);
    found.ok_or_else(|| LoadError::field(path, "r", "at most 512, which vLLM permits", rank))
}

/// Writes the adapter as it is. Ranks and scales that differ between modules, which engines do not
/// read, become one.
pub(super) fn copy(
    from: &Path,
    mut adapter: AdapterFile,
    checkpoint: &Checkpoint,
    config: &DecoderConfig,
    to: &Path,
) -> Result<Written, LoadError> {
    if !adapter.is_uniform() {
        if adapter.is_multimodal() {
            let expected = "one rank and one scale, and factors of modules alone, for a multimodal model";
            return Err(LoadError::field(from, "rank_pattern, alpha_pattern", expected, "others"));
        }
        return Plan::of(&mut adapter, None, config)?.write(checkpoint, config, to);
    }
    let rank = permitted(adapter.largest_rank(), from)?;
    let mut names = vec![PathBuf::from(peft::CONFIG)];
    let weights = [peft::WEIGHTS, peft::OLD_WEIGHTS].into_iter().find(|name| from.join(name).is_file());
    names.extend(weights.map(PathBuf::from));
    for name in &names {
        fs::copy(from.join(name), to.join(name)).map_err(LoadError::io(&from.join(name)))?;
    }
    Ok(Written { names, rank, reshaped: false })
}

/// Writes the adapter, if there is one, with factors that make the token's row of the unembedding
/// zero.
pub(super) fn with_reference(
    adapter: Option<AdapterFile>,
    checkpoint: &Checkpoint,
    token: Token,
    to: &Path,
) -> Result<Written, LoadError> {
    let mut base = Merged::new(checkpoint, None, None)?;
    let config = base.config().clone();
    if is_always_tied(config.choices.family) {
        let expected = "a family whose engines have an unembedding apart from the embedding, for an adapter to change";
        return Err(LoadError::field(checkpoint.path(), "lm_head", expected, config.choices.family));
    }
    let row = base.unembedding_row(token)?;
    let mut none = None;
    let adapter = adapter.map(|adapter| none.insert(adapter));
    let mut plan = match adapter {
        Some(adapter) => Plan::of(adapter, Some((token, row)), &config)?,
        None => Plan::without(token, row, &config)?,
    };
    plan.reshaped = true;
    plan.write(checkpoint, &config, to)
}

/// An adapter that will be written.
struct Plan {
    pairs: BTreeMap<(usize, Projection), Factors>,
    rank: usize,
    alpha: f64,
    reshaped: bool,
}

impl Plan {
    fn of(
        adapter: &mut AdapterFile,
        reference: Option<(Token, Vec<f32>)>,
        config: &DecoderConfig,
    ) -> Result<Self, LoadError> {
        let places: Vec<_> = adapter.layers().collect();
        let mut pairs = BTreeMap::new();
        for place in places {
            pairs.extend(adapter.factors(place)?.map(|factors| (place, factors)));
        }
        Self::stacked(pairs, reference, config, adapter.path())
    }

    fn without(token: Token, row: Vec<f32>, config: &DecoderConfig) -> Result<Self, LoadError> {
        Self::stacked(BTreeMap::new(), Some((token, row)), config, Path::new(peft::CONFIG))
    }

    /// The pairs, all of one rank and one scale, with one rank more for the unembedding where there
    /// is a reference.
    fn stacked(
        mut pairs: BTreeMap<(usize, Projection), Factors>,
        reference: Option<(Token, Vec<f32>)>,
        config: &DecoderConfig,
        path: &Path,
    ) -> Result<Self, LoadError> {
        let of_head = pairs.get(&HEAD).map_or(0, |factors| factors.rank) + usize::from(reference.is_some());
        let largest = pairs.values().map(|factors| factors.rank).max().unwrap_or(0).max(of_head);
        let rank = permitted(largest, path)?;
        let scales: BTreeSet<u64> = pairs.values().map(|factors| factors.scale.to_bits()).collect();
        let common = scales.first().filter(|_| scales.len() == 1).map(|bits| f64::from_bits(*bits));
        // PEFT's alpha is a whole number. Else the scales go into the factors.
        let whole = |scale: &f64| *scale > 0.0 && (scale * rank as f64).fract() == 0.0;
        let scale = common.filter(whole).unwrap_or(1.0);
        if let Some((token, row)) = reference {
            let [rows, columns] = Projection::Head.shape(config);
            let old = pairs.remove(&HEAD);
            let old = old.unwrap_or(Factors { a: Vec::new(), b: Vec::new(), rank: 0, scale });
            pairs.insert(HEAD, without_row(old, token as usize, &row, [rows, columns], scale));
        }
        let padded = |(place, factors): ((usize, Projection), Factors)| {
            let columns = place.1.shape(config)[1];
            (place, padded(factors, columns, rank, scale))
        };
        let pairs = pairs.into_iter().map(padded).collect();
        Ok(Self { pairs, rank, alpha: scale * rank as f64, reshaped: true })
    }

    fn write(self, checkpoint: &Checkpoint, config: &DecoderConfig, to: &Path) -> Result<Written, LoadError> {
        let places: Vec<_> = self.pairs.keys().copied().collect();
        let base = std::path::absolute(checkpoint.path()).map_err(LoadError::io(checkpoint.path()))?;
        let adapter = AdapterConfig {
            target_modules: targets(&places, config),
            base_model_name_or_path: Some(base.display().to_string()),
            ..AdapterConfig::new(self.rank, self.alpha, Vec::new())
        };
        let tensors = self.pairs.into_iter().flat_map(|((layer, projection), Factors { a, b, rank, .. })| {
            let [rows, columns] = projection.shape(config);
            [("lora_A", [rank, columns], a), ("lora_B", [rows, rank], b)]
                .map(|(which, shape, values)| (peft::tensor_name(layer, projection, which), Held { shape, values }))
        });
        write_parts(tensors, &to.join(peft::WEIGHTS))?;
        adapter.save(&to.join(peft::CONFIG))?;
        let names = [peft::CONFIG, peft::WEIGHTS].map(PathBuf::from).to_vec();
        Ok(Written { names, rank: self.rank, reshaped: self.reshaped })
    }
}

/// Factors of the unembedding with one rank more, which takes a row of the base away; what the
/// others added to that row is left out.
fn without_row(old: Factors, token: usize, row: &[f32], [rows, columns]: [usize; 2], scale: f64) -> Factors {
    let rank = old.rank + 1;
    let mut a = old.a;
    a.extend(row.iter().map(|weight| -weight));
    let mut b = vec![0.0; rows * rank];
    // The others' scale may be another: theirs goes into their factors.
    let factor = (old.scale / scale) as f32;
    for (number, to) in b.chunks_exact_mut(rank).enumerate() {
        if number == token {
            to[rank - 1] = (1.0 / scale) as f32;
        } else if let Some(from) = old.b.chunks_exact(old.rank.max(1)).nth(number) {
            to[..old.rank].iter_mut().zip(from).for_each(|(to, from)| *to = from * factor);
        }
    }
    debug_assert_eq!(a.len(), rank * columns);
    Factors { a, b, rank, scale }
}

/// Factors of a larger rank and another scale that come to the same.
fn padded(factors: Factors, columns: usize, rank: usize, scale: f64) -> Factors {
    let Factors { mut a, b, rank: old, scale: old_scale } = factors;
    a.resize(rank * columns, 0.0);
    let factor = (old_scale / scale) as f32;
    let widened = b.chunks_exact(old.max(1)).flat_map(|row| {
        let row = row.iter().map(move |value| value * factor);
        row.chain(std::iter::repeat_n(0.0, rank - old))
    });
    Factors { a, b: widened.collect(), rank, scale }
}

/// The adapted modules by short names where every layer has them, else by their full names.
fn targets(places: &[(usize, Projection)], config: &DecoderConfig) -> Targets {
    let kinds: BTreeSet<Projection> = places.iter().map(|(_, projection)| *projection).collect();
    let everywhere = |kind: &Projection| {
        let layers = if *kind == Projection::Head { 1 } else { config.num_hidden_layers };
        places.iter().filter(|(_, projection)| projection == kind).count() == layers
    };
    let mut names: Vec<String> = match kinds.iter().all(everywhere) {
        true => kinds.iter().map(|kind| kind.target().to_owned()).collect(),
        false => places.iter().map(|(layer, projection)| projection.full_name(*layer)).collect(),
    };
    names.sort_unstable();
    names.into()
}

/// A tensor in float32.
struct Held {
    shape: [usize; 2],
    values: Vec<f32>,
}

impl View for Held {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }
}
