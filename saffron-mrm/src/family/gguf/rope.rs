//! Rotary positions in metadata, by llama.cpp's rules: a file without a kind of scaling scales
//! linearly; the old key of the factor counts where the new one is absent; a factor of 0 means no
//! scaling; the kind `none` turns scaling off.

use super::{Model, llama3};
use crate::config::{ContextLength, LongRope, RopeScaling, Rotary, Yarn, decimal};
use crate::error::LoadError;

/// What frequencies are divided by, one by one.
pub(in crate::family) const FREQUENCIES: &str = "rope_freqs.weight";
/// The same for contexts beyond the original length.
pub(in crate::family) const LONG: &str = "rope_factors_long.weight";
/// The same for contexts up to it.
pub(in crate::family) const SHORT: &str = "rope_factors_short.weight";
/// All of them.
pub(in crate::family) const FACTORS: [&str; 3] = [FREQUENCIES, LONG, SHORT];

pub(super) const KIND: &str = "rope.scaling.type";
pub(super) const ATTENTION: &str = "rope.scaling.attn_factor";
pub(super) const ORIGINAL: &str = "rope.scaling.original_context_length";
pub(super) const WIDTH: &str = "rope.dimension_count";
pub(super) const THETA: &str = "rope.freq_base";
/// The base of layers with a window, where it is another.
pub(in crate::family) const WINDOWED_THETA: &str = "rope.freq_base_swa";
pub(super) const FACTOR: &str = "rope.scaling.factor";
pub(super) const YARN_ATTENTION: &str = "rope.scaling.yarn_attn_factor";
pub(super) const BETA_FAST: &str = "rope.scaling.yarn_beta_fast";
pub(super) const BETA_SLOW: &str = "rope.scaling.yarn_beta_slow";

