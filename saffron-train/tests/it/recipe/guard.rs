//! What a guard learns from, by its recipe.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_mrm::text::TextTokenizer;
use saffron_search::eval::data::{Format, read_pairs};
use saffron_search::eval::models::GuardQuestion;
use saffron_train::objective::guard::GuardExample;
use saffron_train::recipe::{DataRecipe, GuardData, GuardRecipe, RecipeError};
use serde_json::json;

use super::{recipe, tokenizer, told, torn};

/// Labelled replies; every third is a refusal.
fn replies(rows: usize) -> Vec<String> {
    let row = |place: usize| {
        let label = if place.is_multiple_of(3) { "refused" } else { "complied" };
        json!({ "q": format!("question {place}"), "a": format!("reply {place}"), "label": label }).to_string()
    };
    (0..rows).map(row).collect()
}

fn pairs(rows: usize) -> Vec<String> {
    let said = |place: usize, reply: &str| format!("\n\nHuman: how {place}\n\nAssistant: {reply} {place}");
    let row = |place: usize| json!({ "chosen": said(place, "no"), "rejected": said(place, "so") }).to_string();
    (0..rows).map(row).collect()
}

fn labelled(path: &Path) -> DataRecipe {
    let label = json!({ "column": "label", "complied": ["complied"], "refused": ["refused"] });
    recipe(json!({ "path": path, "format": { "columns": { "prompt": "q", "reply": "a", "label": label } } }))
}

/// A recipe over 6 of 8 rows that are held out.
fn guard(dir: &Path) -> GuardRecipe {
    let held_out = torn(dir, "held_out.jsonl", &replies(8));
    let mut recipe: GuardRecipe = recipe(json!({
        "base": "org/guard",
        "question": { "prefix": "User: ", "infix": " Agent: ", "suffix": " Safe? ", "safe": "yes", "unsafe": "no" },
        "held_out": labelled(&held_out),
        "validation": 0,
    }));
    recipe.held_out.take = Some(6);
    recipe
}

/// A tokenizer with `ShieldGemma`'s control tokens and answers.
fn shieldgemma() -> TextTokenizer {
    let (folder, path) = (tempfile::tempdir().unwrap(), crate::dir("families/gemma2/guard/tokenizer.json"));
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["model"]["ignore_merges"] = json!(true);
    for (id, answer) in [(124, "Yes"), (125, "No")] {
        file["model"]["vocab"][answer] = json!(id);
    }
    for (id, control) in [(2, "<start_of_turn>"), (3, "<end_of_turn>")] {
        let old = file["added_tokens"][id]["content"].as_str().unwrap().to_owned();
        file["model"]["vocab"].as_object_mut().unwrap().remove(&old);
        file["model"]["vocab"][control] = json!(id);
        file["added_tokens"][id]["content"] = json!(control);
    }
    std::fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
    TextTokenizer::from_dir(folder.path(), 129).unwrap()
}

#[test]
fn a_published_guard_is_trained_further_on_one_question() {
    let (dir, tokenizer) = (tempfile::tempdir().unwrap(), shieldgemma());
    let asked = |name: &str| {
        let question = Some(GuardQuestion::Named(name.to_owned()));
        GuardRecipe { question, ..guard(dir.path()) }.template(&tokenizer)
    };
    let template = asked("shieldgemma:hate").unwrap();
    assert_eq!((template.safe, template.not_safe), (125, 124));
    assert!(matches!(asked("shieldgemma"), Err(RecipeError::NotOneQuestion { name }) if name == "shieldgemma"));
    let error = told(&asked("qwen3guard").unwrap_err());
    assert!(error.contains("<|im_start|> is no special token of this tokenizer"), "{error}");
}

fn texts(examples: &[GuardExample], tokenizer: &TextTokenizer) -> Vec<String> {
    let text = |example: &GuardExample| tokenizer.decode_text(example.replies()[0].reply()).unwrap();
    examples.iter().map(text).collect()
}

