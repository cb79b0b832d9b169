//! How a report writes its numbers: one way everywhere.

use saffron_search::eval::runs::summary::Estimate;

/// Where there is no number.
const NOTHING: &str = "–";

/// A share, to three decimals.
pub(super) fn share(value: f64) -> String {
    format!("{value:.3}")
}

/// A share with its interval.
pub(super) fn estimate(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || String::from(NOTHING),
        |Estimate { value, interval, .. }| {
            format!("{} [{}, {}]", share(value), share(interval.low), share(interval.high))
        },
    )
}

/// Any other number, to three digits; from 100 on to a whole number.
pub(super) fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return String::from(NOTHING) };
    let three = format!("{value:.2e}");
    let rounded: f64 = three.parse().unwrap_or(value);
    match rounded.abs() {
        0.0 => String::from("0"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{rounded:.1}"),
        size if size >= 1.0 => format!("{rounded:.2}"),
        size if size >= 0.1 => format!("{rounded:.3}"),
        size if size >= 0.01 => format!("{rounded:.4}"),
        size if size >= 0.001 => format!("{rounded:.5}"),
        _ => three,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_written_alike_wherever_they_stand() {
        let estimate_of = |hits: usize, of: usize| Estimate::of((0..of).map(|place| place < hits)).unwrap();
        for (hits, of, expected) in
            [(1, 8, "0.125"), (1, 3, "0.333"), (2, 3, "0.667"), (0, 4, "0.000"), (4, 4, "1.000")]
        {
            let found = estimate_of(hits, of);
            assert_eq!(share(found.value), expected);
            assert_eq!(estimate(Some(found)).split_once(' ').unwrap().0, expected);
        }
        assert_eq!(estimate(Some(estimate_of(1, 8))), "0.125 [0.022, 0.471]");
        assert_eq!((estimate(None), number(None)), (String::from("–"), String::from("–")));
    }

    #[test]
    fn numbers_have_three_digits_on_both_sides_of_every_border() {
        let cases = [
            (0.0, "0"),
            (1234.56, "1235"),
            (100.4, "100"),
            (99.96, "100"),
            (99.94, "99.9"),
            (9.996, "10.0"),
            (9.994, "9.99"),
            (0.9996, "1.00"),
            (0.1, "0.100"),
            (0.099_96, "0.100"),
            (0.012_345, "0.0123"),
            (0.001, "0.00100"),
            (0.000_999_6, "0.00100"),
            (0.000_123_4, "1.23e-4"),
            (-0.5, "-0.500"),
            (-99.96, "-100"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(Some(value)), expected, "{value}");
        }
    }
}
