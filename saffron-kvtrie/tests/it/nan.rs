//! NaN stays where it is: in slots that nobody reads, and in the branch that has it. And where a run is cut makes no difference.

use burn::tensor::{Device, Tensor};
use saffron_kvtrie::attention::{PlanKind, PlanOptions};
use saffron_kvtrie::{Extent, Reuse, Want};

use crate::attention::{Bench, combinations, shape};

/// Plans that keep branches apart, for whole contexts and for windows.
fn apart() -> impl Iterator<Item = PlanOptions> {
    let kinds = [PlanKind::Cascade, PlanKind::Gather];
    kinds.into_iter().flat_map(|kind| [None, Some(4)].map(|window| PlanOptions { window, ..PlanOptions::new(kind) }))
}

fn frontier(prompt: &[u32], tails: &[&[u32]]) -> Vec<Vec<u32>> {
    tails.iter().map(|tail| [prompt, tail].concat()).collect()
}

/// Fills every slot but the null row with NaN.
fn poison(bench: &mut Bench) {
    let slots = bench.pools.slots();
    let nan = Tensor::<3>::full([2, slots - 1, 8], f32::NAN, &Device::flex());
    bench.pools.write(0, &[(0, Extent { base: 1, len: slots as u32 - 1 })], &nan, &nan);
}

#[test]
fn nan_in_slots_that_nothing_stored_is_in_has_no_effect() {
    for options in apart() {
        let mut bench = Bench::with(shape(2, 2, 8), options);
        poison(&mut bench);
        let prompt: Vec<u32> = (0..20).collect();
        bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
        // Ragged, so that the shorter are padded.
        let ragged = frontier(&prompt, &[&[1], &[2, 3, 4], &[2, 3, 5, 6]]);
        bench.check(&ragged, Reuse::Cached);
        bench.trie.clear();
        bench.check(&frontier(&[7], &[&[1], &[2, 3], &[4; 9]]), Reuse::Cached);
    }
}

#[test]
fn nan_of_slots_that_were_freed_has_no_effect() {
    for options in apart() {
        let mut bench = Bench::with(shape(2, 2, 8), options);
        bench.poisoned = Some(vec![9]);
        bench.check(&frontier(&[9], &[&[1, 2, 3], &[4, 5], &[6]]), Reuse::Cached);
        bench.trie.clear();
        bench.poisoned = None;
        bench.check(&frontier(&[5], &[&[1], &[2]]), Reuse::Cached);
        bench.check(&frontier(&[5], &[&[1, 1], &[2, 2, 2]]), Reuse::Cached);
    }
}

#[test]
fn nan_in_one_branch_stays_in_it() {
    for options in apart() {
        let mut bench = Bench::with(shape(2, 2, 8), options);
        let prompt: Vec<u32> = (0..12).collect();
        bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
        bench.poisoned = Some([&prompt[..], &[50]].concat());
        bench.check(&frontier(&prompt, &[&[40], &[50], &[60]]), Reuse::Cached);
        bench.check(&frontier(&prompt, &[&[40, 1], &[50, 1, 2], &[60, 1], &[50, 3]]), Reuse::Cached);
        bench.check(&frontier(&prompt, &[&[40, 1, 1], &[60, 1, 2]]), Reuse::Cached);
    }
}

/// Fills the slots of a stored context's first tokens with NaN.
fn poison_first(bench: &mut Bench, context: &[u32], count: u32) {
    let child = [context, &[99]].concat();
    let reservation = bench.trie.reserve(&[Want::keep(&child)], Reuse::Cached).unwrap();
    let mut left = count;
    for extent in &reservation.segments()[0].prefix {
        let len = extent.len.min(left);
        left -= len;
        let nan = Tensor::<3>::full([2, len as usize, 8], f32::NAN, &Device::flex());
        bench.pools.write(0, &[(0, Extent { base: extent.base, len })], &nan, &nan);
    }
    assert_eq!(left, 0, "as many tokens are stored as were asked for");
}

// What no row's window reaches is not read. Where windows of one group or tile begin at different
// tokens, a row multiplies by zero what lies before its own window, as it does what lies after it
// in its piece: 0 · NaN is NaN, but the cascade and gathering do so within a row's own context
// alone.
#[test]
fn nan_before_all_windows_has_no_effect() {
    let prompt: Vec<u32> = (0..40).collect();
    for options in combinations().filter(|options| options.kind != PlanKind::Flat) {
        for tails in [&[&[1][..], &[2], &[3]][..], &[&[1, 2, 3], &[4], &[5, 6]], &[&[1; 5]], &[&[7; 130], &[8]]] {
            let mut bench = Bench::with(shape(2, 2, 8), PlanOptions { window: Some(7), ..options });
            bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
            poison_first(&mut bench, &prompt, 34);
            bench.check(&frontier(&prompt, tails), Reuse::Cached);
        }
    }
}

#[test]
fn a_prompt_attends_alike_wherever_it_is_cut() {
    let prompt: Vec<u32> = (0..14).map(|place| place % 5).collect();
    let windows = |options| [None, Some(3)].map(|window| PlanOptions { window, ..options });
    for options in PlanKind::ALL.into_iter().flat_map(|kind| windows(PlanOptions::new(kind))) {
        for cut in 1..prompt.len() {
            let mut bench = Bench::with(shape(1, 3, 8), options);
            bench.check(&[prompt[..cut].to_vec()], Reuse::Cached);
            bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
            bench.check(&[prompt[..cut].to_vec(), prompt.clone()], Reuse::Cached);
        }
    }
}
