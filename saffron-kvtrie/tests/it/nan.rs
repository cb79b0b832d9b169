//! NaN stays where it is: in slots that nobody reads, and in the branch that has it. And where a run is cut makes no difference.

use burn::tensor::{Device, Tensor};
use saffron_kvtrie::Extent;
use saffron_kvtrie::Reuse;
use saffron_kvtrie::attention::PlanKind;

use crate::attention::{Bench, shape};

/// Plans that keep branches apart.
const APART: [PlanKind; 2] = [PlanKind::Cascade, PlanKind::Gather];

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
    for kind in APART {
        let mut bench = Bench::new(shape(2, 2, 8), kind);
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
    for kind in APART {
        let mut bench = Bench::new(shape(2, 2, 8), kind);
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
    for kind in APART {
        let mut bench = Bench::new(shape(2, 2, 8), kind);
        let prompt: Vec<u32> = (0..12).collect();
        bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
        bench.poisoned = Some([&prompt[..], &[50]].concat());
        bench.check(&frontier(&prompt, &[&[40], &[50], &[60]]), Reuse::Cached);
        bench.check(&frontier(&prompt, &[&[40, 1], &[50, 1, 2], &[60, 1], &[50, 3]]), Reuse::Cached);
        bench.check(&frontier(&prompt, &[&[40, 1, 1], &[60, 1, 2]]), Reuse::Cached);
    }
}

#[test]
fn a_prompt_attends_alike_wherever_it_is_cut() {
    let prompt: Vec<u32> = (0..14).map(|place| place % 5).collect();
    for kind in PlanKind::ALL {
        for cut in 1..prompt.len() {
            let mut bench = Bench::new(shape(1, 3, 8), kind);
            bench.check(&[prompt[..cut].to_vec()], Reuse::Cached);
            bench.check(std::slice::from_ref(&prompt), Reuse::Cached);
            bench.check(&[prompt[..cut].to_vec(), prompt.clone()], Reuse::Cached);
        }
    }
}
