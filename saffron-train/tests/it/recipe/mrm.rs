//! What a multifurcation reward model learns from, by its recipe.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::{DType, Device};
use saffron_core::{ContextLayout, PromptLayout};
use saffron_mrm::checkpoint::MrmCard;
use saffron_mrm::{Base, ContextLength};
use saffron_search::eval::runs::Shard;
use saffron_train::Sample;
use saffron_train::recipe::{MrmData, MrmRecipe, RunOrigin};
use serde_json::json;

use super::{recipe, told};
use crate::labels::{VOCABULARY, fast_dir, label};

fn mrm(labels: &Path) -> MrmRecipe {
    recipe(json!({ "base": "org/base", "labels": [labels], "held_out": 0.3, "validation": 0.2 }))
}

fn layout() -> ContextLayout {
    PromptLayout { prefix: vec![0], infix: vec![2], suffix: Vec::new() }.into()
}

fn read(recipe: &MrmRecipe, vocab_size: usize) -> Result<MrmData, String> {
    MrmData::read(recipe, &layout(), vocab_size).map_err(|error| told(&error))
}

#[test]
fn replies_are_parted_by_prompt_and_by_seed() {
    let dir = fast_dir();
    label(dir.path(), 40, Shard::WHOLE);
    let recipe = mrm(dir.path());
    let data = read(&recipe, VOCABULARY).unwrap();
    let all = data.train.len() + data.validation.len() + data.held_out.len();
    assert_eq!((all, data.files.len()), (saffron_train::labels::read(dir.path()).unwrap().1.len(), 1));
    let prompts = |samples: &[saffron_train::Sample]| -> BTreeSet<Vec<u32>> {
        let context = |sample: &saffron_train::Sample| sample.tokens().len() - sample.rewards().len();
        samples.iter().map(|sample| sample.tokens()[..context(sample)].to_vec()).collect()
    };
    let sides = [&data.train, &data.validation, &data.held_out].map(|side| prompts(side));
    assert!(sides[0].is_disjoint(&sides[1]) && sides[0].is_disjoint(&sides[2]) && sides[1].is_disjoint(&sides[2]));
    let again = read(&recipe, VOCABULARY).unwrap();
    assert_eq!(again.train, data.train);
    // A token that no sample rewards is unseen.
    let unseen = data.unseen(VOCABULARY).unwrap();
    let rewarded: BTreeSet<u32> =
        data.train.iter().flat_map(|one| one.tokens()[one.tokens().len() - one.rewards().len()..].to_vec()).collect();
    assert_eq!(unseen.count(), VOCABULARY - rewarded.len());
}

#[test]
fn labels_that_do_not_fit_are_refused_with_their_path() {
    let dir = fast_dir();
    label(dir.path(), 20, Shard::WHOLE);
    let path = dir.path().display().to_string();
    let recipe = mrm(dir.path());
    let error = read(&recipe, 60).unwrap_err();
    assert_eq!(error, format!("{path}: expected rewards of 60 token ids, found 50"));
    let mut shares = recipe.clone();
    shares.held_out = 0.9;
    let error = read(&shares, VOCABULARY).unwrap_err();
    assert!(
        error.starts_with("held_out and validation: expected shares of less than 1 together, found 1.1"),
        "{error}"
    );
    let mut short = recipe.clone();
    short.max_tokens = 2;
    let error = read(&short, VOCABULARY).unwrap_err();
    assert_eq!(error, "there is nothing to learn from: no reply has a token with a reward");
    std::fs::remove_file(dir.path().join("summary.json")).unwrap();
    let error = read(&recipe, VOCABULARY).unwrap_err();
    assert_eq!(error, format!("{path}: no summary.json: `label` has not finished here; the same command goes on"));
    let error = read(&mrm(Path::new("nothing.jsonl")), VOCABULARY).unwrap_err();
    assert_eq!(error, "nothing.jsonl: expected a directory of `label`, or a .parquet file that it wrote");
}

/// A Phi-3 with two sets of rotary frequencies: 2048 positions, 512 of them original.
#[test]
fn a_card_says_which_contexts_were_trained_for() {
    let base = Base::open(crate::dir("families/phi3-longrope/guard"), &Device::flex(), DType::F32).unwrap();
    let sample = Sample::new(vec![5, 6, 7, 8], vec![0.5, -0.5, 0.25]).unwrap();
    let data = MrmData {
        train: vec![sample],
        validation: Vec::new(),
        held_out: Vec::new(),
        cut: 0,
        skipped: 0,
        together: false,
        files: Vec::new(),
    };
    let adapter = json!({ "rank": 2, "alpha": 4.0, "targets": ["o_proj"] });
    let card = |base: &Base, max_context: Option<usize>| {
        let asked = json!({ "base": "org/base", "labels": [], "adapter": adapter, "max_context": max_context });
        let (recipe, out) = (recipe::<MrmRecipe>(asked), tempfile::tempdir().unwrap());
        let run = recipe.open(base, &data, out.path(), &RunOrigin::default()).map_err(|error| told(&error))?;
        run.export().unwrap();
        Ok::<_, String>(MrmCard::read(&out.path().join("model")).unwrap().max_context)
    };
    assert_eq!(card(&base, None).unwrap(), None);
    assert_eq!(card(&base, Some(512)).unwrap(), None, "the frequencies for short contexts");
    assert_eq!(card(&base, Some(513)).unwrap(), Some(513));
    let long = base.clone().for_contexts(ContextLength::Long);
    assert_eq!(card(&long, None).unwrap(), Some(2048));
    assert_eq!(card(&long, Some(512)).unwrap(), None);
    for wrong in [0, 2049] {
        let expected = format!("max_context: expected 1 to 2048, the base's max_position_embeddings, found {wrong}");
        assert_eq!(card(&base, Some(wrong)).unwrap_err(), expected);
    }
}
