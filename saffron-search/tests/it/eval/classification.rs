//! A reward model as a classifier: cases worked out by hand, simulated predictors, and what is refused.

use std::f64::consts::LN_2;
use std::num::NonZeroUsize;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_search::eval::stats::{Classification, ClassificationSettings, MetricError, Scored, Share, Z95};

fn report(scored: &[Scored]) -> Classification {
    Classification::of(scored, &ClassificationSettings::default()).unwrap()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
}

fn share(hits: u64, of: u64) -> Share {
    Share::new(hits, of).unwrap()
}

#[test]
fn a_report_is_what_a_hand_works_out() {
    // Probabilities 3/4, 1/2, 1/2, 1/4.
    let (high, low) = (3f64.ln(), -(3f64.ln()));
    let found = report(&[(high, true), (0.0, true), (0.0, false), (low, true)]);
    assert_eq!((found.n, found.positives, found.accuracy), (4, 3, share(2, 4)));
    assert_eq!((found.sensitivity, found.specificity), (share(2, 3), share(0, 1)));
    assert_near(found.log_loss, ((4.0 / 3.0f64).ln() + 2.0 * LN_2 + 4f64.ln()) / 4.0, 1e-15);
    assert_near(found.brier, (1.0 / 16.0 + 0.5 + 9.0 / 16.0) / 4.0, 1e-15);
    // Bins from 0.2, 0.5 and 0.7 on: gaps 3/4, 0 and 1/4, of one, two and one answers.
    assert_near(found.expected_calibration_error, (0.75 + 0.0 + 0.25) / 4.0, 1e-15);
    assert_eq!((found.best_threshold.at, found.best_threshold.accuracy), (low, share(3, 4)));
}

#[test]
fn bins_have_equal_widths_and_only_those_with_answers_are_there() {
    let settings = ClassificationSettings { bins: NonZeroUsize::new(4).unwrap(), z: Z95 };
    let scored = [(f64::INFINITY, true), (0.0, false), (0.1, true), (0.2, true), (f64::NEG_INFINITY, false)];
    let bins = Classification::of(&scored, &settings).unwrap().reliability;
    let ranges: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.low, bin.high)).collect();
    assert_eq!(ranges, [(0.0, 0.25), (0.5, 0.75), (0.75, 1.0)]);
    assert_eq!((bins[0].predicted, bins[2].predicted), (0.0, 1.0));
    assert_eq!((bins[1].safe, bins[1].interval), (share(2, 3), share(2, 3).wilson(Z95)));
    let probability = |score: f64| 1.0 / (1.0 + (-score).exp());
    assert_near(bins[1].predicted, (0.5 + probability(0.1) + probability(0.2)) / 3.0, 1e-15);
}

#[test]
fn a_score_of_nought_says_safe() {
    let found = report(&[(0.0, true), (-0.0, true), (-f64::MIN_POSITIVE, true)]);
    assert_eq!((found.accuracy, found.specificity), (share(2, 3), share(0, 0)));
}

#[test]
fn great_scores_lose_neither_digits_nor_finiteness() {
    let right = report(&[(50.0, true), (-50.0, false)]);
    assert_near(right.log_loss / (-50f64).exp(), 1.0, 1e-12);
    assert_near(right.brier / (-100f64).exp(), 1.0, 1e-12);
    let wrong = report(&[(1e300, false), (-1e300, true)]);
    assert_eq!((wrong.log_loss, wrong.brier, wrong.expected_calibration_error), (1e300, 1.0, 1.0));
}

#[test]
fn infinite_scores_lose_nothing_when_right_and_everything_when_wrong() {
    let certain = [(f64::INFINITY, true), (f64::NEG_INFINITY, false)];
    assert_eq!((report(&certain).log_loss, report(&certain).brier), (0.0, 0.0));
    let wrong = report(&[(f64::INFINITY, false), (1.0, true)]);
    assert_eq!(wrong.log_loss, f64::INFINITY);
    assert!(wrong.brier < 0.6);
}

#[test]
fn the_best_threshold_is_the_lowest_of_equals_and_may_call_all_or_none_safe() {
    let best = |scored: &[Scored]| report(scored).best_threshold;
    let parted = best(&[(3.0, true), (1.0, false), (2.0, true), (-1.0, false)]);
    assert_eq!((parted.at, parted.accuracy), (2.0, share(4, 4)));
    assert_eq!(best(&[(1.0, true), (2.0, false), (3.0, true)]).at, 1.0);
    assert_eq!(best(&[(1.0, true), (2.0, true)]).at, 1.0);
    let none = best(&[(1.0, false), (2.0, false)]);
    assert_eq!((none.at, none.accuracy), (f64::INFINITY, share(2, 2)));
}

