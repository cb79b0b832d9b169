//! What the rows of each format mean, and choosing among them.

use saffron_search::eval::data::{
    Columns, DataErrorKind, Dataset, Filter, Format, Item, Label, LabelColumn, Share, read,
};

use super::files::{Files, data, fault, ids, prompts};

#[test]
fn prompts_keep_the_ids_that_their_rows_have() {
    let data =
        data("a.jsonl", "{\"id\":\"x\",\"prompt\":\"How?\"}\n{\"id\":7,\"prompt\":\"Why?\"}\n", &Format::Prompts);
    assert_eq!(ids(&data), ["x", "7"]);
    assert_eq!(data.items[0], Item::new("x", "How?"));
}

#[test]
fn questions_of_gptfuzz_are_named_by_their_index() {
    let data = data("q.csv", "index,text\n4,How?\n9,Why?\n", &Format::GptfuzzQuestions);
    assert_eq!((prompts(&data), ids(&data)), (vec!["How?", "Why?"], vec!["4", "9"]));
}

const REPLIES: &str = "question,Response,label\n9,\"Sure,\nso\",1\n4,No.,0\n9,Never.,0\n";

fn replies_to(questions: &str) -> Format {
    Format::GptfuzzResponses { questions: questions.into() }
}

#[test]
fn replies_of_gptfuzz_get_their_questions_from_the_other_file() {
    let files = Files::new();
    files.write("q.csv", "index,text\n4,How?\n9,Why?\n");
    let data = read(files.write("r.csv.gz", REPLIES), &replies_to("q.csv")).unwrap();
    assert_eq!((prompts(&data), ids(&data)), (vec!["Why?", "How?", "Why?"], vec!["0", "1", "2"]));
    let first = Item { label: Some(Label::Complied), group: Some("9".into()), ..Item::new("0", "Why?") };
    assert_eq!(data.items[0], first.with_reply("Sure,\nso"));
    assert_eq!(data.items[2].label, Some(Label::Refused));
}

#[test]
fn a_reply_to_an_unknown_question_names_it_and_a_bad_file_of_questions_is_named_itself() {
    let files = Files::new();
    let path = files.write("r.csv", REPLIES);
    files.write("q.csv", "index,text\n9,Why?\n");
    let error = read(&path, &replies_to("q.csv")).unwrap_err();
    assert!(error.to_string().ends_with("r.csv: line 4: there is no question `4` among the 1 questions"), "{error}");
    files.write("q.csv", "index,text\n9,Why?\n9,How?\n");
    let error = read(&path, &replies_to("q.csv")).unwrap_err();
    assert!(error.to_string().ends_with("q.csv: line 3: id `9` was already used in line 2"), "{error}");
    let error = read(&path, &replies_to("missing.csv")).unwrap_err();
    assert_eq!(error.path(), files.path("missing.csv"));
}

#[test]
fn topics_of_harmful_qa_keep_the_order_of_the_file() {
    let text = r#"{"Zoology": {"Wasps": ["How?"], "Ants": ["Why?", "When?"]}, "Art": {"Oil": ["Who?"]}}"#;
    let data = data("h.json", text, &Format::HarmfulQa);
    assert_eq!(prompts(&data), ["How?", "Why?", "When?", "Who?"]);
    let groups: Vec<_> = data.items.iter().filter_map(|item| item.group.as_deref()).collect();
    assert_eq!(groups, ["Zoology / Wasps", "Zoology / Ants", "Zoology / Ants", "Art / Oil"]);
}

const CHAT: &str = r#"[{"role":"user","content":"How?"},{"role":"assistant","content":"So."}]"#;

#[test]
fn groups_are_chosen_by_name_and_by_what_they_lie_in() {
    let text = r#"{"Law":{"Tax":["a","b"],"Trade":["c"]},"Lawns":{"Moss":["d"]},"Art":{"Law":["e"]}}"#;
    let prompts = |names: &[&str]| -> Vec<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let data = data("h.json", text, &Format::HarmfulQa).of_groups(&names);
        data.items.into_iter().map(|item| item.prompt).collect()
    };
    assert_eq!(prompts(&["Law"]), ["a", "b", "c"], "neither Lawns nor Art / Law");
    assert_eq!(prompts(&["Art", "Law / Tax"]), ["a", "b", "e"]);
    assert!(prompts(&["law"]).is_empty() && prompts(&[]).is_empty());
}

