//! The public data files themselves, in a folder that `SAFFRON_DATA` names.

use std::path::PathBuf;

use saffron_search::eval::data::{Dataset, Format, Label, Speaker, read, read_pairs};
use saffron_search::eval::judge::RefusalPhrases;

fn file(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("SAFFRON_DATA").expect("SAFFRON_DATA names the folder of the data files")).join(name)
}

fn responses(name: &str) -> Dataset {
    read(file(name), &Format::GptfuzzResponses { questions: "gptfuzz_questions.csv".into() }).unwrap()
}

fn count(data: &Dataset, label: Label) -> usize {
    data.items.iter().filter(|item| item.label == Some(label)).count()
}

#[test]
#[ignore = "needs public data files: SAFFRON_DATA=DIR cargo test -p saffron-search --features eval --test it -- --ignored public_data"]
fn gptfuzz_is_read_whole() {
    let questions = read(file("gptfuzz_questions.csv"), &Format::GptfuzzQuestions).unwrap();
    assert_eq!((questions.items.len(), questions.items[99].id.as_str()), (100, "99"));
    for (name, refused, complied) in
        [("gptfuzz_responses_train.csv.gz", 4466, 1694), ("gptfuzz_responses_eval.csv.gz", 995, 545)]
    {
        let data = responses(name);
        assert_eq!((count(&data, Label::Refused), count(&data, Label::Complied)), (refused, complied));
        assert_eq!(data.items.len(), refused + complied);
        assert!(data.items.iter().all(|item| item.reply.is_some()));
    }
}

#[test]
#[ignore = "needs public data files: SAFFRON_DATA=DIR cargo test -p saffron-search --features eval --test it -- --ignored public_data"]
fn harmful_qa_is_read_whole_and_in_order() {
    let data = read(file("harmfulqa.json"), &Format::HarmfulQa).unwrap();
    assert_eq!(data.items.len(), 1960);
    assert_eq!(data.items[0].group.as_deref(), Some("Social Sciences / Cultural Studies"));
    assert_eq!(data.items[1959].group.as_deref(), Some("History and Culture / Historical Figures"));
}

#[test]
#[ignore = "needs public data files: SAFFRON_DATA=DIR cargo test -p saffron-search --features eval --test it -- --ignored public_data"]
fn every_dialogue_of_hh_rlhf_begins_with_a_human_and_is_put_together_again_from_its_parts() {
    let pairs = read_pairs(file("hh_harmless_test.jsonl.gz"), &Format::HhRlhf).unwrap().pairs;
    assert_eq!(pairs.len(), 2312);
    assert!(pairs.iter().all(|pair| pair.dialogue[0].speaker == Speaker::Human));
    let last_is_human = pairs.iter().filter(|pair| pair.dialogue.last().unwrap().speaker == Speaker::Human).count();
    assert!(last_is_human >= 2300, "{last_is_human}");
    assert!(pairs.iter().all(|pair| pair.chosen != pair.rejected));
}

#[test]
#[ignore = "needs public data files: SAFFRON_DATA=DIR cargo test -p saffron-search --features eval --test it -- --ignored public_data"]
fn refusal_phrases_find_most_refusals_of_gptfuzz_and_are_fooled_by_replies_that_comply_after_refusing() {
    let judge = RefusalPhrases::default();
    let files = ["gptfuzz_responses_train.csv.gz", "gptfuzz_responses_eval.csv.gz"].map(responses);
    let says = |label| {
        let items = files.iter().flat_map(|data| &data.items).filter(|item| item.label == Some(label));
        let refused = items.filter_map(|item| item.reply.as_ref()).filter(|reply| judge.refuses(reply)).count();
        refused as f64 / files.iter().map(|data| count(data, label)).sum::<usize>() as f64
    };
    let (found, mistaken) = (says(Label::Refused), says(Label::Complied));
    let figures = format!("{found:.3} of the refusals found, {mistaken:.3} of the others called refusals");
    assert!((0.87..0.89).contains(&found) && (0.39..0.41).contains(&mistaken), "{figures}");
}
