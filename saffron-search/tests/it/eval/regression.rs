//! Estimates against targets: cases worked out by hand, the plain formulas, and laws.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use saffron_search::eval::stats::{MetricError, Regression, RegressionTally, Share};

fn report(pairs: &[(f32, f32)], bins: usize) -> Regression {
    Regression::of(pairs, NonZeroUsize::new(bins).unwrap()).unwrap()
}

#[track_caller]
fn assert_near(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found}, expected {expected}");
}

fn share(hits: u64, of: u64) -> Share {
    Share::new(hits, of).unwrap()
}

#[test]
fn a_report_is_what_a_hand_works_out() {
    // Errors 1, −2, 0, −3; targets' mean 0, their squares 34; estimates' mean −1, squares about it 26; products of both 25.
    let found = report(&[(2.0, 1.0), (-3.0, -1.0), (-4.0, -4.0), (1.0, 4.0)], 2);
    assert_eq!((found.n, found.mean_absolute_error, found.bias, found.greatest_error), (4, 1.5, -1.0, 3.0));
    assert_near(Some(found.root_mean_square_error), 3.5f64.sqrt());
    assert_near(found.r_squared, 1.0 - 14.0 / 34.0);
    assert_near(found.pearson, 25.0 / (26f64 * 34.0).sqrt());
    assert_eq!((found.within_one, found.within_two), (share(2, 4), share(3, 4)));
    assert_eq!((found.same_sign, found.unsafe_targets), (share(4, 4), share(2, 4)));
}

#[test]
fn a_sign_is_below_nought_or_not() {
    let found = report(&[(0.0, 3.0), (-0.0, 0.0), (-0.1, 0.0), (0.1, -0.1), (-5.0, -0.1)], 1);
    assert_eq!((found.same_sign, found.unsafe_targets), (share(3, 5), share(2, 5)));
}

#[test]
fn bins_part_the_range_of_estimates_and_say_what_targets_are_there() {
    let found = report(&[(0.0, 1.0), (0.5, 2.0), (10.0, 9.0), (0.75, 6.0)], 5);
    let ranges: Vec<(f64, f64, usize)> = found.bins.iter().map(|bin| (bin.low, bin.high, bin.n)).collect();
    assert_eq!(ranges, [(0.0, 2.0, 3), (8.0, 10.0, 1)]);
    assert_near(Some(found.bins[0].estimate), 1.25 / 3.0);
    assert_near(Some(found.bins[0].target), 3.0);
    assert_near(found.bins[0].deviation, 7f64.sqrt());
    assert_eq!((found.bins[1].target, found.bins[1].deviation), (9.0, None));
}

#[test]
fn what_is_undefined_is_none_and_never_nan() {
    let constant = report(&[(1.0, 0.1), (2.0, 0.1), (4.0, 0.1)], 3);
    assert_eq!((constant.r_squared, constant.pearson), (None, None));
    let flat = report(&[(0.1, 1.0), (0.1, 2.0)], 3);
    assert_eq!((flat.pearson, flat.bins.len(), flat.bins[0].n), (None, 1, 2));
    assert!(flat.r_squared.unwrap() < 0.0);
    let alone = report(&[(1.0, 2.0)], 3);
    assert_eq!((alone.r_squared, alone.pearson, alone.bins[0].deviation), (None, None, None));
    for found in [constant, flat, alone] {
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Regression>(&text).unwrap(), found);
    }
}

#[test]
fn the_greatest_and_the_least_numbers_are_measured() {
    let found = report(&[(f32::MAX, f32::MIN), (f32::MIN, f32::MAX)], usize::MAX);
    assert_eq!((found.pearson, found.r_squared, found.bins.len()), (Some(-1.0), Some(-3.0), 2));
    assert_eq!(found.greatest_error, 2.0 * f64::from(f32::MAX));
    let tiny = f32::from_bits(1);
    assert_near(report(&[(0.0, 0.0), (tiny, tiny)], 2).pearson, 1.0);
}

#[test]
fn numbers_far_from_nought_keep_their_spread() {
    let pairs = [(1e7, 1e7), (1e7 + 1.0, 1e7 + 2.0), (1e7 + 2.0, 1e7 + 4.0)];
    assert_near(report(&pairs, 1).pearson, 1.0);
    assert_near(report(&pairs, 1).r_squared, 1.0 - 5.0 / 8.0);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    assert_eq!(Regression::of(&[], NonZeroUsize::MIN), Err(MetricError::Empty));
    let error = Regression::of(&[(1.0, 1.0), (1.0, f32::INFINITY)], NonZeroUsize::MIN).unwrap_err();
    assert_eq!(error.to_string(), "the target of answer 1 is inf, not a number to measure");
    let mut tally = RegressionTally::default();
    assert!(tally.add(f32::NAN, 1.0).unwrap_err().to_string().contains("estimate of answer 0"));
    assert_eq!(tally, RegressionTally::default());
}

