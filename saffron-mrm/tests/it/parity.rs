//! The same numbers as transformers and peft, whatever way they are computed.

use burn::tensor::Device;
use saffron_kvtrie::Reuse;
use saffron_mrm::engine::{Engine, Merge};
use saffron_mrm::{Base, BiasUse, ModelOptions, Mrm, MrmInput};

use crate::fixtures::{MODELS, TOLERANCE, adapted, assert_rows, dir, engine, gap, logits, reference};

fn ways() -> Vec<ModelOptions> {
    crate::fixtures::ways(ModelOptions::default(), 5)
}

#[test]
fn policy_logits_are_those_of_transformers() {
    for model in MODELS {
        let reference = reference(model);
        for options in ways() {
            let mut engine = engine(model, options);
            let what = format!("{model} {options:?}");
            assert_rows(&logits(&mut engine, &reference.sequences), &reference.logits, &what);
            // Once more: everything is cached now, or nothing is.
            assert_rows(&logits(&mut engine, &reference.sequences), &reference.logits, &what);
        }
    }
}

#[test]
fn rewards_are_those_of_peft() {
    for model in MODELS {
        let reference = reference(model);
        for options in ways() {
            let base = Mrm::builder(dir(model).join("guard"), &Device::flex(), options).unwrap();
            let mut mrm = base.with_adapter(dir(model).join("mrm")).unwrap();
            let found = mrm.raw_rewards(&reference.sequences).unwrap();
            assert_rows(&found, &reference.rewards, &format!("{model} {options:?}"));
        }
    }
}

#[test]
fn an_adapter_beside_the_weights_gives_what_a_merged_one_gives() {
    for model in MODELS {
        let reference = reference(model);
        let mut beside = adapted(model, ModelOptions::default(), Merge::Beside);
        let mut merged = adapted(model, ModelOptions::default(), Merge::IntoWeights);
        let (beside, merged) = (logits(&mut beside, &reference.sequences), logits(&mut merged, &reference.sequences));
        assert_rows(&beside, &merged, model);
    }
}

#[test]
fn models_on_one_base_do_not_disturb_each_other() {
    let reference = reference("tiny-a");
    let options = ModelOptions::default();
    let base = Base::open(dir("tiny-a").join("guard"), &Device::flex(), options.dtype).unwrap();
    let plain = logits(&mut Engine::new(base.decoder().clone(), options).unwrap(), &reference.sequences);
    // Merging an adapter into one of them leaves the others as they were.
    let mut mrm = Mrm::on(&base, options).unwrap().with_adapter(dir("tiny-a").join("mrm")).unwrap();
    assert_rows(&mrm.raw_rewards(&reference.sequences).unwrap(), &reference.rewards, "rewards on a shared base");
    let again = logits(&mut Engine::new(base.decoder().clone(), options).unwrap(), &reference.sequences);
    assert_eq!(again, plain);
}

