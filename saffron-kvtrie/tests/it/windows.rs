//! Windows and capped scores under every plan, against a dense float64 reference.

use proptest::prelude::*;
use saffron_kvtrie::Reuse;
use saffron_kvtrie::attention::{PlanKind, PlanOptions};

use crate::attention::{Bench, combinations, shape};

/// The last is larger than any context.
const WINDOWS: [usize; 4] = [1, 2, 7, 1000];

const CAPS: [Option<f32>; 2] = [None, Some(5.0)];

/// Every plan with every window and cap.
fn windowed() -> impl Iterator<Item = PlanOptions> {
    let capped = |options: PlanOptions| CAPS.map(|score_cap| PlanOptions { score_cap, ..options });
    let windows = |options: PlanOptions| WINDOWS.map(|window| PlanOptions { window: Some(window), ..options });
    combinations().flat_map(windows).flat_map(capped)
}

/// Batches of every kind, one after the other, with tokens forgotten in between. Returns all
/// outputs.
fn batches(bench: &mut Bench) -> Vec<f32> {
    let prompt: Vec<u32> = (0..40).map(|token| token % 11).collect();
    let with = |tail: &[u32]| [&prompt[..], tail].concat();
    let mut outputs = Vec::new();
    let mut check = |bench: &mut Bench, contexts: &[Vec<u32>]| {
        outputs.extend(bench.check(contexts, Reuse::Cached).output);
    };
    check(bench, &[prompt[..1].to_vec()]); // one row, nothing before it
    check(bench, std::slice::from_ref(&prompt)); // a prefill, several windows long
    check(bench, &[with(&[1]), with(&[2]), with(&[3])]); // a frontier at one depth
    check(bench, &[with(&[1, 5]), with(&[1, 6]), with(&[3, 5])]); // its children
    check(bench, &[with(&[1, 5, 4, 4]), with(&[2, 9]), [&prompt[..9], &[7, 7, 7]].concat()]); // several depths
    check(bench, &[with(&[1, 5]), with(&[1, 6, 2])]); // one stored whole, one not
    check(bench, &[with(&[9; 150]), with(&[8; 12]), with(&[3, 5, 1]), with(&[2, 1])]); // long ones in pieces
    bench.trie.evict(100);
    check(bench, &[with(&[9; 90]), with(&[2, 1, 1]), vec![50, 51], vec![60]]); // rows of forgotten tokens used again
    bench.trie.clear();
    check(bench, &[(100..175).collect(), (100..130).chain([9]).collect()]);
    check(bench, &[(100..175).chain([1]).collect(), (100..130).chain([9, 1]).collect()]);
    assert_eq!(bench.pools.copied_writes(), 0, "writes are in place");
    outputs
}

#[test]
fn every_plan_sees_its_window_and_no_more() {
    for options in windowed() {
        for (kv_heads, group, head_dim) in [(1, 3, 6), (2, 1, 16)] {
            batches(&mut Bench::with(shape(kv_heads, group, head_dim), options));
        }
    }
}

#[test]
fn wide_heads_and_groups_are_capped_as_narrow_ones() {
    for (kv_heads, group, head_dim) in [(1, 8, 64), (1, 4, 20), (1, 20, 8)] {
        for kind in [PlanKind::Tiles, PlanKind::Cascade] {
            let options = PlanOptions { window: Some(30), score_cap: Some(1.5), ..PlanOptions::new(kind) };
            batches(&mut Bench::with(shape(kv_heads, group, head_dim), options));
        }
    }
}

#[test]
fn a_window_wider_than_the_context_changes_no_bit() {
    let bits = |options| batches(&mut Bench::with(shape(1, 3, 6), options)).into_iter().map(f32::to_bits).collect();
    for options in combinations() {
        let (whole, wide): (Vec<u32>, Vec<u32>) = (bits(options), bits(PlanOptions { window: Some(1000), ..options }));
        assert_eq!(whole, wide, "{options:?}");
    }
}

#[test]
fn a_window_of_zero_is_one_of_one() {
    for options in combinations() {
        let outputs =
            |window| batches(&mut Bench::with(shape(1, 2, 6), PlanOptions { window: Some(window), ..options }));
        assert_eq!(outputs(0), outputs(1), "{options:?}");
    }
}

#[test]
fn what_is_no_cap_gives_nan() {
    for options in combinations() {
        for cap in [0.0, -5.0, f32::INFINITY, f32::NAN] {
            let mut bench = Bench::with(shape(1, 2, 6), PlanOptions { score_cap: Some(cap), ..options });
            bench.attend(&[vec![1, 2, 3]], Reuse::Cached);
            let output = bench.attend(&[vec![1, 2, 3, 4], vec![1, 2, 3, 5]], Reuse::Cached).output;
            assert!(output.iter().all(|number| number.is_nan()), "{options:?}, cap {cap}: {output:?}");
        }
    }
}

/// Contexts that share the beginning of one long sequence, each for a length of its own.
fn contexts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    let context = (0..90usize, prop::collection::vec(0..3u32, 1..14));
    let whole = |(shared, tail): (usize, Vec<u32>)| (0..shared as u32).map(|token| token % 5).chain(tail).collect();
    prop::collection::vec(context.prop_map(whole), 1..5).prop_map(|mut contexts: Vec<Vec<u32>>| {
        contexts.sort();
        contexts.dedup();
        contexts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_batches_see_their_windows(
        steps in prop::collection::vec((contexts(), 0..60usize), 1..5),
        group in 1..4usize,
        options in prop::sample::select(windowed().collect::<Vec<_>>()),
    ) {
        let mut bench = Bench::with(shape(1, group, 4), options);
        for (contexts, forgotten) in steps {
            bench.check(&contexts, Reuse::Cached);
            bench.trie.evict(forgotten);
        }
    }
}
