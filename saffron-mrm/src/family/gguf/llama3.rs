//! Llama 3's stretching, which a file holds as the divisors that come of it.

use super::Model;
use super::rope::FREQUENCIES;
use crate::config::RopeScaling;
use crate::error::LoadError;

/// How far stored divisors of the rotary frequencies may lie from those of the rule that they
/// follow, relatively.
const ROUNDING: f64 = 1e-4;

/// The stretching that divisors come of. All models that have been released with one share the
/// bounds of the blended waves; the factor is the largest divisor, and the context before
/// stretching follows from a divisor that is blended.
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
    let waves_of = |waves: f64, place: usize| waves * 2.0 * std::f64::consts::PI / frequency(place);
    let original = match halfway {
        Some((place, blend)) => waves_of(low + blend * (high - low), place).round(),
        None => unblended(divisors, |place| waves_of(high, place), |place| waves_of(low, place)),
    };
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

/// The context before stretching where no frequency is blended: the usual one, or one in the middle
/// of those in which the last frequency that is left alone turns often enough, and the first that
/// is divided seldom enough.
fn unblended(divisors: &[f32], least: impl Fn(usize) -> f64, most: impl Fn(usize) -> f64) -> f64 {
    const USUAL: f64 = 8192.0;
    let alone = divisors.iter().rposition(|divisor| *divisor == 1.0);
    let divided = divisors.iter().position(|divisor| *divisor != 1.0);
    match (alone.map(least), divided.map(most)) {
        (Some(least), Some(most)) if !(least..=most).contains(&USUAL) => (least * most).sqrt().round(),
        _ => USUAL,
    }
}
