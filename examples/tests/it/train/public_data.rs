//! GPTFuzz's labelled replies, in a folder that `SAFFRON_DATA` names.

use std::path::PathBuf;

use burn::tensor::{DType, Device};
use saffron_examples::recipe::read;
use saffron_mrm::Base;
use saffron_train::objective::guard::GuardExample;
use saffron_train::recipe::{GuardData, GuardRecipe};

#[test]
#[ignore = "needs public data files: SAFFRON_DATA=DIR cargo test -p saffron-examples --test it -- --ignored public_data"]
fn gptfuzz_gives_the_guard_its_examples_and_held_out_replies_that_training_lacks() {
    let data =
        PathBuf::from(std::env::var_os("SAFFRON_DATA").expect("SAFFRON_DATA names the folder of the data files"));
    let mut recipe: GuardRecipe = read(&super::folder().join("train_guard_smollm2.toml")).unwrap();
    recipe.labelled[0].path = data.join("gptfuzz_responses_train.csv.gz");
    recipe.held_out.path = data.join("gptfuzz_responses_eval.csv.gz");
    let base = Base::open(super::folder().join("../../fixtures/tiny-b/guard"), &Device::flex(), DType::F32).unwrap();
    let data = GuardData::read(&recipe, base.tokenizer()).unwrap();
    assert_eq!((data.train.len(), data.validation.len()), (6160 - 256, 256));
    // 299 replies stand in both files as a whole; more do as far as this tokenizer's 128 tokens reach.
    assert_eq!((data.held_out.len(), data.seen), (1168, 372));
    let safe = data.train.iter().filter(|example| matches!(example, GuardExample::Labelled { safe: true, .. })).count();
    assert!((3_000..5_000).contains(&safe), "{safe}");
    let longest = data.train.iter().map(|example| example.replies()[0].reply().len()).max();
    assert_eq!(longest, Some(recipe.limits.reply));
}
