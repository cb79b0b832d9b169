//! The labelling of a corpus, by its recipe: what is refused, and what is read.

use std::path::Path;

use saffron_search::eval::data::{Format, Share, read, read_pairs};
use saffron_search::eval::models::GuardQuestion;
use saffron_train::recipe::{LabelCorpus, LabelRecipe, RecipeError};
use serde_json::{Value, json};

use super::{recipe, told, torn};

/// A recipe over a file of prompts that a policy replies to.
pub(super) fn asked(path: &Path, sampled: &Value) -> LabelRecipe {
    recipe(json!({
        "seed": 7,
        "corpus": { "data": { "name": "asked", "path": path, "format": "prompts" }, "sampled": sampled },
        "guard": { "base": "org/guard" },
    }))
}

fn policy(changes: &Value) -> Value {
    let mut sampled = json!({ "policy": { "model": "org/policy" } });
    sampled.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    sampled
}

#[test]
fn what_cannot_be_drawn_or_asked_is_refused_before_a_file_is_read() {
    let nowhere = Path::new("nothing.jsonl");
    let refused = |recipe: &LabelRecipe| told(&recipe.check().unwrap_err());
    for (change, says) in [
        (json!({ "max_new_tokens": 0 }), "corpus.sampled: max_new_tokens must be at least 1"),
        (json!({ "filter": { "temperature": 0.0 } }), "corpus.sampled.filter: temperature must be finite and above 0"),
        (
            json!({ "attack": { "kind": "suffix", "text": "{target}" } }),
            "corpus.sampled.attack: `{target}` stands for nothing",
        ),
    ] {
        let error = refused(&asked(nowhere, &policy(&change)));
        assert!(error.starts_with(says), "{error}");
    }
    let mut served = asked(nowhere, &policy(&json!({})));
    served.check().unwrap();
    served.guard.base = "vllm:http://127.0.0.1:9".parse().unwrap();
    assert_eq!(refused(&served), "guard: vllm:http://127.0.0.1:9 is a server: set `question`");
    served.guard.question = Some(GuardQuestion::Named(String::from("qwen3guard")));
    let by_name = "guard: vllm:http://127.0.0.1:9 is a server, where `question` by name needs its tokenizer: set \
                   `served.tokenizer`, or ask in words";
    assert_eq!(refused(&served), by_name);
    served.guard.served = Some(serde_json::from_value(json!({ "tokenizer": "org/guard" })).unwrap());
    served.check().unwrap();
}

fn prompts(rows: usize) -> Vec<String> {
    (0..rows).map(|place| json!({ "id": format!("q{place}"), "prompt": format!("how {place}") }).to_string()).collect()
}

/// The ids of what is asked, of a file of prompts with a torn row at its end.
fn ids(dir: &Path, choice: &Value) -> Result<Vec<String>, RecipeError> {
    let mut recipe = asked(&torn(dir, "asked.jsonl", &prompts(20)), &policy(&json!({})));
    let data = &mut recipe.corpus.data;
    data.limit = choice["limit"].as_u64().map(|limit| limit as usize);
    data.sample = choice["sample"].as_u64().map(|sample| sample as usize);
    data.share = choice.get("share").map(|share| serde_json::from_value(share.clone()).unwrap());
    let corpus = LabelCorpus::read(&recipe)?;
    Ok(corpus.questions().iter().map(|question| question.id.clone()).collect())
}

#[test]
fn no_more_questions_are_read_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(ids(dir.path(), &json!({ "limit": 2 })).unwrap(), ["q0", "q1"]);
    let halves = json!({ "take": 1, "of": 2 });
    let half = ids(dir.path(), &json!({ "share": halves, "limit": 3 })).unwrap();
    let share = Share { take: 1, of: 2 };
    let expected = (0..20).filter(|place| share.has(&format!("how {place}"))).take(3);
    assert_eq!(half, expected.map(|place| format!("q{place}")).collect::<Vec<_>>());
    for choice in [json!({}), json!({ "limit": 21 }), json!({ "limit": 2, "sample": 3 })] {
        let error = told(&ids(dir.path(), &choice).unwrap_err());
        assert!(error.starts_with("the data set asked: ") && error.contains("line 21"), "{error}");
    }
}

#[test]
fn a_share_a_sample_and_a_limit_choose_the_rows_that_they_ever_chose() {
    let dir = tempfile::tempdir().unwrap();
    let said = |place: usize, reply: &str| format!("\n\nHuman: how {place}\n\nAssistant: {reply}");
    let rows: Vec<String> = (0..20)
        .map(|place| json!({ "chosen": said(place, "no"), "rejected": said(place, "so") }).to_string())
        .collect();
    let path = dir.path().join("pairs.jsonl");
    std::fs::write(&path, rows.join("\n")).unwrap();
    let pairs = read_pairs(&path, &Format::HhRlhf).unwrap().pairs;
    // As items are chosen from a file that has been read as a whole.
    let items = read(&path, &Format::HhRlhf).unwrap().share(Share { take: 0, of: 2 }).sample(6, 7).take(4).items;
    assert!(pairs.iter().zip(&read(&path, &Format::HhRlhf).unwrap().items).all(|(pair, item)| pair.id == item.id));
    let recipe: LabelRecipe = recipe(json!({
        "seed": 7,
        "corpus": { "data": {
            "name": "pairs", "path": path, "format": "hh-rlhf", "share": { "take": 0, "of": 2 }, "sample": 6, "limit": 4,
        } },
        "guard": { "base": "org/guard" },
    }));
    let corpus = LabelCorpus::read(&recipe).unwrap();
    assert_eq!((corpus.len(), items.len()), (8, 4));
    let told = format!("{corpus:?}");
    let places: Vec<usize> = items.iter().map(|item| told.find(&format!("\"{}/chosen\"", item.id)).unwrap()).collect();
    assert!(places.is_sorted(), "in the order of drawing: {items:?}");
}

#[test]
fn an_attack_that_cannot_be_made_upon_a_row_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("asked.jsonl");
    std::fs::write(&path, prompts(2).join("\n")).unwrap();
    let attack = json!({ "attack": { "kind": "prefill", "tokens": 2 } });
    let error = told(&LabelCorpus::read(&asked(&path, &policy(&attack))).unwrap_err());
    assert!(error.starts_with("question q0: ") && error.contains("has no reply to prefill with"), "{error}");
}

#[test]
fn a_file_without_a_reply_is_refused_unless_a_policy_replies() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("asked.jsonl");
    std::fs::write(&path, prompts(3).join("\n")).unwrap();
    let mut recipe = asked(&path, &policy(&json!({ "samples": 4 })));
    assert_eq!(LabelCorpus::read(&recipe).unwrap().len(), 12);
    recipe.corpus.sampled = None;
    let error = LabelCorpus::read(&recipe).unwrap_err();
    assert!(matches!(&error, RecipeError::NoReplies { .. }) && error.to_string().contains("has a reply"), "{error}");
}