#[test]
fn the_bias_counts_only_when_it_is_to() {
    let reference = reference("tiny-a");
    let open = |bias| {
        let base = Mrm::builder(dir("tiny-a").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
        base.with_adapter(dir("tiny-a").join("mrm")).unwrap().with_input(MrmInput { bias, ..MrmInput::paper() })
    };
    let with = open(BiasUse::Added).raw_rewards(&reference.sequences).unwrap();
    let without = open(BiasUse::LeftOut).raw_rewards(&reference.sequences).unwrap();
    let bias = &open(BiasUse::Added).head().bias.clone();
    assert!(bias.iter().any(|value| value.abs() > 1e-3), "the fixture's bias is not zero");
    for (with, without) in with.iter().zip(&without) {
        for (token, bias) in bias.iter().enumerate() {
            assert!((with[token] - without[token] - bias).abs() < 1e-4);
        }
    }
}

#[test]
fn a_prompt_may_be_split_anywhere() {
    for model in MODELS {
        let reference = reference(model);
        let longest = reference.sequences.iter().zip(&reference.logits).max_by_key(|(tokens, _)| tokens.len());
        let (tokens, expected) = longest.unwrap();
        for cut in 1..tokens.len() {
            let mut engine = engine(model, ModelOptions::default());
            logits(&mut engine, &[tokens[..cut].to_vec()]);
            let found = logits(&mut engine, std::slice::from_ref(tokens));
            assert!(gap(&found[0], expected) < TOLERANCE, "{model} cut after {cut}");
        }
    }
}

/// Group > 1, several new tokens behind a cached prefix: causality must count rows, not folded query rows.
#[test]
fn a_folded_prefill_behind_a_cached_prefix_is_causal() {
    let model = "tiny-b";
    let reference = reference(model);
    let config = engine(model, ModelOptions::default()).decoder().config().clone();
    assert!(config.group() > 1, "the fixture folds query heads");
    for (tokens, expected) in reference.sequences.iter().zip(&reference.logits) {
        for cached in [1, 2, tokens.len() - 2] {
            let mut engine = engine(model, ModelOptions::default());
            logits(&mut engine, &[tokens[..cached].to_vec()]);
            let found = logits(&mut engine, std::slice::from_ref(tokens));
            assert!(gap(&found[0], expected) < TOLERANCE, "{} tokens behind {cached}", tokens.len() - cached);
        }
    }
}

/// A frontier whose members differ in cached length and in the number of new tokens, some of them many.
#[test]
fn ragged_batches_give_what_one_by_one_gives() {
    for model in MODELS {
        let stem: Vec<u32> = (0..40).map(|i| (i * 7 + 3) % 90).collect();
        let contexts: Vec<Vec<u32>> = [(40, 0), (12, 1), (12, 3), (30, 2), (5, 20), (40, 1), (1, 9)]
            .iter()
            .enumerate()
            .map(|(place, (kept, new))| {
                let tail = (0..*new).map(|i| (place * 11 + i * 5 + 1) as u32 % 90);
                stem[..*kept].iter().copied().chain(tail).collect()
            })
            .collect();
        let mut cold = engine(model, ModelOptions { reuse: Reuse::Nothing, max_batch: 1, ..ModelOptions::default() });
        let expected = logits(&mut cold, &contexts);
        let mut batched = engine(model, ModelOptions::default());
        logits(&mut batched, &[stem[..33].to_vec()]);
        assert_rows(&logits(&mut batched, &contexts), &expected, model);
    }
}

#[test]
fn equal_contexts_of_a_call_get_the_same_bits() {
    let tokens = reference("tiny-b").sequences[0].clone();
    let mut engine = engine("tiny-b", ModelOptions { reuse: Reuse::Nothing, ..ModelOptions::default() });
    let rows = logits(&mut engine, &[tokens.clone(), vec![5, 6], tokens]);
    assert_eq!(rows[0], rows[2]);
}

#[test]
fn an_evicted_cache_changes_nothing() {
    let reference = reference("tiny-a");
    let bytes = 128 * 2 * 2 * 2 * 16 * 4; // 128 tokens of 2 layers, 2 key heads of 16, float32
    let mut engine = engine("tiny-a", ModelOptions { cache_bytes: bytes, max_batch: 1, ..ModelOptions::default() });
    for _ in 0..3 {
        assert_rows(&logits(&mut engine, &reference.sequences), &reference.logits, "small cache");
        let other: Vec<u32> = (0..40).map(|i| (i * 13 + 5) % 100).collect();
        logits(&mut engine, &[other]);
    }
    assert!(engine.cache_stats().tokens_evicted > 0);
    assert!(engine.pools().bytes() <= bytes);
}

#[test]
fn a_cache_budget_beyond_any_memory_costs_what_is_used() {
    let reference = reference("tiny-b");
    for bytes in [100_000_000 << 20, u64::MAX] {
        let mut engine = engine("tiny-b", ModelOptions { cache_bytes: bytes, ..ModelOptions::default() });
        assert_rows(&logits(&mut engine, &reference.sequences), &reference.logits, "a vast cache");
        assert!(engine.pools().bytes() < 1 << 20, "{}", engine.pools().bytes());
    }
}
