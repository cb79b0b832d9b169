//! Curves against the figures of the paper.

use saffron_search::eval::curve::{LogFit, profiler_style, scaling_efficiency};

use super::usage;

#[test]
fn scaling_efficiencies_are_those_of_the_papers_table_1() {
    // The table's last digits are cut off, not rounded.
    for (limit, tflop, asr, expected) in [
        (500.0, 122.12, 0.781, 1.804),
        (500.0, 319.54, 0.562, 0.796),
        (100.0, 80.70, 0.906, 0.237),
        (100.0, 86.92, 0.875, 0.160),
    ] {
        let found = scaling_efficiency(limit, tflop, asr).unwrap();
        assert!((found - expected).abs() < 1e-3, "{tflop} TFLOP: {found}, expected {expected}");
    }
}

#[test]
fn scaling_efficiency_is_not_defined_beyond_the_limit_or_without_a_success() {
    assert_eq!(scaling_efficiency(100.0, 100.0, 0.5), Some(0.0));
    for (limit, tflop, asr) in [
        (100.0, 100.1, 0.5),
        (100.0, 50.0, 0.0),
        (100.0, 0.0, 0.5),
        (-1.0, -2.0, 0.5),
        (f64::NAN, 1.0, 0.5),
        (f64::INFINITY, 1.0, 0.5),
        (100.0, 50.0, -0.5),
    ] {
        assert_eq!(scaling_efficiency(limit, tflop, asr), None, "{limit} {tflop} {asr}");
    }
}

#[track_caller]
fn assert_fit(points: &[(f64, f64)], intercept: f64, slope: f64) {
    let fit = LogFit::of(points).unwrap();
    let near = |found: f64, expected: f64| (found - expected).abs() < 5e-3;
    assert!(near(fit.intercept, intercept) && near(fit.slope, slope), "{fit:?}, expected {intercept} and {slope}");
    assert!(fit.r_squared.unwrap() > 0.95 && fit.points == points.len(), "{fit:?}");
}

#[test]
fn fits_are_those_of_the_papers_figure_2() {
    let saffron =
        [(4.74, 0.827), (6.58, 0.742), (10.35, 0.667), (17.67, 0.558), (32.06, 0.497), (59.59, 0.382), (115.99, 0.336)];
    assert_fit(&saffron, 1.0346, -0.1543);
    let best_of_n =
        [(3.41, 0.897), (4.79, 0.867), (7.51, 0.845), (12.86, 0.770), (23.24, 0.688), (43.18, 0.621), (83.78, 0.473)];
    assert_fit(&best_of_n, 1.0812, -0.1288);
}

#[test]
fn a_fit_explains_what_it_explains() {
    // Logarithms 0, 1, 2 and rates 0, 1, 1: slope 1/2, intercept 1/6, R² = 3/4.
    let e = std::f64::consts::E;
    let fit = LogFit::of(&[(1.0, 0.0), (e, 1.0), (e * e, 1.0)]).unwrap();
    assert!((fit.slope - 0.5).abs() < 1e-12 && (fit.intercept - 1.0 / 6.0).abs() < 1e-12, "{fit:?}");
    assert!((fit.r_squared.unwrap() - 0.75).abs() < 1e-12 && (fit.at(e) - 2.0 / 3.0).abs() < 1e-12, "{fit:?}");
    let level = LogFit::of(&[(1.0, 0.5), (2.0, 0.5)]).unwrap();
    assert_eq!((level.slope, level.r_squared), (0.0, None));
}

#[test]
fn no_line_goes_through_one_amount_of_compute_or_through_none() {
    assert_eq!(LogFit::of(&[]), None);
    assert_eq!(LogFit::of(&[(3.0, 0.2), (3.0, 0.4), (3.0, 0.1)]), None);
    assert_eq!(LogFit::of(&[(1e300, 0.2), (1e300f64.next_up(), 0.4)]), None, "their logarithms are one number");
    assert_eq!(LogFit::of(&[(3.0, 0.2), (0.0, 0.4)]), None);
    assert_eq!(LogFit::of(&[(3.0, 0.2), (4.0, f64::NAN)]), None);
}

#[test]
fn the_reference_counts_each_operation_once_for_every_profiled_model() {
    assert_eq!(profiler_style(&usage(2_000, 500), 3), 7_500);
    assert_eq!(profiler_style(&usage(2_000, 500), 2), 5_000);
    assert_eq!(profiler_style(&usage(u64::MAX, 1), 3), u64::MAX);
}
