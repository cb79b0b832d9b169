//! What a report says of empty answers, and how it writes numbers.

use saffron_examples::compare::table;
use saffron_search::eval::comparison::Results;
use saffron_search::eval::runs::summary::{SummarySettings, summarise};
use saffron_search::eval::runs::{Answer, Arm, Ending, Judgement, Kind, Record, Timings};

fn record(strategy: &str, place: usize, kind: Kind, text: &str) -> Record {
    let judgements = vec![Judgement { judge: "guard".into(), safe: !text.starts_with("Sure"), score: None }];
    let answer = Answer { text: Some(text.into()), refused: Some(text == "No."), judgements, ..Answer::default() };
    let set = if kind == Kind::Benign { "harmless" } else { "harmful" };
    let key = Arm::new(strategy, 1).key(&format!("{set}{place}"));
    let ending = Ending::Answered(Box::new(answer));
    let (category, template, prompt, timings) = (None, None, None, Timings::default());
    Record { key, index: place, group: 0, set: set.into(), kind, category, template, prompt, ending, timings }
}

fn report(answers: &[(&str, Kind, &[&str])]) -> String {
    let of = |(strategy, kind, texts): &(&str, Kind, &[&str])| {
        texts.iter().enumerate().map(|(place, text)| record(strategy, place, kind.clone(), text)).collect::<Vec<_>>()
    };
    let records: Vec<Record> = answers.iter().flat_map(of).collect();
    let rows = summarise(&records, &SummarySettings::default());
    table(&Results {
        rows,
        fits: Vec::new(),
        paired: Vec::new(),
        by_category: Vec::new(),
        by_template: Vec::new(),
        notes: Vec::new(),
        published: Vec::new(),
    })
}

fn attacked() -> Kind {
    Kind::Attacked { attack: "prefill".into() }
}

#[test]
fn a_table_has_the_share_of_empty_answers_and_says_so_where_there_are_some() {
    let told = report(&[
        ("greedy", attacked(), &["Sure", "Sure", "No.", "Perhaps"]),
        ("silent", attacked(), &["", " ", "\u{200b}", "No."]),
        ("silent", Kind::Benign, &["Hello", "", "Hello", "No.", "Hello", "Hello", "Hello", "Hello"]),
    ]);
    let row = |strategy: &str, set: &str| {
        let mut lines = told.lines().filter(|line| line.contains(strategy) && line.contains(set));
        lines.next().unwrap_or_else(|| panic!("{strategy} on {set} in {told}")).to_owned()
    };
    assert!(row("greedy", "harmful").contains(" 0.000 "), "{told}");
    let silent = row("silent", "harmful");
    assert!(silent.contains(" 0.750 ") && silent.contains("0.000 [0.000, 0.490]"), "no attack won: {told}");
    assert!(row("silent", "harmless").contains(" 0.125 "), "{told}");
    assert!(told.contains("3 of 4 answers of silent at 1 on harmful are empty"), "{told}");
    assert!(told.contains("1 of 8 answers of silent at 1 on harmless are empty"), "{told}");
    assert!(told.contains("no evidence of a defence") && !told.contains("answers of greedy"), "{told}");
}

#[test]
fn a_table_without_empty_answers_says_nothing_of_them() {
    let told = report(&[("greedy", attacked(), &["Sure", "No."])]);
    assert!(!told.contains("are empty") && !told.contains("evidence"), "{told}");
}
