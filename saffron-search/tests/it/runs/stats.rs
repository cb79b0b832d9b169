//! Intervals and tests against published figures, figures worked out with whole numbers, and laws.

use std::collections::BTreeMap;

use proptest::prelude::{prop_assert, proptest};
use saffron_search::eval::stats::{Interval, Mean, Paired, Share, StatsError, Z95};

#[track_caller]
fn assert_interval(found: Interval, low: f64, high: f64, tolerance: f64) {
    let near = |found: f64, expected: f64| (found - expected).abs() <= tolerance;
    assert!(near(found.low, low) && near(found.high, high), "{found:?}, expected {low} to {high}");
}

fn share(hits: u64, of: u64) -> Share {
    Share::new(hits, of).unwrap()
}

#[test]
fn wilson_intervals_are_those_of_newcombes_paper() {
    // Statistics in Medicine 17 (1998), 857–872, table I, method 3.
    assert_interval(share(81, 263).wilson(Z95), 0.2553, 0.3662, 5e-5);
    assert_interval(share(15, 148).wilson(Z95), 0.0624, 0.1605, 5e-5);
    assert_interval(share(0, 20).wilson(Z95), 0.0000, 0.1611, 5e-5);
    assert_interval(share(1, 29).wilson(Z95), 0.0061, 0.1718, 5e-5);
}

#[test]
fn a_share_of_nothing_or_everything_has_an_end_at_nought_or_one_exactly() {
    // With no hit the upper end is z² / (n + z²).
    let squared = Z95 * Z95;
    assert_interval(share(0, 10).wilson(Z95), 0.0, squared / (10.0 + squared), 1e-15);
    assert_interval(share(10, 10).wilson(Z95), 10.0 / (10.0 + squared), 1.0, 1e-15);
    assert_eq!((share(0, 7).wilson(Z95).low, share(7, 7).wilson(Z95).high), (0.0, 1.0));
}

#[test]
fn nothing_is_known_of_a_share_without_trials() {
    assert_eq!(share(0, 0).wilson(Z95), Interval { low: 0.0, high: 1.0 });
    for z in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        assert_eq!(share(3, 5).wilson(z), Interval { low: 0.0, high: 1.0 });
    }
    assert_eq!(share(0, 0).value(), None);
}

