//! The constants of attention's cost model from measured times.

use super::AttentionShape;
use super::planner::{CostModel, Frontier, PlanKind};

/// How long a layer's attention took under one plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanTime {
    /// The plan.
    pub kind: PlanKind,
    /// What it was for.
    pub frontier: Frontier,
    /// The attention's heads.
    pub shape: AttentionShape,
    /// Its time in seconds, above zero.
    pub seconds: f64,
}

/// What the model's three constants are multiplied by: bytes of keys and values, operations, and
/// bytes of one pass over the scores.
fn factors(measured: &PlanTime) -> [f64; 3] {
    let cost = |bandwidth: f64, launch: f64, score_passes: f64| {
        CostModel { bandwidth, launch, score_passes }.seconds(measured.kind, &measured.frontier, measured.shape)
    };
    let bytes = cost(1.0, 0.0, 0.0);
    [bytes, cost(f64::INFINITY, 1.0, 0.0), cost(1.0, 0.0, 1.0) - bytes]
}

impl CostModel {
    /// Fits the three constants to measured times: the smallest squared relative errors, and no
    /// constant negative. `None` if the measurements do not determine what a byte costs.
    ///
    /// ```
    /// use saffron_kvtrie::attention::{AttentionShape, CostModel, Frontier, PlanTime, PlanKind};
    /// let shape = AttentionShape { kv_heads: 3, group: 3, head_dim: 64 };
    /// let machine = CostModel { bandwidth: 20e9, launch: 3e-6, score_passes: 11.0 };
    /// let frontiers = [(1, 96, 48), (16, 96, 8), (64, 1024, 48)].map(|(chains, trunk, suffix)| {
    ///     Frontier { rows: chains, chains, trunk, suffix, bound: trunk + chains * suffix }
    /// });
    /// let plans = [PlanKind::Cascade, PlanKind::Gather, PlanKind::Flat];
    /// let measured = frontiers.iter().flat_map(|frontier| plans.map(|kind| {
    ///     let seconds = machine.seconds(kind, frontier, shape);
    ///     PlanTime { kind, frontier: *frontier, shape, seconds }
    /// }));
    /// let fitted = CostModel::fit(&measured.collect::<Vec<_>>()).unwrap();
    /// assert!((fitted.bandwidth / machine.bandwidth - 1.0).abs() < 1e-6);
    /// ```
    #[must_use]
    pub fn fit(measured: &[PlanTime]) -> Option<Self> {
        // Divided by the time, so that a millisecond does not outweigh ten microseconds.
        let rows: Vec<[f64; 3]> =
            measured.iter().map(|measured| factors(measured).map(|factor| factor / measured.seconds)).collect();
        let error = |costs: &[f64; 3]| -> f64 { rows.iter().map(|row| (dot(row, costs) - 1.0).powi(2)).sum() };
        let solutions = [[true, true, true], [true, true, false], [true, false, true], [true, false, false]];
        let solutions = solutions.into_iter().filter_map(|used| least_squares(&rows, used));
        let possible = solutions.filter(|costs| costs[0] > 0.0 && costs.iter().all(|cost| *cost >= 0.0));
        let [byte, launch, pass] = possible.min_by(|a, b| error(a).total_cmp(&error(b)))?;
        Some(Self { bandwidth: 1.0 / byte, launch, score_passes: pass / byte })
    }
}

/// Costs by which every row comes as close to one as it can; those not used are zero. None when the
/// rows do not determine them.
fn least_squares(rows: &[[f64; 3]], used: [bool; 3]) -> Option<[f64; 3]> {
    // Columns scaled to one length: bytes are millions, operations a few.
    let length = |column: usize| rows.iter().map(|row| row[column].powi(2)).sum::<f64>().sqrt();
    let scale: [f64; 3] = std::array::from_fn(|column| if used[column] { length(column) } else { 1.0 });
    let mut equations = [[0.0; 4]; 3];
    for (column, equation) in equations.iter_mut().enumerate() {
        if !used[column] {
            equation[column] = 1.0;
            continue;
        }
        for row in rows {
            let factor = row[column] / scale[column];
            (0..3).filter(|other| used[*other]).for_each(|other| equation[other] += factor * row[other] / scale[other]);
            equation[3] += factor;
        }
    }
    let solved = solve(equations)?;
    Some(std::array::from_fn(|column| solved[column] / scale[column]))
}

/// Gaussian elimination; none for equations that depend on each other.
fn solve(mut equations: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|a, b| equations[*a][column].abs().total_cmp(&equations[*b][column].abs()))?;
        equations.swap(column, pivot);
        let divisor = equations[column][column];
        if divisor.is_nan() || divisor.abs() < 1e-9 {
            return None;
        }
        let normal = equations[column].map(|value| value / divisor);
        equations[column] = normal;
        for (_, row) in equations.iter_mut().enumerate().filter(|(row, _)| *row != column) {
            let factor = row[column];
            row.iter_mut().zip(normal).for_each(|(value, normal)| *value -= factor * normal);
        }
    }
    Some(equations.map(|row| row[3]))
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: AttentionShape = AttentionShape { kv_heads: 3, group: 3, head_dim: 64 };
    const TRUTH: CostModel = CostModel { bandwidth: 20e9, launch: 3e-6, score_passes: 11.0 };

    /// Times that a model gives for many frontiers, each changed by `noise` of its place.
    fn measured(model: CostModel, noise: impl Fn(usize) -> f64) -> Vec<PlanTime> {
        let mut all = Vec::new();
        for (chains, trunk, suffix) in [(1, 96, 48), (4, 96, 48), (16, 96, 8), (16, 1024, 48), (64, 1024, 48)] {
            let frontier = Frontier { rows: chains, chains, trunk, suffix, bound: trunk + chains * suffix };
            for kind in [PlanKind::Cascade, PlanKind::Gather, PlanKind::Flat] {
                let seconds = model.seconds(kind, &frontier, SHAPE) * noise(all.len());
                all.push(PlanTime { kind, frontier, shape: SHAPE, seconds });
            }
        }
        all
    }

    fn near(a: f64, b: f64, share: f64) -> bool {
        (a / b - 1.0).abs() < share
    }

    #[test]
    fn the_constants_behind_exact_times_are_found() {
        let model = CostModel::fit(&measured(TRUTH, |_| 1.0)).expect("a fit");
        assert!(near(model.bandwidth, TRUTH.bandwidth, 1e-6), "{model:?}");
        assert!(near(model.launch, TRUTH.launch, 1e-6), "{model:?}");
        assert!(near(model.score_passes, TRUTH.score_passes, 1e-6), "{model:?}");
    }

    #[test]
    fn noise_of_five_per_cent_moves_no_constant_far() {
        let model = CostModel::fit(&measured(TRUTH, |place| if place % 2 == 0 { 1.05 } else { 0.95 })).expect("a fit");
        assert!(near(model.bandwidth, TRUTH.bandwidth, 0.3), "{model:?}");
        assert!(near(model.launch, TRUTH.launch, 0.3), "{model:?}");
        assert!(near(model.score_passes, TRUTH.score_passes, 0.3), "{model:?}");
    }

    #[test]
    fn no_constant_is_negative() {
        let free = CostModel { launch: -4e-7, ..TRUTH };
        let model = CostModel::fit(&measured(free, |_| 1.0)).expect("a fit");
        assert!(model.launch >= 0.0 && model.score_passes >= 0.0 && model.bandwidth > 0.0, "{model:?}");
    }

    #[test]
    fn nothing_is_fitted_to_nothing() {
        assert_eq!(CostModel::fit(&[]), None);
    }
}
