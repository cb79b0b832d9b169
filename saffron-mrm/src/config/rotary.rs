//! Rotary frequencies and how they are stretched.

use std::f64::consts::PI;

/// Rotary positions of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// Base of the frequencies.
    pub theta: f64,
    /// How they are stretched.
    pub scaling: RopeScaling,
    /// Features of a head that are rotated, the first ones; none stands for all.
    pub width: Option<usize>,
}

/// Stretching of rotary frequencies.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    Plain,
    /// `rope_type: linear`: all waves are stretched by a factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// `rope_type: llama3`: long waves are stretched by `factor`, short ones left alone, those between blended.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Waves longer than the original context divided by this are stretched in full.
        low_freq_factor: f64,
        /// Waves shorter than the original context divided by this are left alone.
        high_freq_factor: f64,
        /// Context length before stretching.
        original_max_position_embeddings: f64,
    },
    /// `rope_type: yarn` (arXiv 2309.00071).
    Yarn(Yarn),
    /// `rope_type: longrope` (arXiv 2402.13753).
    LongRope(LongRope),
}

/// YaRN: frequencies that turn often within the original context are left alone, those that turn
/// seldom are divided, those between are blended by their number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// Divisor of the low frequencies.
    pub factor: f64,
    /// Turns within the original context from which on a frequency is left alone.
    pub beta_fast: f64,
    /// Turns up to which it is divided in full.
    pub beta_slow: f64,
    /// Context length before stretching.
    pub original_max_position_embeddings: f64,
    /// What cosines and sines are multiplied by.
    pub attention_factor: f64,
    /// Whether the bounds of the blended frequencies are rounded to whole numbers.
    pub truncate: bool,
}

/// LongRoPE: every frequency has a divisor of its own, one for short contexts and one for long
/// ones.
///
/// transformers takes the long ones once a sequence grows beyond the original context. A cache
/// whose prefixes are shared must have one set for all: the short one, unless longer contexts are
/// asked for ([`ModelOptions::max_context`](crate::ModelOptions::max_context)).
#[derive(Clone, Debug, PartialEq)]
pub struct LongRope {
    /// Divisors for contexts up to the original length, one a frequency.
    pub short_factor: Vec<f64>,
    /// Divisors for longer ones.
    pub long_factor: Vec<f64>,
    /// Context length before stretching.
    pub original_max_position_embeddings: f64,
    /// What cosines and sines are multiplied by.
    pub attention_factor: f64,
    /// Which divisors serve. Files do not say: the short ones, unless it is changed.
    pub serves: ContextLength,
}

/// Which divisors of a [`LongRope`] serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContextLength {
    /// Those for contexts up to the original length.
    #[default]
    Short,
    /// Those for longer ones.
    Long,
}

impl Rotary {
    /// Positions of a base over whole heads, nothing stretched.
    #[must_use]
    pub fn plain(theta: f64) -> Self {
        Self { theta, scaling: RopeScaling::Plain, width: None }
    }

    /// Features of a head of `head_dim` that are rotated.
    #[must_use]
    pub fn width_of(&self, head_dim: usize) -> usize {
        self.width.unwrap_or(head_dim)
    }

    /// The frequencies of a head's pairs, from the highest on, as angles a position: `θ^(−2i/d)`
    /// with
    /// `d` the rotated width, stretched.
    #[must_use]
    pub fn frequencies(&self, head_dim: usize) -> Vec<f64> {
        let width = self.width_of(head_dim);
        let plain = (0..width / 2).map(|pair| self.theta.powf(-2.0 * pair as f64 / width as f64));
        match &self.scaling {
            RopeScaling::Yarn(yarn) => {
                let ramp = yarn.ramp(self.theta, width);
                plain.enumerate().map(|(pair, plain)| yarn.stretch(plain, pair, ramp)).collect()
            }
            RopeScaling::LongRope(scaling) => {
                let divisors = scaling.divisors().iter();
                plain.zip(divisors).map(|(plain, divisor)| plain / divisor).collect()
            }
            scaling => plain.map(|plain| scaling.stretch(plain)).collect(),
        }
    }

    /// What cosines and sines are multiplied by.
    #[must_use]
    pub fn magnitude(&self) -> f64 {
        match &self.scaling {
            RopeScaling::Yarn(yarn) => yarn.attention_factor,
            RopeScaling::LongRope(scaling) => scaling.attention_factor,
            _ => 1.0,
        }
    }

