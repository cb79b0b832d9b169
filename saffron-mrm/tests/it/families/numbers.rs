//! Logits and rewards.

use burn::tensor::{DType, Device};
use saffron_core::Run;
use saffron_kvtrie::Reuse;
use saffron_kvtrie::attention::{Buckets, PlanKind};
use saffron_mrm::engine::{Engine, Merge, Outputs, Query};
use saffron_mrm::nn::Decoder;
use saffron_mrm::{LoadError, ModelOptions, Mrm};

use super::{families, within};
use crate::fixtures::{Reference, TOLERANCE, adapted, assert_rows, dir, gap, logits, reference};

/// Options under which a fixture's contexts are admitted: those beyond the original length of its
/// positions are asked for.
pub(crate) fn options(name: &str) -> ModelOptions {
    let max_context = name.ends_with("-long").then_some(128);
    ModelOptions { max_context, ..ModelOptions::default() }
}

fn ways(name: &str) -> Vec<ModelOptions> {
    crate::fixtures::ways(options(name), 7)
}

fn engine(name: &str, options: ModelOptions) -> Engine {
    Engine::open(&dir(&within(name)).join("policy"), &Device::flex(), options).unwrap()
}

fn numbers(name: &str) -> Reference {
    reference(&within(name))
}

#[test]
fn logits_are_those_of_transformers_under_every_plan() {
    for name in families() {
        let reference = numbers(&name);
        for options in ways(&name) {
            let mut engine = engine(&name, options);
            let what = format!("{name} {options:?}");
            assert_rows(&logits(&mut engine, &reference.sequences), &reference.logits, &what);
            // Once more: everything is cached now, or nothing is.
            assert_rows(&logits(&mut engine, &reference.sequences), &reference.logits, &what);
            engine.validate().unwrap();
        }
    }
}

/// Weights and activations of half the width, against the float32 run of the same rounded weights.
///
/// A type whose numbers have `p` bits behind the point rounds each by 2^-(p+1) of itself at most. A
/// value goes through about 16 roundings a block (norm, three projections, rotation, scores,
/// weights, sum, output, residual; norm, two projections, gate, product, residual) and three more
/// around them. They add up as the square root of their number where they are independent; the
/// bound allows four times that, of the largest logit.
#[test]
fn half_precision_is_as_near_as_its_roundings() {
    for name in families() {
        let reference = numbers(&name);
        for (dtype, bits) in [(DType::F16, 10), (DType::BF16, 7)] {
            let mut engine = engine(&name, ModelOptions { dtype, ..options(&name) });
            let blocks = engine.decoder().config().num_hidden_layers;
            let exact = Decoder::from_dir(&dir(&within(&name)).join("policy"), DType::F32, &Device::flex()).unwrap();
            let rounded = exact.map_weights(|weights| weights.cast(dtype).cast(DType::F32));
            let mut rounded = Engine::new(rounded, options(&name)).unwrap();
            let (found, expected) =
                (logits(&mut engine, &reference.sequences), logits(&mut rounded, &reference.sequences));
            let most = 4.0 * ((16 * blocks + 3) as f32).sqrt() * 0.5f32.powi(bits + 1);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(gap(found, expected) < most, "{name} {dtype:?}: {} of {most}", gap(found, expected));
            }
        }
    }
}

#[test]
fn rewards_are_those_of_peft() {
    for name in families() {
        let (reference, dir) = (numbers(&name), dir(&within(&name)));
        for options in ways(&name) {
            let base = Mrm::builder(dir.join("guard"), &Device::flex(), options).unwrap();
            let found = base.with_adapter(dir.join("mrm")).unwrap().raw_rewards(&reference.sequences).unwrap();
            assert_rows(&found, &reference.rewards, &format!("{name} {options:?}"));
        }
    }
}

#[test]
fn an_adapter_beside_the_weights_gives_what_a_merged_one_gives() {
    for name in families() {
        let reference = numbers(&name);
        let rows = |merge| logits(&mut adapted(&within(&name), options(&name), merge), &reference.sequences);
        assert_rows(&rows(Merge::Beside), &rows(Merge::IntoWeights), &name);
    }
}

