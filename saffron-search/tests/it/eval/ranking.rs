//! The area under the curve and its interval against every pair counted, and over many samples.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_search::eval::stats::{Auroc, Classification, ClassificationSettings, Scored, Z95};

fn auroc(scored: &[Scored]) -> Option<Auroc> {
    Classification::of(scored, &ClassificationSettings::default()).unwrap().auroc
}

/// Whether a safe score beats an unsafe one; equal ones half.
fn beats(safe: f64, not_safe: f64) -> f64 {
    if safe > not_safe {
        1.0
    } else if safe == not_safe {
        0.5
    } else {
        0.0
    }
}

fn classes(scored: &[Scored]) -> (Vec<f64>, Vec<f64>) {
    let (safe, not_safe): (Vec<Scored>, Vec<Scored>) = scored.iter().partition(|(_, safe)| *safe);
    let scores = |answers: Vec<Scored>| answers.into_iter().map(|(score, _)| score).collect();
    (scores(safe), scores(not_safe))
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// Sample variance over the count.
fn variance_of_mean(numbers: &[f64]) -> f64 {
    let (mean, count) = (mean(numbers), numbers.len() as f64);
    numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / (count - 1.0) / count
}

/// The area and DeLong's variance of it from every pair: the placements of each class's answers among the other's.
fn from_pairs(scored: &[Scored]) -> (f64, f64) {
    let (safe, not_safe) = classes(scored);
    let of_safe: Vec<f64> =
        safe.iter().map(|one| mean(&not_safe.iter().map(|other| beats(*one, *other)).collect::<Vec<_>>())).collect();
    let of_unsafe: Vec<f64> =
        not_safe.iter().map(|other| mean(&safe.iter().map(|one| beats(*one, *other)).collect::<Vec<_>>())).collect();
    (mean(&of_safe), variance_of_mean(&of_safe) + variance_of_mean(&of_unsafe))
}

#[test]
fn a_small_case_is_what_a_hand_works_out() {
    // Safe 1 and 3, unsafe 0 and 2: placements 1/2 and 1 both ways, each class's mean with a variance of 1/16.
    let found = auroc(&[(1.0, true), (3.0, true), (0.0, false), (2.0, false)]).unwrap();
    let error = 0.125f64.sqrt();
    assert_eq!(found.value, 0.75);
    assert!((found.standard_error.unwrap() - error).abs() < 1e-15);
    let interval = found.interval.unwrap();
    assert!((interval.low - (0.75 - Z95 * error)).abs() < 1e-15);
    assert_eq!(interval.high, 1.0);
}

#[test]
fn equal_scores_count_half_and_infinite_ones_rank() {
    let equal = [(1.0, true), (1.0, false), (0.0, true), (-0.0, false), (-1.0, false)];
    assert_eq!(auroc(&equal).unwrap().value, (0.5 + 1.0 + 1.0 + 0.0 + 0.5 + 1.0) / 6.0);
    let ends = [(f64::INFINITY, true), (f64::NEG_INFINITY, false), (f64::INFINITY, false), (0.0, true)];
    assert_eq!(auroc(&ends).unwrap().value, (1.0 + 0.5 + 1.0 + 0.0) / 4.0);
}

#[test]
fn an_interval_holds_the_true_area_about_as_often_as_it_says() {
    // Exponential scores of rates 1 and 3: a safe one is above an unsafe one in 3 cases of 4.
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut exponential = |rate: f64| -((f64::from(rng.next_u32()) + 0.5) / 2f64.powi(32)).ln() / rate;
    let mut held = || {
        let safe: Vec<Scored> = (0..80).map(|_| (exponential(1.0), true)).collect();
        let not_safe = (0..120).map(|_| (exponential(3.0), false));
        let scored: Vec<Scored> = safe.into_iter().chain(not_safe).collect();
        let interval = auroc(&scored).unwrap().interval.unwrap();
        (interval.low..=interval.high).contains(&0.75)
    };
    let hits = (0..1000).filter(|_| held()).count();
    // Three standard deviations of a binomial share about 95 %, and a little for the normal approximation.
    assert!((925..=975).contains(&hits), "{hits} of 1000");
}

/// Few different scores, so that many are equal.
fn scored() -> impl Strategy<Value = Vec<Scored>> {
    let answers = proptest::collection::vec((-6i8..6, any::<bool>()), 0..60);
    let both = [(1, true), (0, true), (1, false), (2, false)];
    answers.prop_map(move |answers| {
        answers.into_iter().chain(both).map(|(score, safe)| (f64::from(score) / 2.0, safe)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn area_and_error_are_those_of_all_pairs(scored in scored()) {
        let found = auroc(&scored).unwrap();
        let (area, variance) = from_pairs(&scored);
        prop_assert!((found.value - area).abs() < 1e-12);
        prop_assert!((found.standard_error.unwrap().powi(2) - variance).abs() < 1e-12);
        let interval = found.interval.unwrap();
        prop_assert!((interval.low - (area - Z95 * variance.sqrt()).max(0.0)).abs() < 1e-9);
        prop_assert!((interval.high - (area + Z95 * variance.sqrt()).min(1.0)).abs() < 1e-9);
    }

    #[test]
    fn a_monotone_map_changes_nothing_and_the_order_of_answers_neither(scored in scored()) {
        let mapped: Vec<Scored> = scored.iter().rev().map(|(score, safe)| (score.powi(3) + score.exp(), *safe)).collect();
        prop_assert_eq!(auroc(&scored), auroc(&mapped));
    }

    #[test]
    fn scores_turned_round_give_the_rest(scored in scored()) {
        let turned: Vec<Scored> = scored.iter().map(|(score, safe)| (-score, *safe)).collect();
        let (one, other) = (auroc(&scored).unwrap(), auroc(&turned).unwrap());
        prop_assert!((one.value + other.value - 1.0).abs() < 1e-12);
        prop_assert!((one.standard_error.unwrap() - other.standard_error.unwrap()).abs() < 1e-12);
    }
}