    /// The longest context of the frequencies that serve, where there are others for longer ones.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match &self.scaling {
            RopeScaling::LongRope(scaling) if scaling.serves == ContextLength::Short => {
                Some(scaling.original_max_position_embeddings as usize)
            }
            _ => None,
        }
    }

    /// The same positions for contexts of a length.
    #[must_use]
    pub(crate) fn serving(mut self, length: ContextLength) -> Self {
        if let RopeScaling::LongRope(scaling) = &mut self.scaling {
            scaling.serves = length;
        }
        self
    }
}

impl RopeScaling {
    /// A frequency that is stretched by itself, whatever its number.
    pub(crate) fn stretch(&self, frequency: f64) -> f64 {
        match self {
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                let waves = original_max_position_embeddings * frequency / (2.0 * PI);
                let blend = ((waves - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                frequency * (blend + (1.0 - blend) / factor)
            }
            _ => frequency,
        }
    }
}

#[cfg(feature = "gguf")]
impl Yarn {
    /// Whether the bounds of the blended frequencies are those of the paper.
    pub(crate) fn has_usual_betas(&self) -> bool {
        (self.beta_fast, self.beta_slow) == (32.0, 1.0)
    }

    /// Whether cosines and sines are multiplied by what the paper has for the factor.
    pub(crate) fn has_natural_attention(&self) -> bool {
        let natural = if self.factor <= 1.0 { 1.0 } else { 0.1 * self.factor.ln() + 1.0 };
        (self.attention_factor - natural).abs() <= 1e-9
    }
}

impl Yarn {
    /// The numbers of the frequencies between which they are blended.
    fn ramp(&self, theta: f64, width: usize) -> (f64, f64) {
        let width = width as f64;
        let number = |turns: f64| {
            let waves = self.original_max_position_embeddings / (turns * 2.0 * PI);
            width * waves.ln() / (2.0 * theta.ln())
        };
        let (low, high) = (number(self.beta_fast), number(self.beta_slow));
        let (low, high) = if self.truncate { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min(width - 1.0));
        if low == high { (low, high + 0.001) } else { (low, high) }
    }

    fn stretch(&self, plain: f64, pair: usize, (low, high): (f64, f64)) -> f64 {
        let divided = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        plain / self.factor * divided + plain * (1.0 - divided)
    }
}

impl LongRope {
    fn divisors(&self) -> &[f64] {
        match self.serves {
            ContextLength::Short => &self.short_factor,
            ContextLength::Long => &self.long_factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_stretching_leaves_short_waves_and_divides_long_ones() {
        let scaling = RopeScaling::Llama3 {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192.0,
        };
        assert!((scaling.stretch(1.0) - 1.0).abs() < 1e-12);
        assert!((scaling.stretch(1e-6) - 1e-6 / 32.0).abs() < 1e-15);
        // Halfway: 2.5 waves fit into the original context.
        let middle = 2.5 * 2.0 * PI / 8192.0;
        assert!((scaling.stretch(middle) - middle * (0.5 + 0.5 / 32.0)).abs() < 1e-12);
    }

    #[test]
    fn yarn_leaves_the_first_frequencies_and_divides_the_last() {
        let yarn = Yarn {
            factor: 4.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            original_max_position_embeddings: 4096.0,
            attention_factor: 1.0,
            truncate: true,
        };
        let plain = Rotary::plain(10_000.0).frequencies(128);
        let stretched = Rotary { scaling: RopeScaling::Yarn(yarn), ..Rotary::plain(10_000.0) };
        let stretched = stretched.frequencies(128);
        let ratios: Vec<f64> = plain.iter().zip(&stretched).map(|(plain, stretched)| plain / stretched).collect();
        // 4096 tokens turn frequency i by 4096 · 10000^(−i/64) / 2π: 32 turns at i = 20.9, one at
        // 45.03.
        assert!(ratios[..=20].iter().all(|ratio| (ratio - 1.0).abs() < 1e-12), "{ratios:?}");
        assert!(ratios[21] > 1.0 && ratios[45] < 4.0, "{ratios:?}");
        assert!(ratios[46..].iter().all(|ratio| (ratio - 4.0).abs() < 1e-9), "{ratios:?}");
    }

    #[test]
    fn part_of_a_head_has_frequencies_by_its_own_width() {
        let part = Rotary { width: Some(8), ..Rotary::plain(100.0) };
        let found = part.frequencies(32);
        assert_eq!(found.len(), 4);
        assert!((found[3] - 100f64.powf(-0.75)).abs() < 1e-12);
    }
}