impl Model<'_> {
    /// The positions that all layers share, whole heads rotated.
    pub(in crate::family) fn rotary(&self) -> Result<Rotary, LoadError> {
        self.keys.same(WIDTH, self.head_dim)?;
        self.rotary_of(None)
    }

    /// The positions that all layers share where a part of a head may be rotated.
    pub(in crate::family) fn partial_rotary(&self) -> Result<Rotary, LoadError> {
        self.rotary_of(self.keys.count(WIDTH)?.filter(|width| *width != self.head_dim))
    }

    fn rotary_of(&self, width: Option<usize>) -> Result<Rotary, LoadError> {
        let theta = self.keys.real(THETA)?.unwrap_or(10_000.0);
        let scaling = self.scaling(theta, width.unwrap_or(self.head_dim))?;
        Ok(Rotary { theta, scaling, width })
    }

    fn scaling(&self, theta: f64, width: usize) -> Result<RopeScaling, LoadError> {
        let attention = self.keys.real(ATTENTION)?.unwrap_or(1.0);
        let (kind, factor) = (self.keys.text(KIND)?, self.factor()?);
        self.keys.count(ORIGINAL)?;
        if kind == Some("yarn") {
            return self.yarn(factor, attention);
        }
        let stretched = match kind {
            Some("none") => RopeScaling::Plain,
            None | Some("linear" | "longrope") if factor == 1.0 => RopeScaling::Plain,
            None | Some("linear") => RopeScaling::Linear { factor },
            Some("longrope") => return Err(self.keys.refuse(FACTOR, "1 beside longrope", factor)),
            Some(found) => return Err(self.keys.refuse(KIND, "none, linear, yarn or longrope", found)),
        };
        if self.tensors.more {
            // Its divisors are not here yet.
            return Ok(stretched);
        }
        if let Some(divided) = self.divided(theta, width, attention)? {
            return match stretched {
                RopeScaling::Plain => Ok(divided),
                _ => Err(self.keys.refuse(KIND, "none beside divisors of frequencies", kind.unwrap_or("linear"))),
            };
        }
        match kind {
            Some("longrope") => Err(self.refuse_tensor(LONG, "the factors of longrope", "no such tensor")),
            _ if attention != 1.0 => Err(self.keys.refuse(ATTENTION, "1", attention)),
            _ => Ok(stretched),
        }
    }

    fn factor(&self) -> Result<f64, LoadError> {
        let (new, old) = (self.keys.real(FACTOR)?, self.keys.real("rope.scale_linear")?);
        let found = new.or(old);
        Ok(found.filter(|factor| *factor != 0.0).unwrap_or(1.0))
    }

    /// The context before stretching.
    fn original(&self) -> Result<f64, LoadError> {
        Ok(self.keys.count(ORIGINAL)?.filter(|original| *original > 0).unwrap_or(self.positions) as f64)
    }

    /// Cosines and sines are multiplied by what grows with the factor, and by `attn_factor`. What
    /// configurations call `attention_factor`, the converter writes as `yarn_attn_factor`, which
    /// stands for all of it.
    fn yarn(&self, factor: f64, attention: f64) -> Result<RopeScaling, LoadError> {
        let keys = self.keys;
        let extrapolation = "rope.scaling.yarn_ext_factor";
        if let Some(found) = keys.real(extrapolation)?.filter(|found| *found != 1.0) {
            return Err(keys.refuse(extrapolation, "1", found));
        }
        let natural = if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
        let attention_factor = match keys.real(YARN_ATTENTION)? {
            Some(_) if attention != 1.0 => return Err(keys.refuse(ATTENTION, "1 beside yarn_attn_factor", attention)),
            Some(all) => all,
            None => natural * attention,
        };
        Ok(RopeScaling::Yarn(Yarn {
            factor,
            beta_fast: keys.real(BETA_FAST)?.unwrap_or(32.0),
            beta_slow: keys.real(BETA_SLOW)?.unwrap_or(1.0),
            original_max_position_embeddings: self.original()?,
            attention_factor,
            truncate: true,
        }))
    }

    /// The stretching that a file holds as divisors, if it has some.
    fn divided(&self, theta: f64, width: usize, attention: f64) -> Result<Option<RopeScaling>, LoadError> {
        let of = |name: &'static str| self.tensors.divisors.get(name);
        match (of(FREQUENCIES), of(SHORT), of(LONG)) {
            (None, None, None) => Ok(None),
            (Some(_), None, None) if attention != 1.0 => Err(self.keys.refuse(ATTENTION, "1", attention)),
            (Some(divisors), None, None) => llama3::scaling(self, theta, width, divisors).map(Some),
            (None, Some(short), Some(long)) => self.longrope([short, long], width, attention).map(Some),
            (Some(_), ..) => Err(self.refuse_tensor(FREQUENCIES, "no such tensor beside others like it", "one")),
            (None, None, _) => Err(self.refuse_tensor(SHORT, "a tensor, as there is the other", "none")),
            (None, _, None) => Err(self.refuse_tensor(LONG, "a tensor, as there is the other", "none")),
        }
    }

    fn longrope(&self, factors: [&[f32]; 2], width: usize, attention: f64) -> Result<RopeScaling, LoadError> {
        for (name, factors) in [SHORT, LONG].into_iter().zip(factors) {
            if factors.len() != width / 2 {
                return Err(self.refuse_tensor(name, format!("{} values", width / 2), factors.len()));
            }
        }
        let [short_factor, long_factor] = factors.map(|factors| factors.iter().copied().map(decimal).collect());
        let original = self.original()?;
        let factor = self.positions as f64 / original;
        let natural = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
        Ok(RopeScaling::LongRope(LongRope {
            short_factor,
            long_factor,
            original_max_position_embeddings: original,
            // Of the number that was written with fewer digits.
            attention_factor: if natural as f32 == attention as f32 { natural } else { attention },
            serves: ContextLength::Short,
        }))
    }

    pub(super) fn refuse_tensor(
        &self,
        name: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> LoadError {
        self.keys.refuse_file(name, expected, found)
    }
}
