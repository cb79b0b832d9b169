//! Published configurations name their layouts, and mean the ids that they were measured with.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use saffron_core::TextPolicy;
use saffron_mrm::LmPolicy;
use saffron_mrm::text::TextLayout;

use crate::root;

/// All files of a folder with this ending, its folders included.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path, ending)),
            false if path.extension().is_some_and(|found| found == ending) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

#[test]
fn every_policy_of_a_published_configuration_names_its_layout() {
    let mut policies = 0;
    for folder in ["examples/smollm2", "examples/demo", "examples/configs"] {
        for path in files(&root().join(folder), "toml") {
            let config: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let sampled = config.get("corpus").and_then(|corpus| corpus.get("sampled"));
            let policy = config.get("policy").or_else(|| sampled.and_then(|sampled| sampled.get("policy")));
            let Some(policy) = policy.filter(|policy| policy.get("model").is_some_and(toml::Value::is_str)) else {
                continue;
            };
            policies += 1;
            let layout = policy.get("layout").and_then(toml::Value::as_str);
            let expected = match &path.to_string_lossy() {
                path if path.ends_with("_tiny.toml") || path.ends_with("_qwen3.toml") => "plain",
                path if path.ends_with("compare_paper.toml") => "llama3",
                _ => "chatml",
            };
            assert_eq!(layout, Some(expected), "{}", path.display());
        }
    }
    assert!(policies >= 28, "{policies}");
}

#[test]
fn the_demos_prompts_have_the_ids_that_it_was_trained_and_measured_with() {
    let policy = LmPolicy::open(root().join("examples/demo/policy"), &Device::flex()).unwrap();
    let layout = TextLayout::named("chatml", policy.tokenizer()).unwrap();
    let ids = layout.ids().clone();
    let policy = policy.with_layout(layout);
    let encode = |text: &str| policy.tokenizer().encode(text).unwrap();
    let mut prompts = 0;
    for path in files(&root().join("examples/demo/prompts"), "jsonl") {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (prompt, reply) = (row["prompt"].as_str().unwrap(), row["reply"].as_str().unwrap());
            for tokens in [0, 4, 10] {
                let session = policy.attacked_session(prompt, reply, tokens).unwrap();
                let apart = ids.render(&encode(prompt), &encode(reply)[..tokens], usize::MAX).unwrap();
                assert_eq!(policy.context(&session).unwrap(), apart, "{prompt} {tokens}");
            }
            prompts += 1;
        }
    }
    assert!(prompts > 50, "{prompts}");
}
