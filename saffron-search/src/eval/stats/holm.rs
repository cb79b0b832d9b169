//! Several tests at once.

/// Holm's adjusted p-values (Scandinavian Journal of Statistics 6, 1979, 65–70), in the order of
/// the p-values: to reject those at most 0.05 keeps the chance of any false rejection at most 5 %.
/// A p-value that is not a number stays one and counts as a test.
///
/// ```
/// let adjusted = saffron_search::eval::stats::holm(&[0.01, 0.04, 0.03, 0.005]);
/// assert_eq!(adjusted, [0.03, 0.06, 0.06, 0.02]);
/// ```
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let (mut adjusted, mut largest) = (p_values.to_vec(), 0.0f64);
    for (rank, place) in order.into_iter().enumerate() {
        let p = p_values[place];
        if !p.is_nan() {
            largest = largest.max(((p_values.len() - rank) as f64 * p).min(1.0));
            adjusted[place] = largest;
        }
    }
    adjusted
}
