//! The other backends: the same recorded searches and reference numbers as on `flex`. They need features that are off by default:
//!
//! ```text
//! cargo test -p saffron-examples --features ndarray,wgpu-plain --test it -- --include-ignored backends
//! ```
#![cfg(any(feature = "ndarray", feature = "wgpu-plain"))]

use burn::tensor::Device;
use saffron_examples::device::device;
use saffron_examples::reference::ReferenceFile;
use saffron_kvtrie::attention::PlanKind;
use saffron_mrm::ModelOptions;

use crate::reference::gap;
use crate::replay::replay;

/// The plans that need no kernels of their own.
const PLANS: [PlanKind; 3] = [PlanKind::Cascade, PlanKind::Gather, PlanKind::Flat];

fn planned(kind: PlanKind) -> ModelOptions {
    ModelOptions { attention: Some(kind), ..ModelOptions::default() }
}

const TINY: [&str; 2] = ["tiny-a", "tiny-b"];

/// Two families for each trick that reaches into attention: a window, capped scores, norms of
/// queries and keys, heads that are rotated in part.
const FAMILIES: [&str; 8] =
    ["mistral", "qwen2-window", "gemma2", "gemma2-score-cap", "qwen3", "olmo2", "phi3", "phi3-mini4"];

/// Logits and rewards of these models under a plan.
fn reference_numbers(models: &[&str], device: &Device, kind: PlanKind) {
    for model in models {
        let dir = crate::fixtures().join(model);
        let expected = ReferenceFile::read(&dir.join("reference.json")).unwrap();
        let found = expected.answers(&dir, device, planned(kind)).unwrap();
        for (found, expected) in [(&found.logits, &expected.logits), (&found.rewards, &expected.rewards)] {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                let gap = gap(found, expected);
                assert!(gap < 1e-4, "{model}, {kind:?}: {gap}");
            }
        }
    }
}

fn families(device: &Device, kind: PlanKind) {
    let names = FAMILIES.map(|name| format!("families/{name}"));
    reference_numbers(&names.each_ref().map(String::as_str), device, kind);
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_reproduces_reference_numbers_under_every_plan() {
    PLANS.iter().for_each(|kind| reference_numbers(&TINY, &device("ndarray").unwrap(), *kind));
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_reproduces_families_under_every_plan() {
    PLANS.iter().for_each(|kind| families(&device("ndarray").unwrap(), *kind));
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_reproduces_training_losses() {
    let dir = crate::fixtures().join("tiny-a");
    let expected = ReferenceFile::read(&dir.join("reference.json")).unwrap().train;
    let losses = expected.losses(&dir, &device("ndarray").unwrap()).unwrap();
    for (step, (found, expected)) in losses.iter().zip(&expected.losses).enumerate() {
        assert!((found - expected).abs() < 1e-3 * expected.abs(), "step {step}: {found} for {expected}");
    }
}

/// A recorded file of searches under every plan.
#[cfg(feature = "ndarray")]
fn recorded_searches(name: &str) {
    let prompts: Vec<usize> = (0..crate::replay::case_file(name).cases.len()).collect();
    for kind in PLANS {
        replay(name, &device("ndarray").unwrap(), planned(kind), &prompts);
    }
}

// Two tests, which run side by side.
#[cfg(feature = "ndarray")]
#[test]
fn ndarray_reproduces_recorded_searches_of_tied_heads_under_every_plan() {
    recorded_searches("A2");
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_reproduces_recorded_searches_of_untied_heads_under_every_plan() {
    recorded_searches("B3");
}

#[cfg(feature = "wgpu-plain")]
#[test]
#[ignore = "needs a Vulkan driver; cargo test -p saffron-examples --features wgpu-plain --test it -- --ignored wgpu"]
fn wgpu_reproduces_reference_numbers_under_every_plan() {
    PLANS.iter().for_each(|kind| reference_numbers(&TINY, &device("wgpu").unwrap(), *kind));
}

#[cfg(feature = "wgpu-plain")]
#[test]
#[ignore = "needs a Vulkan driver; cargo test -p saffron-examples --features wgpu-plain --test it -- --ignored wgpu"]
fn wgpu_reproduces_families_under_every_plan() {
    PLANS.iter().for_each(|kind| families(&device("wgpu").unwrap(), *kind));
}

#[cfg(feature = "wgpu-plain")]
#[test]
#[ignore = "needs a Vulkan driver; cargo test -p saffron-examples --features wgpu-plain --test it -- --ignored wgpu"]
fn wgpu_reproduces_recorded_searches_and_writes_in_place() {
    for name in ["A2", "B3"] {
        let counts = replay(name, &device("wgpu").unwrap(), ModelOptions::default(), &[0, 1]);
        assert_eq!(counts.copied_writes, 0, "{name}: writes are in place");
    }
}