#[test]
fn more_hits_than_trials_are_refused_when_made_and_when_read() {
    assert_eq!(Share::new(3, 2), Err(StatsError::HitsExceedTrials { hits: 3, of: 2 }));
    let error = serde_json::from_str::<Share>(r#"{"hits":3,"of":2}"#).unwrap_err().to_string();
    assert!(error.contains("3 hits in 2 trials"), "{error}");
    assert_eq!(serde_json::from_str::<Share>(r#"{"hits":2,"of":3}"#).unwrap(), share(2, 3));
}

proptest! {
    #[test]
    fn a_wilson_interval_holds_its_share_and_mirrors(hits in 0u64..2000, misses in 0u64..2000, z in 0.1f64..4.0) {
        let (hit, miss) = (share(hits, hits + misses), share(misses, hits + misses));
        let (interval, mirror) = (hit.wilson(z), miss.wilson(z));
        let value = hit.value().unwrap_or(0.5);
        prop_assert!(0.0 <= interval.low && interval.low <= value && value <= interval.high && interval.high <= 1.0);
        prop_assert!((interval.low + mirror.high - 1.0).abs() < 1e-12);
        prop_assert!((interval.high + mirror.low - 1.0).abs() < 1e-12);
    }

    #[test]
    fn mcnemars_test_is_the_sum_of_whole_numbers(first in 0u32..60, second in 0u32..60) {
        let paired = Paired { first_only: first, second_only: second, both: 5, neither: 0 };
        let expected = counted(first, second);
        prop_assert!((paired.mcnemar() - expected).abs() <= 1e-13 * expected, "{} {expected}", paired.mcnemar());
    }

    #[test]
    fn a_difference_lies_in_its_interval_and_mirrors(cells in proptest::array::uniform4(0u32..200)) {
        let [both, first_only, second_only, neither] = cells;
        let paired = Paired { both, first_only, second_only, neither };
        let swapped = Paired { first_only: second_only, second_only: first_only, ..paired };
        let (Some(one), Some(other)) = (paired.difference(Z95), swapped.difference(Z95)) else {
            prop_assert!(cells == [0; 4]);
            return Ok(());
        };
        prop_assert!(-1.0 - 1e-12 <= one.interval.low && one.interval.low <= one.value);
        prop_assert!(one.value <= one.interval.high && one.interval.high <= 1.0 + 1e-12);
        prop_assert!((one.interval.low + other.interval.high).abs() < 1e-12);
    }
}

/// McNemar's test with whole numbers: twice the ways to get so few heads, over all ways.
fn counted(first: u32, second: u32) -> f64 {
    let (fewer, tosses) = (first.min(second), first + second);
    let mut ways = 1u128;
    let mut sum = 1u128;
    for place in 0..u128::from(fewer) {
        ways = ways * (u128::from(tosses) - place) / (place + 1);
        sum += ways;
    }
    (2.0 * (sum as f64 / 2f64.powi(tosses as i32))).min(1.0)
}

#[test]
fn mcnemars_test_gives_what_whole_numbers_give_for_thousands_of_pairs() {
    // Worked out with exact fractions: 2 · Σ C(n, k) / 2ⁿ.
    for (first, second, expected) in [
        (0, 0, 1.0),
        (5, 0, 0.0625),
        (1, 8, 0.0390625),
        (16, 6, 0.052478790283203125),
        (121, 59, 4.434449263755176e-06),
        (1900, 2100, 0.0016492663751356998),
        (2000, 2001, 1.0),
    ] {
        let found = Paired { first_only: first, second_only: second, ..Paired::default() }.mcnemar();
        assert!((found - expected).abs() <= 1e-12 * expected, "{first} and {second}: {found}, expected {expected}");
    }
}

#[test]
fn differences_have_the_intervals_that_were_published_for_method_10() {
    // Fagerland, Lydersen, Laake, Statistics in Medicine 33 (2014): airway hyper-responsiveness, complete response.
    let airway = Paired { both: 1, first_only: 1, second_only: 7, neither: 12 }.difference(Z95).unwrap();
    assert_interval(airway.interval, -0.507, -0.026, 5e-4);
    let response = Paired { both: 59, first_only: 6, second_only: 16, neither: 80 }.difference(Z95).unwrap();
    assert_interval(response.interval, -0.119, -0.005, 5e-4);
    assert!((response.value + 10.0 / 161.0).abs() < 1e-15);
}

#[test]
fn runs_that_agree_everywhere_are_not_told_apart() {
    let same = Paired { both: 30, neither: 70, ..Paired::default() };
    let difference = same.difference(Z95).unwrap();
    assert_eq!((same.mcnemar(), difference.value), (1.0, 0.0));
    assert!(difference.interval.low < 0.0 && difference.interval.high > 0.0);
    assert_eq!(Paired::default().difference(Z95), None);
}

fn outcomes(prompts: &[(&str, bool)]) -> BTreeMap<String, bool> {
    prompts.iter().map(|(prompt, hit)| ((*prompt).to_owned(), *hit)).collect()
}

#[test]
fn pairs_are_made_by_prompt_id() {
    let first = outcomes(&[("a", true), ("b", true), ("c", false), ("d", false), ("e", true)]);
    let second = outcomes(&[("e", false), ("d", false), ("c", true), ("b", true), ("a", false)]);
    let expected = Paired { both: 1, first_only: 2, second_only: 1, neither: 1 };
    assert_eq!(Paired::of(&first, &second), Ok(expected));
}

#[test]
fn runs_over_different_prompts_are_not_compared() {
    let first = outcomes(&[("a", true), ("c", true), ("d", true)]);
    let second = outcomes(&[("a", true), ("b", true)]);
    let expected = StatsError::DifferentPrompts { first: 2, second: 1, prompt: "b".into() };
    assert_eq!(Paired::of(&first, &second), Err(expected));
}

#[test]
fn one_number_has_a_mean_without_an_error_and_none_has_no_mean() {
    assert_eq!(Mean::of(&[2.5]), Some(Mean { mean: 2.5, standard_error: None, count: 1 }));
    assert_eq!(Mean::of(&[]), None);
}
