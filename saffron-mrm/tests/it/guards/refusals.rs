//! What is no guard, and which guard a checkpoint is.

use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::TextTokenizer;
use saffron_mrm::{LoadError, guards};
use tempfile::TempDir;

use super::cases::{CASES, GRANITE, QWEN3GUARD, SHIELDGEMMA};
use crate::sentence_piece::set_template;

fn refused(folder: &TempDir, name: &str) -> LoadError {
    let tokenizer = TextTokenizer::from_dir(folder.path(), 129).unwrap();
    guards::named(name, &tokenizer).map(drop).unwrap_err()
}

#[test]
fn an_answer_that_is_not_one_token_is_refused() {
    for case in &CASES {
        let folder = case.checkpoint_with(&case.answers[1..], case.controls, &[]);
        let error = refused(&folder, case.name);
        let expected = case.answers[0];
        let as_expected = matches!(&error, LoadError::GuardAnswer { name, answer, found }
            if *name == case.name && *answer == expected && *found > 1);
        assert!(as_expected, "{error}");
    }
    let folder = QWEN3GUARD.checkpoint_with(&QWEN3GUARD.answers[..2], QWEN3GUARD.controls, &[]);
    let words = refused(&folder, "qwen3guard").to_string();
    // A space and letters: they may begin anything.
    assert!(words.contains("expected one token for the answer \" Controversial\", found 13"), "{words}");
}

/// Qwen's tokenizer has the third label in three tokens, of which the first is no beginning of the
/// others.
#[test]
fn the_first_token_of_a_third_answer_is_enough() {
    let merges = [["\u{120}", "C"], ["\u{120}C", "o"]];
    let folder = QWEN3GUARD.checkpoint_with(&QWEN3GUARD.answers[..2], QWEN3GUARD.controls, &merges);
    let tokenizer = TextTokenizer::from_dir(folder.path(), 129).unwrap();
    let questions = guards::named("qwen3guard", &tokenizer).unwrap();
    assert_eq!(questions.third().map(|third| third.token), tokenizer.token_id("\u{120}Co"));
    assert!(questions.single().is_none(), "three answers");
}

#[test]
fn a_guards_marks_are_control_tokens() {
    for case in CASES.iter().filter(|case| !case.controls.is_empty()) {
        let last = case.controls.len() - 1;
        let error = refused(&case.checkpoint_with(case.answers, &case.controls[..last], &[]), case.name).to_string();
        let says =
            format!("guard template {:?}: {} is no special token of this tokenizer", case.name, case.controls[last]);
        assert_eq!(error, says);
    }
}

#[test]
fn unknown_names_are_refused_with_those_that_are_known() {
    let folder = SHIELDGEMMA.checkpoint();
    let cases = [
        ("shieldgema", "unknown; the names are granite-guardian-3.0, granite-guardian-3.2, harmbench-llama-2"),
        ("shieldgemma:hat", "no question \"hat\"; the questions are: dangerous, hate, sexual, harassment"),
        ("shieldgemma:", "no question \"\""),
        ("wildguard:harm", "no question \"harm\"; the questions are: none has a name"),
        ("llama-guard-3:S1", "it has one question"),
    ];
    for (name, says) in cases {
        let error = refused(&folder, name).to_string();
        assert!(error.starts_with("guard template ") && error.contains(says), "{error}");
    }
}

#[test]
fn a_checkpoint_is_recognised_by_its_chat_template_alone() {
    let recognised = |folder: &TempDir| guards::recognised(&Checkpoint::open(folder.path()).unwrap());
    let qwen = "{{ \"<|im_start|>user\n<BEGIN SAFETY POLICY>\n**Safety: Controversial**: …\n<BEGIN UNSAFE CONTENT \
                CATEGORIES>\nViolent.\n<BEGIN REFUSAL POLICY>\n\" }}";
    let gemma = "{{ bos_token }}You are a policy expert trying to help determine whether {{ use_case }}\n<start_of_turn>\n\
                 Human Question: {{ messages[-2].content }}\nChatbot Response: {{ messages[-1].content }}";
    let granite = "{%- set first_act = \"You are a safety agent trying to help determine whether the assistant message \
                   to the user message is harmful according to the safety risk definition below.\" %}\
                   {%- set second_act = \"\\n<start_of_risk_definition>\\n* \" + risk %}{{ second_act }}";
    for (case, template) in [(&QWEN3GUARD, qwen), (&SHIELDGEMMA, gemma), (&GRANITE, granite)] {
        let folder = case.checkpoint();
        assert_eq!(recognised(&folder), None, "{}: no template", case.name);
        set_template(folder.path(), Some("{% for m in messages %}{{ m.content }}{% endfor %}"));
        assert_eq!(recognised(&folder), None, "{}: another template", case.name);
        set_template(folder.path(), Some(template));
        assert_eq!(recognised(&folder), Some(case.name));
        set_template(folder.path(), Some("{% no template"));
        assert_eq!(recognised(&folder), None, "{}: a template that cannot be read", case.name);
    }
    // Granite Guardian 3.1 writes another sign before the risk.
    let folder = GRANITE.checkpoint();
    set_template(folder.path(), Some(&granite.replace("\\n* ", "\\n- ")));
    assert_eq!(recognised(&folder), None);
}