/// In half precision, too, and at a cost that counts the unembedding's factors once an output.
#[test]
fn an_adapter_of_the_unembedding_stands_beside_it() {
    let (name, run) = ("llama-lm-head", Run::new());
    for (dtype, most) in [(DType::F32, 1e-4), (DType::F16, 2e-2), (DType::BF16, 1e-1)] {
        let options = ModelOptions { dtype, ..options(name) };
        let sequences = numbers(name).sequences;
        let rows = |merge| logits(&mut adapted(&within(name), options, merge), &sequences);
        for (beside, merged) in rows(Merge::Beside).iter().zip(&rows(Merge::IntoWeights)) {
            assert!(gap(beside, merged) < most, "{dtype:?}: {}", gap(beside, merged));
        }
    }
    let cost = |merge, tokens: usize, outputs| {
        let mut engine = adapted(&within(name), options(name), merge);
        let queries = [Query { run: &run, tokens: (0..tokens as u32).collect(), scratch: 0 }];
        engine.last_logits(&queries, outputs).unwrap().work[0].attributed.flops
    };
    let extra = |tokens, outputs| cost(Merge::Beside, tokens, outputs) - cost(Merge::IntoWeights, tokens, outputs);
    // Every further token costs the factors of q_proj in each layer; the first also those of
    // lm_head.
    let (one, two, ten) = (extra(1, Outputs::All), extra(2, Outputs::All), extra(10, Outputs::All));
    assert_eq!(ten - two, 8 * (two - one));
    assert!(one > two - one, "{one} {two}");
    assert!(extra(1, Outputs::Tokens(&[3, 4])) < one);
}

#[test]
fn a_prompt_may_be_cut_anywhere() {
    for name in families() {
        let reference = numbers(&name);
        let longest = reference.sequences.iter().zip(&reference.logits).max_by_key(|(tokens, _)| tokens.len());
        let (tokens, expected) = longest.unwrap();
        for kind in [PlanKind::Tiles, PlanKind::Cascade] {
            for cut in 1..tokens.len() {
                let mut engine = engine(&name, ModelOptions { attention: Some(kind), ..options(&name) });
                logits(&mut engine, &[tokens[..cut].to_vec()]);
                let found = logits(&mut engine, std::slice::from_ref(tokens));
                assert!(gap(&found[0], expected) < TOLERANCE, "{name} cut after {cut}");
            }
        }
    }
}

/// Contexts of the length of several windows, one token after the other, beside branches, in a
/// cache that holds few of them.
#[test]
fn a_cache_that_evicts_in_the_middle_changes_nothing() {
    for name in families() {
        let reference = numbers(&name);
        let config = engine(&name, options(&name)).decoder().config().clone();
        let token = 2 * config.num_hidden_layers * config.key_width() * 4;
        let bytes = (140 * token) as u64;
        let scarce = ModelOptions { cache_bytes: bytes, max_batch: 1, ..options(&name) };
        let (mut engine, mut cold) =
            (engine(&name, scarce), engine(&name, ModelOptions { reuse: Reuse::Nothing, ..options(&name) }));
        for round in 0..3u32 {
            assert_rows(&logits(&mut engine, &reference.sequences), &reference.logits, &format!("{name} scarce"));
            let other: Vec<u32> = (0..60).map(|at| (at * 13 + 5 + round) % 100).collect();
            let branches: Vec<Vec<u32>> = (57..60).map(|length| other[..length].to_vec()).collect();
            let expected = logits(&mut cold, &branches);
            assert_rows(&logits(&mut engine, &branches), &expected, &format!("{name} branches"));
        }
        assert!(engine.cache_stats().tokens_evicted > 0, "{name}");
        assert!(engine.pools().bytes() <= bytes, "{name}");
        engine.validate().unwrap();
    }
}

