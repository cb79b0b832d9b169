//! Random draws: every result is in range, as likely as it should be, and the recorded one.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_core::random::{LogWeights, below, normal, sample_to_front, shuffle, symmetric_f32, unit, unit_f32};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

proptest! {
    #[test]
    fn numbers_lie_below_their_bound(seed: u64, n in 1usize..=usize::MAX) {
        prop_assert!(below(&mut rng(seed), n) < n);
    }

    #[test]
    fn a_shuffle_keeps_all_items(seed: u64, items in prop::collection::vec(0u8..9, 0..40)) {
        let (mut shuffled, mut sorted) = (items.clone(), items);
        shuffle(&mut rng(seed), &mut shuffled);
        shuffled.sort_unstable();
        sorted.sort_unstable();
        prop_assert_eq!(shuffled, sorted);
    }

    #[test]
    fn a_sample_is_the_beginning_of_a_larger_one(seed: u64, size in 0usize..40, few in 0usize..45, more in 0usize..45) {
        let sample = |count: usize| {
            let mut items: Vec<usize> = (0..size).collect();
            sample_to_front(&mut rng(seed), &mut items, count);
            (items[..count.min(size)].to_vec(), items)
        };
        let ((small, all), (large, _)) = (sample(few.min(more)), sample(few.max(more)));
        prop_assert!(large.starts_with(&small));
        let mut all = all;
        all.sort_unstable();
        prop_assert_eq!(all, (0..size).collect::<Vec<_>>());
    }

    #[test]
    fn fractions_lie_in_their_intervals(seed: u64) {
        let rng = &mut rng(seed);
        prop_assert!((0.0..1.0).contains(&unit(rng)));
        prop_assert!((0.0..1.0).contains(&unit_f32(rng)));
        prop_assert!((-1.0..1.0).contains(&symmetric_f32(rng)));
        prop_assert!(normal(rng).is_finite());
    }

    #[test]
    fn only_options_of_some_weight_are_drawn_and_a_draw_takes_one_number(
        seed: u64,
        weights in prop::collection::vec(prop_oneof![Just(f64::NEG_INFINITY), Just(f64::INFINITY), -900.0..900.0], 0..12),
    ) {
        let (mut drawing, mut other) = (rng(seed), rng(seed));
        let drawn = LogWeights::new(weights.iter().copied()).draw(&mut drawing);
        other.next_u64();
        prop_assert_eq!(drawing, other);
        let heaviest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match drawn {
            Some(place) if heaviest == f64::INFINITY => prop_assert_eq!(weights[place], heaviest),
            Some(place) => prop_assert!(weights[place] > f64::NEG_INFINITY),
            None => prop_assert_eq!(heaviest, f64::NEG_INFINITY),
        }
    }
}

#[test]
fn a_bound_of_zero_counts_as_one() {
    assert_eq!((below(&mut rng(1), 0), below(&mut rng(1), 1)), (0, 0));
}

#[test]
fn all_orders_of_three_are_equally_likely() {
    let (mut rng, mut counts) = (rng(1), std::collections::BTreeMap::new());
    for _ in 0..60_000 {
        let mut items = [0, 1, 2];
        shuffle(&mut rng, &mut items);
        *counts.entry(items).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 6);
    // Four standard deviations of a count of 10,000.
    assert!(counts.values().all(|count| count.abs_diff(10_000) < 366), "{counts:?}");
}

#[test]
fn options_are_drawn_as_often_as_their_weights_say() {
    let (mut rng, mut counts) = (rng(1), [0u32; 4]);
    let weights = LogWeights::new([0.5f64.ln(), f64::NEG_INFINITY, 0.3f64.ln(), 0.2f64.ln()]);
    for _ in 0..100_000 {
        weights.draw(&mut rng).iter().for_each(|place| counts[*place] += 1);
    }
    for (count, share) in counts.iter().zip([0.5, 0.0, 0.3, 0.2]) {
        // Four standard deviations.
        assert!((f64::from(*count) / 1e5 - share).abs() < 4.0 * (0.25f64 / 1e5).sqrt(), "{counts:?}");
    }
}

#[test]
fn normal_numbers_have_mean_0_and_variance_1() {
    let mut rng = rng(1);
    let numbers: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
    let mean = numbers.iter().sum::<f64>() / 1e5;
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 1e5;
    assert!(mean.abs() < 4.0 / 1e5f64.sqrt(), "{mean}");
    assert!((variance - 1.0).abs() < 4.0 * (2.0 / 1e5f64).sqrt(), "{variance}");
}

/// What searches, trainings and samples were recorded with: computed from the numbers of ChaCha8 by
/// the formulas that these functions replaced.
#[test]
fn draws_are_the_recorded_ones() {
    let mut numbers = rng(7);
    let mut next = || numbers.next_u64();
    let (first, second) = (next(), next());
    let drawn = &mut rng(7);
    assert_eq!((below(drawn, 10), below(drawn, 3)), ((first % 10) as usize, (second % 3) as usize));
    assert_eq!(unit(&mut rng(7)).to_bits(), ((first >> 11) as f64 / 9_007_199_254_740_992.0).to_bits());
    let word = rng(7).next_u32();
    assert_eq!(unit_f32(&mut rng(7)).to_bits(), ((word >> 8) as f32 / 16_777_216.0).to_bits());
    assert_eq!(symmetric_f32(&mut rng(7)).to_bits(), ((word >> 8) as f32 / 8_388_608.0 - 1.0).to_bits());
    let mut items = [0, 1, 2];
    shuffle(&mut rng(7), &mut items);
    let mut expected = [0, 1, 2];
    expected.swap(2, (first % 3) as usize);
    expected.swap(1, (second % 2) as usize);
    assert_eq!(items, expected);
    let mut items = [0, 1, 2];
    sample_to_front(&mut rng(7), &mut items, 2);
    let mut expected = [0, 1, 2];
    expected.swap(0, (first % 3) as usize);
    expected.swap(1, 1 + (second % 2) as usize);
    assert_eq!(items, expected);
}
