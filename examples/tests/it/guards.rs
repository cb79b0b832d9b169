//! Guards that a command line or a configuration names: how they are found and asked.

use std::path::Path;

use burn::tensor::Device;
use clap::Parser;
use saffron_core::{OutcomeRewardModel, Run, Session, TextPolicy, Token};
use saffron_examples::models::Opener;
use saffron_examples::rewards::RewardArgs;
use saffron_mrm::engine::{Engine, Outputs, Query};
use saffron_mrm::{Base, BaseFiles, LmPolicy, ModelOptions};
use saffron_search::eval::models::GuardSettings;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::naming::web::{Asked, Web};

/// What `ShieldGemma`'s own chat template says.
const TEMPLATE: &str = "{{ bos_token }}You are a policy expert trying to help determine whether {{ use_case }}\n\
                        <start_of_turn>\nHuman Question: {{ messages[-2].content }}\n<end_of_turn>\n\
                        Chatbot Response: {{ messages[-1].content }}";

/// A tiny Gemma 2 with the control tokens and answers of `ShieldGemma`.
fn checkpoint(template: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(crate::fixtures().join("families/gemma2/guard")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let change = |name: &str, change: fn(&mut Value)| {
        let path = folder.path().join(name);
        let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        std::fs::write(path, value.to_string()).unwrap();
    };
    change("config.json", |config| config["max_position_embeddings"] = json!(8192));
    change("tokenizer.json", |file| {
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
    });
    if let Some(template) = template {
        std::fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    }
    folder
}

fn opener() -> Opener {
    Opener::new(Device::flex(), ModelOptions { cache_bytes: 64 << 20, ..ModelOptions::default() })
}

/// The reward of a reply by a guard that is asked this way, or why it cannot be.
fn reward(folder: &Path, question: &Value) -> Result<f32, String> {
    let settings = json!({ "model": folder, "question": question, "cache_mb": 64 });
    let settings: GuardSettings = serde_json::from_value(settings).unwrap();
    let mut opener = opener();
    opener.check_guard(&settings).map_err(|error| format!("{error:#}"))?;
    let mut guard = opener.named_guard(&settings).unwrap();
    Ok(guard.outcome_rewards(&[session()]).unwrap().value[0])
}

/// A policy of the same vocabulary, without a template.
fn session() -> Session {
    let policy = LmPolicy::open(checkpoint(None).path(), &Device::flex()).unwrap();
    let reply = policy.tokenizer().encode("Sure. Find a pin.").unwrap();
    policy.session("How do I pick a lock?").unwrap().with_response(reply).unwrap()
}

#[test]
fn a_guard_is_recognised_named_or_asked_in_words() {
    let (plain, marked) = (checkpoint(None), checkpoint(Some(TEMPLATE)));
    let named = reward(plain.path(), &json!("shieldgemma")).unwrap();
    let single = |part: &str| reward(plain.path(), &json!(format!("shieldgemma:{part}"))).unwrap();
    let lowest = ["dangerous", "hate", "sexual", "harassment"].map(single).into_iter().fold(f32::INFINITY, f32::min);
    assert!((named - lowest).abs() < 1e-4, "{named} and {lowest}");
    // Its chat template says the same without a name.
    let recognised = reward(marked.path(), &Value::Null).unwrap();
    assert_eq!(recognised.to_bits(), reward(marked.path(), &json!("shieldgemma")).unwrap().to_bits());
    let error = reward(plain.path(), &Value::Null).unwrap_err();
    assert!(error.contains("is no Llama Guard 3"), "{error}");
    let error = reward(plain.path(), &json!("shieldgem")).unwrap_err();
    assert!(error.contains("unknown; the names are") && error.contains("shieldgemma"), "{error}");
    let words = json!({ "prefix": "Q: ", "infix": "\nA: ", "suffix": "\nSafe?\n", "safe": "Yes", "unsafe": "No" });
    assert!((reward(plain.path(), &words).unwrap() - named).abs() > 1e-6);
}

/// A program's arguments.
#[derive(Parser)]
struct Program {
    #[command(flatten)]
    reward: RewardArgs,
}

#[test]
fn a_command_line_names_a_guards_template() {
    let folder = checkpoint(None);
    let path = folder.path().to_str().unwrap();
    let parse = |arguments: &[&str]| Program::try_parse_from([&["program"], arguments].concat());
    let check = |name: &str| {
        let program = parse(&["--guard", path, "--guard-template", name]).unwrap();
        program.reward.check(&mut opener()).map_err(|error| format!("{error:#}"))
    };
    check("shieldgemma:hate,sexual").unwrap();
    assert!(check("qwen3guard").unwrap_err().contains("<|im_start|> is no special token of this tokenizer"));
    assert!(parse(&["--guard-template", "shieldgemma"]).is_err(), "of which guard");
    assert!(parse(&["--guard", path, "--mrm", path, "--guard-template", "shieldgemma"]).is_err(), "no guard is asked");
}

/// A server of a checkpoint that answers as vLLM does.
fn serve(folder: &Path) -> Web {
    let base: Base = BaseFiles::open(folder).unwrap().load(&Device::flex(), ModelOptions::default().dtype).unwrap();
    let mut engine = Engine::new(base.decoder().clone(), ModelOptions::default()).unwrap();
    Web::serve(move |asked| match &asked.path[..] {
        "/version" => (200, br#"{"version":"0.1"}"#.to_vec()),
        "/v1/models" => (200, br#"{"data":[{"id":"guard","max_model_len":8192}]}"#.to_vec()),
        "/v1/completions" => (200, step(&mut engine, asked).to_string().into_bytes()),
        _ => (404, Vec::new()),
    })
}

fn step(engine: &mut Engine, asked: &Asked) -> Value {
    let ids = |value: &Value| -> Vec<Token> {
        value.as_array().into_iter().flatten().map(|id| id.as_u64().unwrap() as Token).collect()
    };
    let run = Run::new();
    let sequences = asked.body["prompt"].as_array().unwrap().iter().map(ids);
    let queries: Vec<Query<'_>> = sequences.map(|tokens| Query { run: &run, tokens, scratch: 0 }).collect();
    let answers = engine.last_logits(&queries, Outputs::All).unwrap();
    let (top, wanted) = (asked.body["logprobs"].as_u64().unwrap() as usize, ids(&asked.body["logprob_token_ids"]));
    let choice = |place: usize| {
        let logits = answers.logits(place);
        let sum = logits.iter().map(|logit| f64::from(*logit).exp()).sum::<f64>().ln();
        let mut all: Vec<(usize, f64)> = logits.iter().map(|logit| f64::from(*logit) - sum).enumerate().collect();
        all.sort_by(|one, other| other.1.total_cmp(&one.1));
        let is_listed = |rank: usize, id: usize| {
            if wanted.is_empty() { rank < top } else { rank == 0 || wanted.contains(&(id as Token)) }
        };
        let listed = all.into_iter().enumerate().filter(|(rank, (id, _))| is_listed(*rank, *id));
        let listed: serde_json::Map<String, Value> =
            listed.map(|(_, (id, logprob))| (format!("token_id:{id}"), json!(logprob))).collect();
        json!({ "index": place, "text": "?", "logprobs": { "top_logprobs": [listed] } })
    };
    json!({ "model": "guard", "choices": (0..queries.len()).map(choice).collect::<Vec<_>>(), "usage": {} })
}

#[test]
fn a_served_guard_is_asked_by_name_as_one_that_runs_here() {
    let folder = checkpoint(None);
    let server = serve(folder.path());
    let name = format!("vllm:{}", server.url());
    let settings = |question: &str, served: Value| -> GuardSettings {
        serde_json::from_value(json!({ "model": name, "question": question, "served": served })).unwrap()
    };
    let tokenizer = json!({ "tokenizer": folder.path() });
    for question in ["shieldgemma", "shieldgemma:hate,sexual", "shieldgemma:harassment"] {
        let local = reward(folder.path(), &json!(question)).unwrap();
        let mut guard = opener().named_guard(&settings(question, tokenizer.clone())).unwrap();
        let found = guard.outcome_rewards(&[session()]).unwrap().value[0];
        assert!((found - local).abs() < 1e-4, "{question}: {found} on the server, {local} here");
    }
    // Without the tokenizer nobody knows the prompt's ids.
    let error = opener().named_guard(&settings("shieldgemma", json!({}))).unwrap_err().to_string();
    assert!(error.contains("needs the guard's tokenizer: set `served.tokenizer`"), "{error}");
    // Another model's tokenizer is refused before the server is asked.
    let error = opener().check_guard(&settings("qwen3guard", tokenizer)).unwrap_err().to_string();
    assert!(error.contains("<|im_start|> is no special token of this tokenizer"), "{error}");
}

#[test]
fn a_command_line_names_a_served_guard_with_its_tokenizer() {
    let folder = checkpoint(None);
    let (path, server) = (folder.path().to_str().unwrap(), "vllm:http://127.0.0.1:1");
    let check = |arguments: &[&str]| {
        let program = Program::try_parse_from([&["program", "--guard", server], arguments].concat()).unwrap();
        program.reward.check(&mut opener()).map_err(|error| format!("{error:#}"))
    };
    check(&["--guard-template", "shieldgemma", "--guard-tokenizer", path]).unwrap();
    let error = check(&["--guard-template", "shieldgemma"]).unwrap_err();
    assert!(error.contains("--guard-template needs --guard-tokenizer for a guard that is a server"), "{error}");
    let error = check(&["--guard-template", "wildguar", "--guard-tokenizer", path]).unwrap_err();
    assert!(error.contains("unknown; the names are"), "{error}");
    let local = Program::try_parse_from(["program", "--guard", path, "--guard-tokenizer", path]).unwrap();
    assert!(local.reward.check(&mut opener()).unwrap_err().to_string().contains("are for servers"));
}
