//! Recorded searches of the reference implementation, reproduced level by level on `flex`, however they are computed.

use burn::tensor::Device;
use saffron_kvtrie::Reuse;
use saffron_kvtrie::attention::{Buckets, PlanKind};
use saffron_mrm::ModelOptions;

use crate::replay::{CASES, Counts, case_file, replay, replay_within};

fn prompts(name: &str) -> Vec<usize> {
    (0..case_file(name).cases.len()).collect()
}

fn in_order(name: &str, options: ModelOptions) -> Counts {
    let counts = replay(name, &Device::flex(), options, &prompts(name));
    assert_eq!(counts.copied_writes, 0, "{name}: writes are in place");
    counts
}

/// Every case under every attention plan.
fn matrix(mut check: impl FnMut(&str, PlanKind)) {
    CASES.iter().for_each(|name| PlanKind::ALL.into_iter().for_each(|kind| check(name, kind)));
}

fn planned(kind: PlanKind) -> ModelOptions {
    ModelOptions { attention: Some(kind), ..ModelOptions::default() }
}

/// Bytes for policy and reward model that are just enough for one of the longest contexts: those of a step together do not fit.
fn scarce(name: &str) -> [u64; 2] {
    let file = case_file(name);
    let mut models = file.open_models(&crate::fixtures(), &Device::flex(), ModelOptions::default()).unwrap();
    let prompt = file.cases.iter().map(|case| case.policy_context.len()).max().unwrap_or(0);
    let tokens = (prompt + file.max_new_tokens) as u64 * 5 / 4 + 16;
    [models.policy.engine(), models.mrm.engine()].map(|engine| tokens * engine.pools().shape().bytes_per_token())
}

/// The cases with a search that alone has more tokens than the scarce caches hold.
const LARGE: [&str; 5] = ["A2", "A3", "A4", "B1", "B3"];

#[test]
fn every_recorded_search_is_reproduced_in_order() {
    for name in CASES {
        in_order(name, ModelOptions::default());
    }
}

#[test]
fn under_every_attention_plan_too() {
    matrix(|name, kind| {
        in_order(name, planned(kind));
    });
}

#[test]
fn with_sizes_rounded_up_too() {
    matrix(|name, kind| {
        in_order(name, ModelOptions { buckets: Some(Buckets::Powers), ..planned(kind) });
    });
}

#[test]
fn without_a_cache_too() {
    for name in CASES {
        let with = in_order(name, ModelOptions::default());
        for kind in PlanKind::ALL {
            let without = in_order(name, ModelOptions { reuse: Reuse::Nothing, ..planned(kind) });
            assert!(without.computed > 2 * with.computed, "{name}: {without:?} beside {with:?}");
        }
    }
}

#[test]
fn with_a_cache_that_forgets_in_the_middle_of_a_search_too() {
    for name in CASES {
        let with = in_order(name, ModelOptions::default());
        assert_eq!(with.evicted, 0, "{name}: an ample cache forgets nothing");
        let (budgets, width) = (scarce(name), case_file(name).width);
        for kind in PlanKind::ALL {
            let scarce = replay_within(name, &Device::flex(), planned(kind), budgets, &prompts(name));
            assert!(scarce.evicted > 0, "{name}: nothing forgotten in {budgets:?} bytes");
            assert!(!LARGE.contains(&name) || scarce.evicted_own > 0, "{name}: forgotten between searches only");
            // What a narrow beam forgets is no longer wanted; a wide one has to compute some of it again.
            let again = scarce.computed.checked_sub(with.computed);
            let least = u64::from(LARGE.contains(&name) && width > 4);
            assert!(again >= Some(least), "{name}: {scarce:?} beside {with:?}");
        }
    }
}

#[test]
fn one_context_at_a_time_and_prompts_in_chunks_too() {
    for options in [
        ModelOptions { max_batch: 1, ..ModelOptions::default() },
        ModelOptions { prefill_chunk: 7, ..ModelOptions::default() },
    ] {
        for name in CASES {
            in_order(name, options);
        }
    }
}

#[test]
fn in_any_order_of_prompts_too() {
    for name in CASES {
        let count = prompts(name).len();
        let backward: Vec<usize> = (0..count).rev().collect();
        let mixed: Vec<usize> = (0..count).map(|place| place * 5 % count).collect();
        for order in [backward, mixed] {
            replay(name, &Device::flex(), ModelOptions::default(), &order);
        }
    }
}
