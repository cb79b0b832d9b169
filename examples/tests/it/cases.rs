//! Recorded searches of the reference implementation, reproduced level by level.

use burn::tensor::Device;
use saffron_examples::cases::{Case, CaseFile, Node};
use saffron_kvtrie::Reuse;
use saffron_kvtrie::attention::PlanKind;
use saffron_mrm::ModelOptions;

const CASES: [&str; 8] = ["A1", "A2", "A3", "A4", "A5", "B1", "B3", "B4"];

fn replay(name: &str, options: ModelOptions, order: impl Fn(usize) -> Vec<usize>) {
    let file = CaseFile::read(&crate::fixtures().join(format!("cases/{name}.json"))).unwrap();
    let mut models = file.open_models(&crate::fixtures(), &Device::flex(), options).unwrap();
    for place in order(file.cases.len()) {
        let expected = &file.cases[place];
        let found = file.replay(expected, &mut models).unwrap();
        assert_same(&format!("{name}, prompt {place}, {options:?}"), &found, expected);
    }
}

fn assert_same(what: &str, found: &Case, expected: &Case) {
    assert_eq!(found.policy_context, expected.policy_context, "{what}: context");
    assert_eq!(found.levels.len(), expected.levels.len(), "{what}: number of levels");
    for (level, (found, expected)) in found.levels.iter().zip(&expected.levels).enumerate() {
        let tokens = |nodes: &[Node]| nodes.iter().map(|node| node.tokens.clone()).collect::<Vec<_>>();
        assert_eq!(tokens(found), tokens(expected), "{what}: level {level}");
        for (found, expected) in found.iter().zip(expected) {
            let same = match (found.reward, expected.reward) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-3,
                (found, expected) => found == expected,
            };
            assert!(same, "{what}: level {level}: {found:?} for {expected:?}");
        }
    }
    assert_eq!(found.output, expected.output, "{what}: output");
}

fn forward(count: usize) -> Vec<usize> {
    (0..count).collect()
}

#[test]
fn every_recorded_search_is_reproduced_in_order() {
    CASES.iter().for_each(|name| replay(name, ModelOptions::default(), forward));
}

#[test]
fn without_a_cache_too() {
    let options = ModelOptions { reuse: Reuse::Nothing, ..ModelOptions::default() };
    CASES.iter().for_each(|name| replay(name, options, forward));
}

#[test]
fn one_context_at_a_time_too() {
    let options = ModelOptions { max_batch: 1, ..ModelOptions::default() };
    CASES.iter().for_each(|name| replay(name, options, forward));
}

#[test]
fn in_any_order_of_prompts_too() {
    CASES.iter().for_each(|name| replay(name, ModelOptions::default(), |count| (0..count).rev().collect()));
    CASES.iter().for_each(|name| {
        replay(name, ModelOptions::default(), |count| (0..count).map(|place| place * 5 % count).collect());
    });
}

#[test]
fn under_every_attention_plan_and_with_prompts_in_chunks_too() {
    for kind in PlanKind::ALL {
        let options = ModelOptions { attention: Some(kind), prefill_chunk: 7, ..ModelOptions::default() };
        ["A2", "B3"].iter().for_each(|name| replay(name, options, forward));
    }
}

#[test]
fn with_a_cache_that_must_forget_too() {
    // Room for one step of the widest search and little more.
    let options = ModelOptions { cache_bytes: 1 << 20, ..ModelOptions::default() };
    CASES.iter().for_each(|name| replay(name, options, forward));
}
