//! Statistics of questions that repeat, and of judges beside labels, against plain reimplementations.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_core::random::{below, unit};
use saffron_search::eval::stats::{Agreement, Bootstrap, Clusters, Interval, Paired, PairedClusters, Share, Z95, holm};

/// Trials of questions, each under some templates.
fn trials(questions: &[(usize, usize)]) -> Vec<(String, bool)> {
    let of = |(place, (hits, templates)): (usize, &(usize, usize))| {
        (0..*templates).map(|template| (format!("q{place:03}"), template < *hits)).collect::<Vec<_>>()
    };
    questions.iter().enumerate().flat_map(of).collect()
}

fn clusters(trials: &[(String, bool)]) -> Clusters {
    Clusters::of(trials.iter().map(|(question, hit)| (&question[..], *hit)))
}

/// The bootstrap over questions, by lists of trials.
fn plainly(questions: &[(usize, usize)], settings: &Bootstrap) -> Interval {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut shares: Vec<f64> = (0..settings.resamples)
        .map(|_| {
            let mut all = Vec::new();
            for _ in questions {
                let (hits, templates) = questions[below(&mut rng, questions.len())];
                all.extend((0..templates).map(|template| template < hits));
            }
            all.iter().filter(|hit| **hit).count() as f64 / all.len() as f64
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (shares.len() - 1) as f64;
        let weight = place - place.floor();
        shares[place.floor() as usize] * (1.0 - weight) + shares[place.ceil() as usize] * weight
    };
    Interval { low: at(0.025), high: at(0.975) }
}

#[test]
fn five_questions_under_forty_templates_are_not_two_hundred() {
    let questions = [(40, 40), (33, 40), (2, 40), (0, 40), (7, 40)];
    let trials = trials(&questions);
    let (clusters, settings) = (clusters(&trials), Bootstrap::default());
    assert_eq!((clusters.count(), clusters.share()), (5, Share::new(82, 200).unwrap()));
    let (found, expected) = (clusters.interval(&settings), plainly(&questions, &settings));
    assert!((found.low - expected.low).abs() < 1e-12 && (found.high - expected.high).abs() < 1e-12, "{found:?}");
    let wilson = clusters.share().wilson(Z95);
    assert!(found.high - found.low > 4.0 * (wilson.high - wilson.low), "{found:?} {wilson:?}");
    assert_eq!(clusters.interval(&settings), found, "the same seed, the same interval");
    assert_ne!(clusters.interval(&Bootstrap { seed: 1, ..settings }), found);
}

#[test]
fn questions_that_do_not_repeat_have_wilsons_interval() {
    let trials = trials(&[(1, 1), (0, 1), (0, 1), (1, 1), (0, 1)]);
    assert_eq!(clusters(&trials).interval(&Bootstrap::default()), Share::new(2, 5).unwrap().wilson(Z95));
}

#[test]
fn no_hit_under_any_template_is_no_certainty() {
    let trials = trials(&[(0, 40); 5]);
    assert_eq!(clusters(&trials).interval(&Bootstrap::default()), Share::new(0, 5).unwrap().wilson(Z95));
    assert_eq!(Clusters::default().interval(&Bootstrap::default()), Interval { low: 0.0, high: 1.0 });
}

#[test]
fn intervals_over_questions_hold_what_they_should() {
    // 40 questions, each with a share of its own; 20 templates. The mean share is ½.
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut clustered, mut alone) = (0, 0);
    for _ in 0..200 {
        let questions: Vec<(usize, usize)> = (0..40)
            .map(|_| {
                let chance = unit(&mut rng);
                ((0..20).filter(|_| unit(&mut rng) < chance).count(), 20)
            })
            .collect();
        let clusters = clusters(&trials(&questions));
        let holds = |interval: Interval| usize::from(interval.low <= 0.5 && 0.5 <= interval.high);
        clustered += holds(clusters.interval(&Bootstrap { resamples: 400, seed: 0 }));
        alone += holds(clusters.share().wilson(Z95));
    }
    assert!(clustered >= 180, "{clustered} of 200");
    assert!(alone <= 130, "prompts taken one by one promise too much: {alone} of 200");
}

/// Every choice of signs, one after another.
fn all_signs(differences: &[i64]) -> f64 {
    let found = differences.iter().sum::<i64>().abs();
    let signed = |signs: u32| -> i64 {
        let sign = |place: usize| if signs >> place & 1 == 1 { -1 } else { 1 };
        differences.iter().enumerate().map(|(place, size)| sign(place) * size).sum()
    };
    let choices = 1u32 << differences.len();
    f64::from((0..choices).filter(|signs| signed(*signs).abs() >= found).count() as u32) / f64::from(choices)
}

