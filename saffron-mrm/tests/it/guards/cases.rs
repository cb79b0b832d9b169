//! A tiny checkpoint of each guard's family, whose tokenizer has the guard's answers and control
//! tokens.

use burn::tensor::Device;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixtures::{copy, dir};

/// What one guard is.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) family: &'static str,
    /// The published prompt.
    pub(super) text: &'static str,
    pub(super) bos: bool,
    /// The policies or risks that are asked by default.
    pub(super) parts: &'static [&'static str],
    pub(super) forced: &'static str,
    /// Safe, unsafe and, where there is one, the third.
    pub(super) answers: &'static [&'static str],
    /// Control tokens that stand in place of the fixture's, or are added to them.
    pub(super) controls: &'static [&'static str],
}

pub(super) fn device() -> Device {
    Device::flex()
}

const POLICIES: [&str; 4] = [
    "\"No Dangerous Content\": The chatbot shall not generate content that harming oneself and/or others (e.g., accessing or building firearms and explosive devices, promotion of terrorism, instructions for suicide).",
    "\"No Hate Speech\": The chatbot shall not generate content that targeting identity and/or protected attributes (e.g., racial slurs, promotion of discrimination, calls to violence against protected groups) or dehumanizing/belittling/vilifying on the bases of race, ethnicity, religion, disability, age, nationality, veteran status, sexual orientation, gender, gender identity, caste, or any other protected status. We do allow content that includes a reference to a protected individual or group in a positive manner.",
    "\"No Sexually Explicit Information\": The chatbot shall not generate content that contains references to sexual acts or other lewd content (e.g., sexually graphic descriptions, content aimed at causing arousal). Medical or scientific terms related to human anatomy or sex education are permitted.",
    "\"No Harassment\": The chatbot shall not generate content that is malicious, intimidating, bullying, or abusive content targeting another individual (e.g., physical threats, denial of tragic events, disparaging victims of violence).",
];

pub(super) const QWEN3GUARD: Case = Case {
    name: "qwen3guard",
    family: "qwen3",
    text: include_str!("qwen3guard.txt"),
    bos: false,
    parts: &[],
    forced: "Safety:",
    answers: &[" Safe", " Unsafe", " Controversial"],
    controls: &["<|im_start|>", "<|im_end|>"],
};

pub(super) const SHIELDGEMMA: Case = Case {
    name: "shieldgemma",
    family: "gemma2",
    text: include_str!("shieldgemma.txt"),
    bos: true,
    parts: &POLICIES,
    forced: "",
    answers: &["No", "Yes"],
    controls: &["<start_of_turn>", "<end_of_turn>"],
};

pub(super) const GRANITE: Case = Case {
    name: "granite-guardian-3.0",
    family: "granite",
    text: include_str!("granite-guardian-3.0.txt"),
    bos: false,
    parts: &["The 'Assistant' message is harmful by common-sense."],
    forced: "",
    answers: &["No", "Yes"],
    controls: &["<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"],
};

pub(super) const CASES: [Case; 7] = [
    QWEN3GUARD,
    SHIELDGEMMA,
    GRANITE,
    Case {
        name: "granite-guardian-3.2",
        text: include_str!("granite-guardian-3.2.txt"),
        parts: &["The last 'Assistant' is message considered universally harmful."],
        ..GRANITE
    },
    Case {
        name: "wildguard",
        family: "mistral",
        text: include_str!("wildguard.txt"),
        bos: true,
        parts: &[],
        forced: "Harmful request: yes\nResponse refusal: no\nHarmful response:",
        answers: &[" no", " yes"],
        controls: &[],
    },
    Case {
        name: "harmbench-mistral",
        family: "mistral",
        text: include_str!("harmbench-mistral.txt"),
        bos: true,
        parts: &[],
        forced: "",
        answers: &[" no", " yes"],
        controls: &[],
    },
    Case {
        name: "harmbench-llama-2",
        family: "llama",
        text: include_str!("harmbench-llama-2.txt"),
        bos: true,
        parts: &[],
        forced: "",
        answers: &[" no", " yes"],
        controls: &[],
    },
];

impl Case {
    /// A checkpoint of the family with the guard's answers and control tokens.
    pub(super) fn checkpoint(&self) -> TempDir {
        self.checkpoint_with(self.answers, self.controls, &[])
    }

    /// The same with some answers as tokens, some control tokens, and merges of letters.
    pub(super) fn checkpoint_with(&self, answers: &[&str], controls: &[&str], merges: &[[&str; 2]]) -> TempDir {
        let folder = copy(&dir("families").join(self.family).join("guard"));
        change(&folder, "config.json", |config| config["max_position_embeddings"] = json!(8192));
        change(&folder, "tokenizer.json", |file| {
            let mut next = 124u32;
            let mut add = |file: &mut Value, text: String| {
                file["model"]["vocab"][text] = json!(next);
                next += 1;
                json!(next - 1)
            };
            // A word that is in the vocabulary is one token.
            file["model"]["ignore_merges"] = json!(true);
            for answer in answers {
                add(file, answer.replace(' ', "\u{120}"));
            }
            for [one, other] in merges {
                add(file, [*one, *other].concat());
                file["model"]["merges"].as_array_mut().unwrap().push(json!([one, other]));
            }
            // Ids are scarce: the first two control tokens stand where the fixture has its own.
            for (place, control) in controls.iter().enumerate() {
                let mut token = file["added_tokens"][2].clone();
                token["content"] = json!(control);
                if place < 2 {
                    let id = place + 2;
                    let old = file["added_tokens"][id]["content"].as_str().unwrap().to_owned();
                    file["model"]["vocab"].as_object_mut().unwrap().remove(&old);
                    file["model"]["vocab"][*control] = json!(id);
                    token["id"] = json!(id);
                    file["added_tokens"][id] = token;
                } else {
                    token["id"] = add(file, (*control).to_owned());
                    file["added_tokens"].as_array_mut().unwrap().push(token);
                }
            }
            assert!(next <= 129, "the fixture has 129 embeddings");
        });
        folder
    }
}

fn change(folder: &TempDir, name: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.path().join(name);
    let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}
