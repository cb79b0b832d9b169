//! What held-out outputs are worth, on outputs made by hand.

use saffron_train::objective::guard::{GuardBatch, GuardExample, GuardReport};
use saffron_train::{Objective, TrainError};

use super::{labelled, objective, pair};
use crate::network;

fn batch(examples: &[GuardExample]) -> GuardBatch {
    objective().batch(&examples.iter().collect::<Vec<_>>(), network("tiny-a").model()).unwrap()
}

fn report(seen: &[(GuardBatch, Vec<f32>)]) -> GuardReport {
    objective().report(seen).unwrap()
}

#[test]
fn outputs_are_told_apart_by_what_they_are_of() {
    let (safe, not_safe) = (batch(&[labelled(true)]), batch(&[labelled(false), pair()]));
    // Cuts of the safe reply: 2, 3, whole. Of the unsafe one: 1, whole. Of the pair: 2 and whole, better first.
    let seen = [(safe, vec![-1.0, 2.0, 3.0]), (not_safe, vec![0.5, -2.0, 1.0, 0.25, 3.0, -0.5])];
    let found = report(&seen);
    let (whole, prefixes) = (found.whole.as_ref().unwrap(), found.prefixes.as_ref().unwrap());
    assert_eq!((whole.n, whole.positives, whole.accuracy.hits()), (2, 1, 2));
    assert_eq!(whole.auroc.map(|auroc| auroc.value), Some(1.0));
    assert_eq!((prefixes.n, prefixes.positives, prefixes.accuracy.hits()), (3, 2, 1));
    assert_eq!(prefixes.auroc.map(|auroc| auroc.value), Some(0.5));
    assert_eq!((found.pairs.hits(), found.pairs.of()), (1, 1), "only whole replies are compared");
    let softplus = |value: f64| value.exp().ln_1p();
    // What each term's reward ought to exceed, less what it is.
    let terms = [1.0, -2.0, -3.0, 0.5, -2.0, 2.0, -0.75];
    let expected = terms.map(softplus).iter().sum::<f64>() / 7.0;
    assert!((found.loss - expected).abs() < 1e-12, "{} for {expected}", found.loss);
    assert_eq!(objective().score(&found).to_bits(), found.loss.to_bits());
}

#[test]
fn what_is_not_there_is_not_reported() {
    let pairs = report(&[(batch(&[pair()]), vec![0.0, 0.0, 0.0, 0.0])]);
    assert!(pairs.whole.is_none() && pairs.prefixes.is_none());
    assert_eq!((pairs.pairs.hits(), pairs.pairs.of()), (0, 1), "a draw is not won");
    assert!((pairs.loss - 2.0f64.ln()).abs() < 1e-12);
    let certain = report(&[(batch(&[labelled(false)]), vec![90.0, 800.0])]);
    assert_eq!(certain.pairs.of(), 0);
    assert!((certain.loss - 445.0).abs() < 1e-9, "great losses do not overflow: {}", certain.loss);
    assert!(matches!(objective().report(&[]), Err(TrainError::EmptyBatch)));
    let wrong = [(batch(&[labelled(false)]), vec![f32::NAN, 0.0])];
    assert!(matches!(objective().report(&wrong), Err(TrainError::Metric(_))));
}
