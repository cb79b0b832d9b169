//! Llama 3's stretching, which a file holds as the divisors that come of it.

use super::Model;
use super::rope::FREQUENCIES;
use crate::config::RopeScaling;
use crate::error::LoadError;

/// How far stored divisors of the rotary frequencies may lie from those of the rule that they follow, relatively.
const ROUNDING: f64 = 1e-4;

/// The stretching that divisors come of. All models that have been released with one share the bounds of the
/// blended waves; the factor is the largest divisor, and the context before stretching follows from a divisor that is blended.
pub(super) fn scaling(
    model: &Model<'_>,
    theta: f64,
    head_dim: usize,
    divisors: &[f32],
) -> Result<RopeScaling, LoadError> {
    let (low, high) = (1.0, 4.0);
    let factor = f64::from(divisors.iter().copied().fold(1.0, f32::max));
    if divisors.len() != head_dim / 2 {
        return Err(model.refuse_tensor(FREQUENCIES, format!("{} values", head_dim / 2), divisors.len()));
    }
    let frequency = |place: usize| theta.powf(-2.0 * place as f64 / head_dim as f64);
    let blend = |divisor: f32| (1.0 / f64::from(divisor) - 1.0 / factor) / (1.0 - 1.0 / factor);
    let blends = divisors.iter().map(|divisor| blend(*divisor)).enumerate();
    let halfway = blends
        .filter(|(_, blend)| *blend > 0.0 && *blend < 1.0)
        .min_by(|(_, one), (_, other)| (one - 0.5).abs().total_cmp(&(other - 0.5).abs()));
    let original = halfway.map_or(8192.0, |(place, blend)| {
        let waves = low + blend * (high - low);
        (waves * 2.0 * std::f64::consts::PI / frequency(place)).round()
    });
    let scaling = RopeScaling::Llama3 {
        factor,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
    };
    for (place, found) in divisors.iter().enumerate() {
        let (plain, found) = (frequency(place), f64::from(*found));
        let expected = plain / scaling.stretch(plain);
        let near = (found - expected).abs() <= ROUNDING * expected;
        if !near {
            let expected = format!("{expected} at {place}, as of Llama 3's scaling by {factor} from {original}");
            return Err(model.refuse_tensor(FREQUENCIES, expected, found));
        }
    }
    Ok(scaling)
}