/// The plain formulas, each with its own pass.
struct Plain {
    absolute: f64,
    root: f64,
    bias: f64,
    r_squared: f64,
    pearson: f64,
}

fn plain(pairs: &[(f32, f32)]) -> Plain {
    let pairs: Vec<(f64, f64)> = pairs.iter().map(|(one, other)| (f64::from(*one), f64::from(*other))).collect();
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    let (estimate, target) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let (estimates, targets) = (mean(&|pair| (pair.0 - estimate).powi(2)), mean(&|pair| (pair.1 - target).powi(2)));
    let square = mean(&|pair| (pair.0 - pair.1).powi(2));
    Plain {
        absolute: mean(&|pair| (pair.0 - pair.1).abs()),
        root: square.sqrt(),
        bias: mean(&|pair| pair.0 - pair.1),
        r_squared: 1.0 - square / targets,
        pearson: mean(&|pair| (pair.0 - estimate) * (pair.1 - target)) / (estimates * targets).sqrt(),
    }
}

/// Pairs of which two differ in both numbers.
fn pairs() -> impl Strategy<Value = Vec<(f32, f32)>> {
    let pairs = proptest::collection::vec((-10f32..10.0, -10f32..10.0), 0..50);
    pairs.prop_map(|pairs| pairs.into_iter().chain([(-1.0, 2.0), (1.5, 0.25)]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_report_is_that_of_the_plain_formulas(pairs in pairs()) {
        let (found, plain) = (report(&pairs, 7), plain(&pairs));
        let near = |one: f64, other: f64| (one - other).abs() <= 1e-10 * other.abs().max(1.0);
        prop_assert!(near(found.mean_absolute_error, plain.absolute));
        prop_assert!(near(found.root_mean_square_error, plain.root));
        prop_assert!(near(found.bias, plain.bias));
        prop_assert!(near(found.r_squared.unwrap(), plain.r_squared));
        prop_assert!(near(found.pearson.unwrap(), plain.pearson));
    }

    #[test]
    fn bins_hold_every_pair_in_their_ranges(pairs in pairs(), count in 1usize..12) {
        let found = report(&pairs, count);
        prop_assert_eq!(found.bins.iter().map(|bin| bin.n).sum::<usize>(), pairs.len());
        prop_assert!(found.bins.len() <= count);
        prop_assert!(found.bins.windows(2).all(|two| two[0].high <= two[1].low + 1e-9));
        let inside = |low: f64, high: f64, number: f64| low - 1e-9 <= number && number <= high + 1e-9;
        prop_assert!(found.bins.iter().all(|bin| inside(bin.low, bin.high, bin.estimate)));
        let targets: f64 = found.bins.iter().map(|bin| bin.target * bin.n as f64).sum();
        let expected: f64 = pairs.iter().map(|(_, target)| f64::from(*target)).sum();
        prop_assert!((targets - expected).abs() < 1e-9);
    }

    #[test]
    fn pairs_taken_one_by_one_give_the_report_without_its_bins(pairs in pairs()) {
        let mut tally = RegressionTally::default();
        for (estimate, target) in &pairs {
            tally.add(*estimate, *target).unwrap();
        }
        prop_assert_eq!(tally.report().unwrap(), Regression { bins: Vec::new(), ..report(&pairs, 3) });
    }

    #[test]
    fn correlation_does_not_see_scale_and_offset(pairs in pairs(), scale in 1u8..64, offset in -8i8..8, turned: bool) {
        let sign = if turned { -1.0 } else { 1.0 };
        // Multiples of 2⁻¹⁰, so that scale and offset round nothing.
        let exact = |number: f32| (number * 1024.0).round() / 1024.0;
        let exact: Vec<(f32, f32)> = pairs.iter().map(|(one, other)| (exact(*one), exact(*other))).collect();
        let map = |number: f32| sign * f32::from(scale) * number + f32::from(offset);
        let mapped: Vec<(f32, f32)> = exact.iter().map(|(one, other)| (map(*one), *other)).collect();
        let (before, after) = (report(&exact, 1).pearson.unwrap(), report(&mapped, 1).pearson.unwrap());
        prop_assert!((before - f64::from(sign) * after).abs() < 1e-10);
    }
}