#[test]
fn a_share_is_one_of_those_that_there_are() {
    let share = |text: &str| serde_json::from_str::<Share>(text).map_err(|error| error.to_string());
    assert_eq!(share(r#"{"take":1,"of":2}"#).unwrap(), Share { take: 1, of: 2 });
    for (text, found) in [(r#"{"take":2,"of":2}"#, "found 2 and 2"), (r#"{"take":0,"of":0}"#, "found 0 and 0")] {
        assert!(share(text).unwrap_err().contains(found), "{text}");
    }
    assert!(share(r#"{"take":0,"of":2,"off":1}"#).is_err());
}

#[test]
fn a_conversation_of_hex_phi_is_a_prompt_and_its_harmful_reply() {
    let data = data("h.jsonl", format!("{CHAT}\n"), &Format::HexPhi);
    let item = Item { label: Some(Label::Complied), ..Item::new("0", "How?") };
    assert_eq!(data.items, [item.with_reply("So.")]);
}

#[test]
fn conversations_of_another_shape_are_refused_with_the_shape_that_was_found() {
    let message = r#"{"role":"user","content":"How?"}"#;
    let cases = [
        (format!("[{message}]"), "line 2: expected two messages, found 1"),
        (
            format!("[{message},{message}]"),
            "line 2: expected a message of `user` and one of `assistant`, found `user` and `user`",
        ),
        (CHAT.replace("How?", " "), "line 2: the prompt is empty"),
    ];
    for (line, expected) in cases {
        assert_eq!(fault("h.jsonl", format!("{CHAT}\n{line}\n"), &Format::HexPhi).1, expected);
    }
    let words = fault("h.jsonl", "{\"role\":\"user\"}\n", &Format::HexPhi).1;
    assert!(words.starts_with("line 1: expected an array of two messages with `role` and `content`"), "{words}");
}

pub(crate) const REWARD_BENCH: &str = r#"{"prompt":"How?","chosen":"No.","rejected":"So.","subset":"refusals-dangerous","id":1}
{"prompt":"2+2?","chosen":"4","rejected":"5","subset":"math-prm","id":2}
{"prompt":"Why?","chosen":"No!","rejected":"Thus.","subset":"refusals-offensive","id":1}
"#;

#[test]
fn only_refusals_of_reward_bench_are_kept_with_the_harmful_reply() {
    let data = data("r.jsonl", REWARD_BENCH, &Format::RewardBench);
    assert_eq!(
        (prompts(&data), ids(&data)),
        (vec!["How?", "Why?"], vec!["refusals-dangerous/1", "refusals-offensive/1"])
    );
    let (label, group) = (Some(Label::Complied), Some(String::from("refusals-offensive")));
    let item = Item { label, category: group.clone(), group, ..Item::new("refusals-offensive/1", "Why?") };
    assert_eq!(data.items[1], item.with_reply("Thus."));
}

fn columns() -> Columns {
    let label = LabelColumn { column: "bad".into(), complied: vec!["true".into()], refused: vec!["false".into()] };
    Columns { reply: Some("a".into()), label: Some(label), group: Some("topic".into()), ..Columns::new("q") }
}

#[test]
fn any_columns_can_be_named_and_null_is_nothing() {
    let text = r#"[{"q":"How?","a":"So.","bad":true,"topic":3},{"q":"Why?","a":null,"bad":false,"topic":null}]"#;
    let data = data("c.json", text, &Format::Columns(columns()));
    let first = Item { label: Some(Label::Complied), group: Some("3".into()), ..Item::new("0", "How?") };
    let second = Item { label: Some(Label::Refused), ..Item::new("1", "Why?") };
    assert_eq!(data.items, [first.with_reply("So."), second]);
}

#[test]
fn a_label_that_means_nothing_is_refused() {
    let (_, words) = fault("c.json", r#"[{"q":"How?","a":"","bad":"maybe","topic":1}]"#, &Format::Columns(columns()));
    assert_eq!(words, r#"row 1: column `bad`: expected one of "true", "false", found "maybe""#);
}

#[test]
fn filtered_rows_keep_their_numbers_and_rows_left_out_may_be_anything() {
    let text = "q,kind\nHow?,harm-1\n,benign\nWhy?,harm-2\n";
    let prefix = Filter::Prefix { column: "kind".into(), value: "harm-".into() };
    let any = Filter::AnyOf { column: "kind".into(), values: vec!["harm-2".into(), "harm-1".into()] };
    for filter in [prefix, any] {
        let data = data("c.csv", text, &Format::Columns(Columns { filter: Some(filter), ..Columns::new("q") }));
        assert_eq!((prompts(&data), ids(&data)), (vec!["How?", "Why?"], vec!["0", "2"]));
    }
    let none = Filter::AnyOf { column: "kind".into(), values: vec![] };
    let format = Format::Columns(Columns { filter: Some(none), ..Columns::new("q") });
    assert!(matches!(fault("c.csv", text, &format).0, DataErrorKind::Empty));
}

#[test]
fn formats_are_named_in_configurations_and_misspelt_settings_are_refused() {
    let named = |text: &str| serde_json::from_str::<Format>(text);
    assert_eq!(named("\"hex-phi\"").unwrap(), Format::HexPhi);
    assert_eq!(named("\"harmful-qa\"").unwrap(), Format::HarmfulQa);
    assert_eq!(named(r#"{"gptfuzz-responses":{"questions":"q.csv"}}"#).unwrap(), replies_to("q.csv"));
    let columns = named(r#"{"columns":{"prompt":"q","filter":{"any-of":{"column":"k","values":["x"]}}}}"#).unwrap();
    assert_eq!(named(&serde_json::to_string(&columns).unwrap()).unwrap(), columns);
    assert!(named(r#"{"columns":{"prompt":"q","replay":"a"}}"#).is_err());
    assert!(named(r#"{"columns":{"prompt":"q","filter":{"prefix":{"column":"k","value":"x","or":1}}}}"#).is_err());
}

fn hundred() -> Dataset {
    data("a.txt", (0..100).map(|row| format!("question {row}\n")).collect::<String>(), &Format::Prompts)
}

#[test]
fn a_sample_depends_on_the_seed_alone_and_begins_every_larger_one() {
    let all = hundred().sample(1000, 5);
    let mut sorted = all.clone();
    sorted.items.sort_by_key(|item| item.id.parse::<usize>().unwrap());
    assert_eq!(sorted.items, hundred().items);
    assert_ne!(all.items, hundred().items);
    assert_eq!(hundred().sample(7, 5).items, all.items[..7]);
    assert_eq!(hundred().sample(7, 5).skip(3).items, all.items[3..7], "what a smaller sample did not have");
    assert!(hundred().skip(101).items.is_empty());
    assert_ne!(hundred().sample(7, 6).items, all.items[..7]);
    assert_eq!(ids(&hundred().sample(4, 5)), PINNED);
}

/// What seed 5 draws from a hundred, so that a change of the drawing does not go unseen.
const PINNED: [&str; 4] = ["43", "9", "72", "58"];

#[test]
fn every_item_is_drawn_about_equally_often() {
    let mut drawn = [0u32; 100];
    for seed in 0..2000 {
        for item in hundred_once().sample(5, seed).items {
            drawn[item.id.parse::<usize>().unwrap()] += 1;
        }
    }
    // 100 expected, standard deviation below 10.
    assert!(drawn.iter().all(|count| (50..150).contains(count)), "{drawn:?}");
}

/// The hundred without reading a file each time.
fn hundred_once() -> Dataset {
    static HUNDRED: std::sync::OnceLock<Dataset> = std::sync::OnceLock::new();
    HUNDRED.get_or_init(hundred).clone()
}

#[test]
fn the_first_items_are_taken_in_the_order_of_the_file() {
    assert_eq!(ids(&hundred().take(3)), ["0", "1", "2"]);
    assert_eq!(hundred().take(1000).items.len(), 100);
}