#[test]
fn no_more_of_a_file_is_read_than_is_taken() {
    let (dir, tokenizer) = (tempfile::tempdir().unwrap(), tokenizer());
    let mut recipe = guard(dir.path());
    let rows: Vec<String> = replies(40).split_off(20);
    recipe.labelled = vec![labelled(&torn(dir.path(), "learn.jsonl", &rows))];
    recipe.labelled[0].take = Some(5);
    let pairs = torn(dir.path(), "pairs.jsonl", &pairs(4));
    recipe.pairs = vec![super::recipe(json!({ "path": pairs, "format": "hh-rlhf", "take": 2 }))];
    let data = GuardData::read(&recipe, &tokenizer).unwrap();
    let learnt = texts(&data.train, &tokenizer);
    assert_eq!(learnt, ["reply 20", "reply 21", "reply 22", "reply 23", "reply 24", "no 0", "no 1"]);
    assert_eq!((data.held_out.len(), data.seen, data.files.len()), (6, 0, 3));
    for change in [
        (|recipe: &mut GuardRecipe| recipe.labelled[0].take = None) as fn(&mut GuardRecipe),
        |recipe| recipe.labelled[0].sample = Some(2),
        |recipe| recipe.pairs[0].take = Some(5),
        |recipe| recipe.pairs[0].sample = Some(1),
        |recipe| recipe.held_out.take = Some(9),
    ] {
        let mut other = recipe.clone();
        change(&mut other);
        let error = GuardData::read(&other, &tokenizer).unwrap_err();
        assert!(matches!(&error, RecipeError::Data(_)) && error.to_string().contains("line"), "{error}");
    }
}

/// A number below a bound, as pairs have always been drawn.
fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    let (bound, limit) = (bound as u64, u64::MAX - u64::MAX % bound as u64);
    loop {
        let draw = rng.next_u64();
        if draw < limit {
            return (draw % bound) as usize;
        }
    }
}

#[test]
fn pairs_are_drawn_as_ever() {
    let (dir, tokenizer) = (tempfile::tempdir().unwrap(), tokenizer());
    let path = dir.path().join("pairs.jsonl");
    std::fs::write(&path, pairs(9).join("\n")).unwrap();
    let mut recipe = guard(dir.path());
    recipe.run.seed = 11;
    let read = |take: Option<usize>, sample: Option<usize>, recipe: &mut GuardRecipe| {
        recipe.pairs =
            vec![super::recipe(json!({ "path": path, "format": "hh-rlhf", "sample": sample, "take": take }))];
        texts(&GuardData::read(recipe, &tokenizer).unwrap().train, &tokenizer)
    };
    let mut left = read_pairs(&path, &Format::HhRlhf).unwrap().pairs;
    let whole: Vec<String> = left.iter().map(|pair| pair.chosen.clone()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let drawn: Vec<String> = (0..4).map(|_| left.swap_remove(below(&mut rng, left.len())).chosen).collect();
    assert_eq!(read(None, Some(4), &mut recipe), drawn);
    assert_eq!(read(Some(3), Some(4), &mut recipe), drawn[..3]);
    assert_ne!(drawn, whole[..4]);
    for sample in [None, Some(9), Some(20)] {
        assert_eq!(read(None, sample, &mut recipe), whole, "all, in the order of the file");
    }
}

#[test]
fn data_that_leaves_nothing_is_refused() {
    let (dir, tokenizer) = (tempfile::tempdir().unwrap(), tokenizer());
    let recipe = guard(dir.path());
    let refused = |recipe: &GuardRecipe| told(&GuardData::read(recipe, &tokenizer).unwrap_err());
    assert_eq!(refused(&recipe), "there is nothing to learn from: no row has a reply and a label");
    let mut same = recipe.clone();
    same.labelled = vec![recipe.held_out.clone()];
    assert_eq!(refused(&same), "nothing is held out: no row has a label and a reply that training lacks");
    let mut short = same;
    short.limits.reply = 0;
    assert_eq!(refused(&short), "limits: prompt and reply must be at least 1 token, found 64 and 0");
    let mut unasked = recipe;
    unasked.question = None;
    let error = told(&unasked.template(&tokenizer).unwrap_err());
    assert!(error.starts_with("org/guard is no Llama Guard 3") && error.contains("set `question`"), "{error}");
}

#[test]
fn a_recipe_reads_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = guard(dir.path());
    let written = serde_json::to_value(&recipe).unwrap();
    let again: GuardRecipe = super::recipe(written.clone());
    assert_eq!(serde_json::to_value(&again).unwrap(), written);
    let plain = serde_json::to_value(labelled(dir.path())).unwrap();
    assert!(plain.get("take").is_none(), "manifests of earlier versions have no `take`: {plain}");
}