#[test]
fn no_threshold_gets_more_right_than_the_best() {
    let scored = simulated(300, 1.0, 5);
    let best = report(&scored).best_threshold;
    let right = |at: f64| scored.iter().filter(|(score, safe)| (*score >= at) == *safe).count() as u64;
    let thresholds = scored.iter().map(|(score, _)| *score).chain([f64::INFINITY]);
    assert_eq!(thresholds.map(right).max(), Some(best.accuracy.hits()));
    assert_eq!(right(best.at), best.accuracy.hits());
}

#[test]
fn what_is_infinite_is_written_by_its_name_and_read_back() {
    let scored = [(f64::INFINITY, false), (f64::NEG_INFINITY, true), (0.3, false)];
    let found = report(&scored);
    let text = serde_json::to_string(&found).unwrap();
    assert!(text.contains(r#""log_loss":"inf""#) && !text.contains("NaN"), "{text}");
    assert_eq!(serde_json::from_str::<Classification>(&text).unwrap(), found);
    let strange = text.replace(r#""log_loss":"inf""#, r#""log_loss":"much""#);
    let error = serde_json::from_str::<Classification>(&strange).unwrap_err().to_string();
    assert!(error.contains("\"much\""), "{error}");
}

#[test]
fn one_class_has_no_ranking_and_one_answer_of_a_class_no_error_of_it() {
    assert_eq!(report(&[(1.0, true), (2.0, true)]).auroc, None);
    let auroc = report(&[(1.0, true), (2.0, true), (0.0, false)]).auroc.unwrap();
    assert_eq!((auroc.value, auroc.standard_error, auroc.interval), (1.0, None, None));
    assert!(serde_json::to_value(report(&[(1.0, true)])).unwrap()["auroc"].is_null());
}

#[test]
fn groups_are_reported_as_if_each_were_alone() {
    let answers = [("b", (1.0, true)), ("a", (0.5, true)), ("b", (-1.0, false)), ("a", (-0.5, true))];
    let groups = Classification::by_group(&answers, &ClassificationSettings::default()).unwrap();
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(groups["a"], report(&[(0.5, true), (-0.5, true)]));
    assert_eq!(groups["b"], report(&[(1.0, true), (-1.0, false)]));
    assert_eq!((groups["a"].auroc, groups["b"].auroc.map(|auroc| auroc.value)), (None, Some(1.0)));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let settings = ClassificationSettings::default();
    assert_eq!(Classification::of(&[], &settings), Err(MetricError::Empty));
    assert_eq!(Classification::by_group(&[], &settings), Err(MetricError::Empty));
    let answers = [("a", (1.0, true)), ("b", (f64::NAN, true))];
    let error = Classification::by_group(&answers, &settings).unwrap_err();
    assert_eq!(error.to_string(), "the score of answer 1 is NaN, not a number to measure");
    for z in [0.0, -1.0, f64::INFINITY] {
        let refused = Classification::of(&[(1.0, true)], &ClassificationSettings { z, ..settings });
        assert_eq!(refused, Err(MetricError::Deviations { found: z }));
    }
}

/// Answers that are safe as often as σ(score) says; the scores are then told `confidence` times too high.
fn simulated(answers: usize, confidence: f64, seed: u64) -> Vec<Scored> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (f64::from(rng.next_u32()) + 0.5) / 2f64.powi(32);
    let mut answer = || {
        let score = 6.0 * uniform() - 3.0;
        (confidence * score, uniform() < 1.0 / (1.0 + (-score).exp()))
    };
    (0..answers).map(|_| answer()).collect()
}

#[test]
fn a_calibrated_predictor_has_a_small_calibration_error_and_an_overconfident_one_a_large() {
    let calibrated = report(&simulated(20_000, 1.0, 1));
    assert!(calibrated.expected_calibration_error < 0.015, "{}", calibrated.expected_calibration_error);
    let covered =
        calibrated.reliability.iter().filter(|bin| (bin.interval.low..=bin.interval.high).contains(&bin.predicted));
    assert!(covered.count() >= 8);
    let overconfident = report(&simulated(20_000, 4.0, 1));
    assert!(overconfident.expected_calibration_error > 0.1, "{}", overconfident.expected_calibration_error);
    // Confidence changes how probable answers are said to be, not how they are ranked or called.
    assert_eq!((overconfident.auroc, overconfident.accuracy), (calibrated.auroc, calibrated.accuracy));
    assert!(overconfident.log_loss > calibrated.log_loss && overconfident.brier > calibrated.brier);
}
