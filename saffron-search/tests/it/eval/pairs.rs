//! Preference pairs.

use proptest::prelude::*;
use saffron_search::eval::data::{DataErrorKind, Format, Pair, Speaker, Turn, read, read_pairs};
use serde_json::json;

use super::data::REWARD_BENCH;
use super::files::{Files, fault};

fn pairs(name: &str, content: &str, format: &Format) -> Vec<Pair> {
    read_pairs(Files::new().write(name, content), format).unwrap().pairs
}

fn human(text: &str) -> Turn {
    Turn { speaker: Speaker::Human, text: text.into() }
}

fn assistant(text: &str) -> Turn {
    Turn { speaker: Speaker::Assistant, text: text.into() }
}

fn line(chosen: &str, rejected: &str) -> String {
    format!("{}\n", json!({ "chosen": chosen, "rejected": rejected }))
}

#[test]
fn a_pair_of_dialogues_is_what_they_share_and_two_replies() {
    let shared = "\n\nHuman: Hi \n\nAssistant: Hello\n\nHuman: How?\n\nAssistant:";
    let content = line(&format!("{shared} No."), &format!("{shared} So."));
    let pairs = pairs("hh.jsonl.gz", &content, &Format::HhRlhf);
    let dialogue = vec![human("Hi"), assistant("Hello"), human("How?")];
    assert_eq!(pairs, [Pair { id: "0".into(), dialogue, chosen: "No.".into(), rejected: "So.".into() }]);
    let data = read(Files::new().write("hh.jsonl", content), &Format::HhRlhf).unwrap();
    assert_eq!(data.items[0].prompt, "Hi\n\nAssistant: Hello\n\nHuman: How?");
    assert_eq!(data.items[0].reply.as_deref(), Some("So."));
}

#[test]
fn dialogues_that_part_early_are_parted_where_they_part() {
    let chosen = "\n\nHuman: How?\n\nAssistant: No.\n\nHuman: Please\n\nAssistant: Never.";
    let rejected = "\n\nHuman: How?\n\nAssistant: Nearly so.";
    let pairs = pairs("hh.jsonl", &line(chosen, rejected), &Format::HhRlhf);
    assert_eq!(pairs[0].dialogue, [human("How?")]);
    assert_eq!(pairs[0].chosen, "No.\n\nHuman: Please\n\nAssistant: Never.");
    assert_eq!(pairs[0].rejected, "Nearly so.");
}

#[test]
fn dialogues_without_a_common_turn_or_without_marks_are_refused() {
    let cases = [
        ("\n\nHuman: How?\n\nAssistant: a", "\n\nHuman: Why?\n\nAssistant: b", "share no beginning"),
        ("How?\n\nAssistant: a", "How?\n\nAssistant: b", "a dialogue must begin with"),
        ("\n\nHuman: \n\nAssistant: a", "\n\nHuman: \n\nAssistant: b", "the prompt is empty"),
        ("\n\nAssistant: a", "\n\nAssistant: b", "the prompt is empty"),
        ("", "", "share no beginning"),
    ];
    for (chosen, rejected, expected) in cases {
        let (_, words) = fault("hh.jsonl", line(chosen, rejected), &Format::HhRlhf);
        assert!(words.starts_with("line 1: ") && words.contains(expected), "{words}");
    }
}

#[test]
fn reward_bench_has_pairs_and_formats_without_pairs_say_so() {
    let pairs = pairs("r.jsonl", REWARD_BENCH, &Format::RewardBench);
    assert_eq!(pairs.len(), 2);
    assert_eq!(
        (&pairs[0].dialogue[..], pairs[0].chosen.as_str(), pairs[0].rejected.as_str()),
        (&[human("How?")][..], "No.", "So.")
    );
    let error = read_pairs(Files::new().write("a.txt", "How?\n"), &Format::Prompts).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::NotPairs));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_dialogues_hold_nothing_panics(chosen in "(\n\nHuman:|\n\nAssistant:|[a-zß’\n ]){0,8}", rejected in "(\n\nHuman:|\n\nAssistant:|[a-zß’\n ]){0,8}") {
        let files = Files::new();
        let path = files.write("hh.jsonl", line(&chosen, &rejected));
        if let Ok(pairs) = read_pairs(path, &Format::HhRlhf) {
            prop_assert!(!pairs.pairs[0].dialogue.is_empty());
            prop_assert!(chosen.trim_end().ends_with(&pairs.pairs[0].chosen));
            prop_assert!(rejected.trim_end().ends_with(&pairs.pairs[0].rejected));
        }
    }
}