proptest! {
    #[test]
    fn the_sign_flip_test_tries_all_signs(differences in proptest::collection::vec(-6i64..=6, 0..12)) {
        let mut pairs = PairedClusters::default();
        for (place, difference) in differences.iter().enumerate() {
            let question = format!("q{place}");
            // Pairs that agree, or that cancel, change nothing.
            pairs.add(&question, true, true);
            pairs.add(&question, true, false);
            pairs.add(&question, false, true);
            for _ in 0..difference.unsigned_abs() {
                pairs.add(&question, *difference > 0, *difference < 0);
            }
        }
        let expected = all_signs(&differences);
        prop_assert!((pairs.sign_flip() - expected).abs() < 1e-12, "{} {expected}", pairs.sign_flip());
        prop_assert_eq!(pairs.pooled().pairs(), 3 * differences.len() as u64 + differences.iter().map(|size| size.unsigned_abs()).sum::<u64>());
    }

    #[test]
    fn questions_that_do_not_repeat_have_mcnemars_test(first in 0u32..40, second in 0u32..40, both in 0u32..5) {
        let mut pairs = PairedClusters::default();
        let kinds = [(first, true, false), (second, false, true), (both, true, true)];
        for (place, (count, first, second)) in kinds.into_iter().enumerate() {
            (0..count).for_each(|pair| pairs.add(&format!("{place}-{pair}"), first, second));
        }
        let paired = Paired { both, first_only: first, second_only: second, neither: 0 };
        prop_assert!((pairs.sign_flip() - paired.mcnemar()).abs() < 1e-9);
        prop_assert_eq!(pairs.p(), paired.mcnemar());
        prop_assert_eq!(pairs.difference(&Bootstrap::default()), paired.difference(Z95));
    }

    #[test]
    fn holms_p_values_are_those_of_the_step_down_rule(p_values in proptest::collection::vec(0.0f64..=1.0, 0..8), level in 0.001f64..0.5) {
        let adjusted = holm(&p_values);
        let mut order: Vec<usize> = (0..p_values.len()).collect();
        order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
        // The smallest is held against level ÷ m, the next against level ÷ (m − 1), until one fails.
        let mut rejected = vec![false; p_values.len()];
        for (rank, place) in order.iter().enumerate() {
            if p_values[*place] * (p_values.len() - rank) as f64 > level { break }
            rejected[*place] = true;
        }
        let found: Vec<bool> = adjusted.iter().map(|p| *p <= level).collect();
        prop_assert_eq!(found, rejected);
    }
}

#[test]
fn the_difference_over_questions_is_as_wide_as_questions_make_it() {
    let mut pairs = PairedClusters::default();
    for place in 0..200 {
        let question = place % 5;
        pairs.add(&format!("q{question}"), question < 3, question == 4);
    }
    let found = pairs.difference(&Bootstrap::default()).unwrap();
    let alone = pairs.pooled().difference(Z95).unwrap();
    assert!((found.value - 0.4).abs() < 1e-12);
    assert!(found.interval.low < -0.2 && found.interval.high > 0.9, "{found:?}");
    assert!(alone.interval.low > 0.2, "{alone:?}");
    assert_eq!(pairs.p(), all_signs(&[40, 40, 40, -40]));
}

#[test]
fn a_great_many_pairs_cost_little() {
    let mut pairs = PairedClusters::default();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for place in 0..300_000 {
        let hit = rng.next_u32() % 2 == 0;
        pairs.add(&format!("q{}", place % 50), hit, !hit);
    }
    assert!((0.0..=1.0).contains(&pairs.sign_flip()));
}

#[test]
fn a_corrected_share_holds_the_true_one() {
    // A judge that misses 15 % of what is unsafe and calls 20 % of what is safe unsafe.
    let (sensitivity, specificity, truth) = (0.85, 0.8, 0.1);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut judged = |is_unsafe: bool| {
        let chance = if is_unsafe { sensitivity } else { 1.0 - specificity };
        unit(&mut rng) < chance
    };
    let (mut held, mut raw) = (0, 0);
    for round in 0..100 {
        let agreement = Agreement::of((0..300).map(|place| (judged(place % 3 == 0), place % 3 == 0)));
        let answers: Vec<(String, bool)> =
            (0..400).map(|place| (format!("q{place}"), judged(place % 10 == 0))).collect();
        let apparent = clusters(&answers);
        let corrected = agreement.corrected(&apparent, &Bootstrap { resamples: 400, seed: round }).unwrap();
        let interval = corrected.interval.unwrap();
        assert!(interval.low <= corrected.value && corrected.value <= interval.high, "{corrected:?}");
        held += usize::from(interval.low <= truth && truth <= interval.high);
        let wilson = apparent.share().wilson(Z95);
        raw += usize::from(wilson.low <= truth && truth <= wilson.high);
    }
    assert!(held >= 90, "{held} of 100");
    assert_eq!(raw, 0, "the raw share is far off");
}

#[test]
fn what_no_label_tells_is_not_corrected() {
    let apparent = clusters(&trials(&[(1, 1), (0, 1)]));
    let none = Agreement::default();
    assert_eq!((none.kappa(), none.corrected(&apparent, &Bootstrap::default())), (None, None));
    let only_safe = Agreement { both_safe: 40, ..none };
    assert_eq!((only_safe.kappa(), only_safe.rogan_gladen(0.1)), (None, None));
    let chance = Agreement { both_unsafe: 5, judge_only: 5, label_only: 5, both_safe: 5 };
    assert_eq!((chance.kappa(), chance.rogan_gladen(0.5)), (Some(0.0), None));
    let right = Agreement { both_unsafe: 10, both_safe: 30, ..none };
    assert_eq!((right.kappa(), right.rogan_gladen(0.25)), (Some(1.0), Some(0.25)));
    assert_eq!(right.rogan_gladen(0.0), Some(0.0));
}