/// As a search grows: branches that leave the longest sequence ever later, in a cache that is too
/// small for all of them.
#[test]
fn branches_that_grow_in_a_scarce_cache_are_what_they_are_without_one() {
    for name in families() {
        let trunk = numbers(&name).sequences.pop().unwrap();
        let mut cold = engine(&name, ModelOptions { reuse: Reuse::Nothing, ..options(&name) });
        let config = cold.decoder().config().clone();
        let token = 2 * config.num_hidden_layers * config.key_width() * 4;
        let scarce = ModelOptions { cache_bytes: (150 * token) as u64, ..options(&name) };
        let mut engine = engine(&name, scarce);
        for length in (12..trunk.len()).step_by(9) {
            let branch = |salt: u32, new: u32| -> Vec<u32> {
                let own = (0..new).map(|at| (salt * 31 + at * 7 + length as u32) % 100);
                trunk[..length].iter().copied().chain(own).collect()
            };
            let contexts = [branch(0, 0), branch(1, 4), branch(2, 4), branch(3, 11)];
            let expected = logits(&mut cold, &contexts);
            assert_rows(&logits(&mut engine, &contexts), &expected, &format!("{name} at {length}"));
        }
        assert!(engine.cache_stats().tokens_evicted > 0, "{name}");
        engine.validate().unwrap();
    }
}

/// A frontier whose members differ in what is cached and in what is new, some of it longer than a
/// window.
#[test]
fn ragged_batches_give_what_one_by_one_gives() {
    for name in families() {
        let stem: Vec<u32> = (0..70).map(|at| (at * 7 + 3) % 90).collect();
        let lengths = [(70, 0), (12, 1), (12, 3), (50, 2), (5, 40), (70, 1), (1, 9), (66, 5)];
        let context = |(place, (kept, new)): (usize, &(usize, u32))| {
            let tail = (0..*new).map(|at| (place as u32 * 11 + at * 5 + 1) % 90);
            stem[..*kept].iter().copied().chain(tail).collect()
        };
        let contexts: Vec<Vec<u32>> = lengths.iter().enumerate().map(context).collect();
        let alone = ModelOptions { reuse: Reuse::Nothing, max_batch: 1, ..options(&name) };
        let expected = logits(&mut engine(&name, alone), &contexts);
        for kind in PlanKind::ALL {
            for buckets in [Buckets::Exact, Buckets::Powers] {
                let together = ModelOptions { attention: Some(kind), buckets: Some(buckets), ..options(&name) };
                let mut engine = engine(&name, together);
                logits(&mut engine, &[stem[..33].to_vec()]);
                assert_rows(&logits(&mut engine, &contexts), &expected, &format!("{name} {kind:?} {buckets:?}"));
            }
        }
    }
}

#[test]
fn contexts_beyond_an_original_length_are_asked_for_and_serve_all() {
    let dir = dir(&within("phi3-longrope")).join("policy");
    let open =
        |max_context| Engine::open(&dir, &Device::flex(), ModelOptions { max_context, ..ModelOptions::default() });
    let tokens = numbers("phi3-longrope").sequences;
    let short = open(None).unwrap();
    // max_position_embeddings is 2048, the original length 512.
    assert_eq!(short.context_limit(), 512);
    let mut long = open(Some(513)).unwrap();
    assert_eq!(long.context_limit(), 513);
    let (short, long) = (logits(&mut open(None).unwrap(), &tokens), logits(&mut long, &tokens));
    assert_eq!(short, logits(&mut open(Some(512)).unwrap(), &tokens), "up to the original length nothing changes");
    assert!(gap(&long[3], &short[3]) > 1e-2, "the long factors serve short contexts, too");
    for wrong in [0, 2049] {
        let error = open(Some(wrong)).unwrap_err();
        assert!(matches!(&error, LoadError::Field { field, .. } if field == "max_context"), "{error}");
        assert!(error.to_string().contains("1 to 2048"), "{error}");
    }
}

/// Mistral's fixture: 3 layers of 4/2 heads of 12 with a window of 16, hidden 48, MLP of 80, 129
/// tokens.
#[test]
fn flops_follow_the_window() {
    let mut engine = engine("mistral", ModelOptions::default());
    let run = Run::new();
    let tokens: Vec<u32> = (0..50).collect();
    let queries = [Query { run: &run, tokens, scratch: 0 }];
    let work = engine.last_logits(&queries, Outputs::All).unwrap().work.remove(0);
    let pairs: u64 = (0..50).map(|position: u64| (position + 1).min(16)).sum();
    let linear = 2 * (48 * (48 + 2 * 24) + 48 * 48 + 3 * 48 * 80);
    assert_eq!(work.attributed.flops, 3 * (50 * linear + 4 * 48 * pairs) + 2 * 48 * 129);
    assert_eq!(work.computed, work.attributed);
}
