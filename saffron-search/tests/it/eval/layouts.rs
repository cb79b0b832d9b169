//! Layouts of rows: tables without a header, arrays in objects, nested fields, chat messages, texts
//! of several columns, rows without a prompt.

use saffron_search::eval::data::{
    Choice, Columns, DataErrorKind, Dataset, Format, LabelColumn, LeftOut, Speaker, Turn, Unwanted, read, read_chosen,
    read_pairs,
};
use serde_json::json;

use super::files::{Files, data, fault, ids, prompts};

/// The format that a configuration's columns say.
fn columns(columns: serde_json::Value) -> Format {
    serde_json::from_value(json!({ "columns": columns })).unwrap()
}

fn refused(format: serde_json::Value) -> String {
    serde_json::from_value::<Format>(format).unwrap_err().to_string()
}

#[test]
fn values_with_tabs_between_them_are_columns() {
    let text = "kind\tprompt\nx\t\"How,\n\"\"then\"\"?\"\ny\tWhy?\n";
    for name in ["a.tsv", "a.TSV", "a.tsv.gz"] {
        let data = data(name, text, &Format::Prompts);
        assert_eq!((prompts(&data), ids(&data)), (vec!["How,\n\"then\"?", "Why?"], vec!["0", "1"]), "{name}");
    }
    let (kind, words) = fault("a.tsv", "kind\tprompt\nx\tHow?\ty\n", &Format::Prompts);
    assert!(matches!(kind, DataErrorKind::FieldCount { line: 2, expected: 2, found: 3 }), "{words}");
    // A quotation mark is a letter where fields have none around them.
    let bare = columns(json!({ "prompt": "prompt", "quotes": false }));
    assert_eq!(prompts(&data("a.tsv", "prompt\tn\n\"How\" so?\t1\n\"\t2\n", &bare)), ["\"How\" so?", "\""]);
}

#[test]
fn columns_without_a_header_are_numbers() {
    let format = columns(json!({ "prompt": "1", "category": "0", "header": false }));
    let data = data("a.csv", "tea,\"How,\nthen?\"\nmilk,Why?", &format);
    assert_eq!((prompts(&data), ids(&data)), (vec!["How,\nthen?", "Why?"], vec!["0", "1"]));
    assert_eq!(data.items[1].category.as_deref(), Some("milk"));
    let (_, words) = fault("a.csv", "How?\n", &format);
    assert_eq!(words, "line 1: no column `1` among 1 column: \"0\"");
    let (kind, words) = fault("a.csv", "a,b\nc\n", &format);
    assert!(matches!(kind, DataErrorKind::FieldCount { line: 2, expected: 2, found: 1 }), "{words}");
    // Rows of one column, the first of which would else be taken for the header.
    let one = columns(json!({ "prompt": "0", "header": false }));
    assert_eq!(prompts(&super::files::data("a.csv", "How?\n\"Why, then?\"\n", &one)), ["How?", "Why, then?"]);
}

#[test]
fn what_a_container_cannot_have_is_refused_by_key() {
    let cases = [
        (
            json!({ "prompt": "0", "header": false }),
            "a.jsonl",
            "`header = false` is for files that end in .csv or .tsv",
        ),
        (json!({ "prompt": "p", "quotes": false }), "a.json", "`quotes = false` is for files that end in .csv or .tsv"),
        (json!({ "prompt": "p", "rows": "data" }), "a.jsonl", "`rows (or `[]`)` is for files that end in .json"),
        (json!({ "prompt": "data[].p" }), "a.csv", "`rows (or `[]`)` is for files that end in .json"),
    ];
    for (format, name, expected) in cases {
        let (kind, words) = fault(name, "{\"p\":\"How?\"}\n", &columns(format));
        assert!(matches!(kind, DataErrorKind::Layout { .. }), "{words}");
        assert_eq!(words, expected);
    }
    let unknown = refused(json!({ "columns": { "prompt": "p", "head": false } }));
    assert!(unknown.contains("unknown field `head`"), "{unknown}");
}

#[test]
fn an_array_of_texts_is_rows_of_one_column() {
    let format = columns(json!({ "prompt": "question" }));
    for (name, text) in [("a.json", "[\"How?\", \"Why?\"]"), ("a.jsonl", "\"How?\"\n\"Why?\"\n")] {
        for format in [&Format::Prompts, &format] {
            assert_eq!(prompts(&data(name, text, format)), ["How?", "Why?"], "{name}");
        }
    }
    let (_, words) = fault("a.json", "[\"How?\", 7]", &Format::Prompts);
    assert_eq!(words, "row 2: expected an object, found a number");
    let (_, words) = fault("a.json", "[\"How?\", \"\"]", &Format::Prompts);
    assert_eq!(words, "row 2: the prompt is empty");
}

const WRAPPED: &str = r#"{"method": {"name": "Tea"}, "out": {"jailbreaks": [
    {"prompt": "How?", "meta": {"topic": "tea", "tags": ["a", "b"]}},
    {"prompt": "Why?", "meta": null}]}, "end": [1]}"#;

#[test]
fn rows_inside_of_objects_are_found_by_their_keys_or_by_a_path() {
    let by_key = columns(json!({ "prompt": "prompt", "category": "meta.topic", "rows": "out.jailbreaks" }));
    let by_path = columns(json!({ "prompt": "out.jailbreaks[].prompt", "category": "out.jailbreaks[].meta.topic" }));
    for format in [by_key, by_path] {
        let data = data("a.json", WRAPPED, &format);
        assert_eq!(prompts(&data), ["How?", "Why?"]);
        assert_eq!((data.items[0].category.as_deref(), data.items[1].category.as_deref()), (Some("tea"), None));
    }
    let texts = columns(json!({ "prompt": "data.prompts[]" }));
    assert_eq!(prompts(&data("a.json", r#"{"data": {"prompts": ["How?", "Why?"]}}"#, &texts)), ["How?", "Why?"]);
    let files = Files::new();
    let path = files.write("a.json", WRAPPED);
    let first = Choice { take: Some(1), ..Choice::default() };
    let format = columns(json!({ "prompt": "prompt", "rows": "out.jailbreaks" }));
    assert_eq!(read_chosen(path, &format, &first).unwrap().items.len(), 1);
}

#[test]
fn an_object_without_the_rows_tells_its_keys() {
    let format = |rows: &str| columns(json!({ "prompt": "prompt", "rows": rows }));
    let (kind, words) = fault("a.json", WRAPPED, &format("out.rows"));
    assert!(matches!(kind, DataErrorKind::NoRows { .. }), "{words}");
    assert_eq!(words, "no rows under the key `rows`, found the keys \"jailbreaks\"");
    assert_eq!(fault("a.json", "{}", &format("rows")).1, "no rows under the key `rows`, found an empty object");
    let (_, words) = fault("a.json", WRAPPED, &format("method"));
    assert!(words.contains("expected an array of rows"), "{words}");
    let (_, words) = fault("a.json", "[{\"prompt\":\"How?\"}]", &format("rows"));
    assert!(words.contains("expected an object with the rows under `rows`"), "{words}");
    let twice = r#"{"rows": [{"prompt": "How?"}], "rows": []}"#;
    let (_, words) = fault("a.json", twice, &format("rows"));
    assert!(words.contains("the key `rows` stands twice in an object"), "{words}");
    let (_, words) = fault("a.json", WRAPPED, &Format::Prompts);
    assert!(words.contains("expected an array of rows"), "{words}");
}

#[test]
fn a_path_leads_into_lists_and_objects_and_is_never_guessed() {
    let format = columns(json!({ "prompt": "turns.0", "category": "meta.topic", "id": "meta.n" }));
    let text = "{\"turns\":[\"How?\",\"So?\"],\"meta\":{\"topic\":\"tea\",\"n\":7}}\n";
    let data = data("a.jsonl", text, &format);
    assert_eq!((prompts(&data), ids(&data)), (vec!["How?"], vec!["7"]));
    let (_, words) = fault("a.jsonl", "{\"turns\":[],\"meta\":{\"topic\":\"tea\",\"n\":7}}\n", &format);
    assert_eq!(words, "line 1: no column `turns.0` among 2 columns: \"meta\", \"turns\"");
    // A name with dots comes first, as before there were paths.
    let named = columns(json!({ "prompt": "a.b" }));
    assert_eq!(prompts(&super::files::data("a.jsonl", "{\"a.b\":\"How?\"}\n", &named)), ["How?"]);
    let (_, words) = fault("a.jsonl", "{\"a.b\":\"How?\",\"a\":{\"b\":\"Why?\"}}\n", &named);
    assert_eq!(words, "line 1: `a.b` is both the name of a column and a path to a value");
}

#[test]
fn columns_of_different_rows_are_refused() {
    for format in [
        json!({ "prompt": "a[].prompt", "category": "b[].kind" }),
        json!({ "prompt": "a[].prompt", "category": "kind" }),
        json!({ "prompt": "a[].prompt", "rows": "b" }),
        json!({ "prompt": "a[].prompt", "label": { "column": "bad", "complied": ["1"], "refused": ["0"] } }),
    ] {
        let (_, words) = fault("a.json", "{}", &columns(format));
        assert!(words.contains("all columns must stand in the same rows"), "{words}");
    }
    for path in ["a[].b[].prompt", "[].prompt", "a[]prompt"] {
        let (_, words) = fault("a.json", "{}", &columns(json!({ "prompt": path })));
        assert!(words.contains("expected `[]` once"), "{words}");
    }
    let label = LabelColumn { column: "a[].bad".into(), complied: vec!["1".into()], refused: vec!["0".into()] };
    let format = Format::Columns(Columns { label: Some(label), ..Columns::new("a[].prompt") });
    assert!(data("a.json", r#"{"a": [{"prompt": "How?", "bad": 1}]}"#, &format).items[0].label.is_some());
}

#[test]
fn a_prompt_is_built_from_several_columns() {
    let format = columns(json!({
        "prompt": "{Context}\n\n---\n\n{Behavior} \\{as is\\} C:\\x",
        "goal": "Behavior",
        "context": "Context",
        "category": "{a.b} / {n}",
    }));
    let text = r#"[{"Context": "Tea {Behavior}.", "Behavior": "How?", "a": {"b": "x"}, "n": 3}]"#;
    let item = data("a.json", text, &format).items.remove(0);
    assert_eq!(item.prompt, "Tea {Behavior}.\n\n---\n\nHow? {as is} C:\\x", "what is put in is not searched again");
    assert_eq!((item.question(), item.goal.as_deref()), ("How?", Some("How?")));
    assert_eq!((item.context.as_deref(), item.category.as_deref()), (Some("Tea {Behavior}."), Some("x / 3")));
    assert!(item.is_attacked() && format.has_goals());
}

#[test]
fn a_text_of_columns_that_makes_no_sense_is_refused_before_the_file() {
    let cases = [
        ("{a", "a `{` that no `}` closes"),
        ("{a{b}}", "a `{` that no `}` closes"),
        ("a} {b}", "a `}` without a `{` before it"),
        ("{}", "`{}` names no column"),
    ];
    for (pattern, expected) in cases {
        let Format::Columns(columns) = columns(json!({ "prompt": pattern })) else { panic!() };
        let kind = columns.check().unwrap_err();
        assert!(matches!(kind, DataErrorKind::Pattern { .. }));
        assert!(kind.to_string().contains(expected), "{kind}");
    }
    let (kind, words) = fault("a.csv", "a,b\nHow?,x\n", &columns(json!({ "prompt": "{a} {c}" })));
    assert!(matches!(kind, DataErrorKind::MissingColumn { .. }), "{words}");
    assert!(words.starts_with("line 2: no column `c` among 2 columns: \"a\", \"b\""), "{words}");
    let (_, words) = fault("a.csv", "a,b\n\" \",\n", &columns(json!({ "prompt": "{a}: {b}" })));
    assert_eq!(words, "line 2: the prompt is empty", "words of the pattern are no prompt");
}

fn counts(data: &Dataset) -> (usize, usize, usize) {
    let LeftOut { filtered, empty, system } = data.left_out;
    (filtered, empty, system)
}

#[test]
fn rows_without_a_prompt_are_refused_or_left_out_and_counted() {
    let text = r#"[{"p": "How?"}, {"p": null}, {"p": " "}, {"p": "Why?"}]"#;
    assert_eq!(
        fault("a.json", text, &columns(json!({ "prompt": "p" }))).1,
        "row 2, column `p`: expected text, found null"
    );
    let drop = columns(json!({ "prompt": "p", "empty": "drop" }));
    let data = data("a.json", text, &drop);
    assert_eq!((prompts(&data), ids(&data), counts(&data)), (vec!["How?", "Why?"], vec!["0", "3"], (0, 2, 0)));
    assert_eq!(data.left_out.to_string(), "left out: 2 rows without a prompt");
    let (_, words) = fault("a.json", "[{\"q\": \"How?\"}]", &drop);
    assert!(words.starts_with("row 1: no column `p`"), "a column that is not there is no empty prompt: {words}");
    assert!(matches!(fault("a.json", "[{\"p\": null}]", &drop).0, DataErrorKind::Empty));
    let pattern = columns(json!({ "prompt": "{a}: {b}", "empty": "drop" }));
    let data = super::files::data("a.csv", "a,b\n,\n,How?\n", &pattern);
    assert_eq!((prompts(&data), counts(&data)), (vec![": How?"], (0, 1, 0)));
}

#[test]
fn rows_that_the_filter_does_not_keep_are_counted() {
    let filter = json!({ "any-of": { "column": "kind", "values": ["tea"] } });
    let data =
        data("a.csv", "p,kind\nHow?,tea\nWhy?,milk\n,milk\n", &columns(json!({ "prompt": "p", "filter": filter })));
    assert_eq!((prompts(&data), counts(&data)), (vec!["How?"], (2, 0, 0)));
    assert_eq!(data.left_out.to_string(), "left out: 2 rows that the filter does not keep");
    assert!(super::files::data("a.txt", "How?\n", &Format::Prompts).left_out.is_nothing());
}

#[test]
fn chat_messages_are_a_prompt_and_its_reply() {
    let messages = columns(json!({ "prompt": "messages" }));
    let text = r#"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":" How? "},{"role":"assistant","content":"So."}]}
{"messages":[{"role":"user","content":"Why?"}]}
"#;
    let first = data("a.jsonl", text, &messages);
    assert_eq!(prompts(&first), ["Hi\n\nAssistant: Hello\n\nHuman: How?", "Why?"]);
    assert_eq!((first.items[0].reply.as_deref(), first.items[1].reply.as_deref()), (Some("So."), None));
    let conversations = columns(json!({ "prompt": "conversations" }));
    let text = r#"[{"conversations":[{"from":"human","value":"How?"},{"from":"gpt","value":"So."}]}]"#;
    let data = data("a.json", text, &conversations);
    assert_eq!((prompts(&data), data.items[0].reply.as_deref()), (vec!["How?"], Some("So.")));
}

#[test]
fn messages_of_another_shape_are_refused_with_their_number() {
    let cases = [
        (r#"[{"role":"user","content":"How?"},{"role":"tool","content":"x"}]"#, "message 2: expected the role"),
        (r#"[{"role":"user"}]"#, "message 1: expected `role` and `content`, or `from` and `value`"),
        (r#"[{"role":"user","content":["How?"]}]"#, "message 1: expected text as role and as content"),
        (r#"[{"role":"system","content":"x"},{"role":"user","content":"How?"}]"#, "message 1: a system message"),
        (r#"[{"role":"assistant","content":"So."}]"#, "the prompt is empty"),
        (
            r#"[{"role":"user","content":"How?"},{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]"#,
            "2 messages of an assistant in a row end the dialogue",
        ),
    ];
    for (messages, expected) in cases {
        let line = format!("{{\"messages\":{messages}}}\n");
        let (_, words) = fault("a.jsonl", line, &columns(json!({ "prompt": "messages" })));
        assert!(words.starts_with("line 1: ") && words.contains(expected), "{words}");
    }
    let dropped = columns(json!({ "prompt": "messages", "system": "drop" }));
    let text = r#"[{"messages":[{"role":"system","content":"x"},{"role":"user","content":"How?"}]}]"#;
    let data = data("a.json", text, &dropped);
    assert_eq!((prompts(&data), counts(&data)), (vec!["How?"], (0, 0, 1)));
    let replied = columns(json!({ "prompt": "messages", "reply": "r" }));
    let text = r#"[{"messages":[{"role":"user","content":"How?"},{"role":"assistant","content":"So."}],"r":"No."}]"#;
    assert!(fault("a.json", text, &replied).1.contains("a reply of its own beside the column `reply`"));
}

fn turn(speaker: Speaker, text: &str) -> Turn {
    Turn { speaker, text: text.into() }
}

#[test]
fn preferences_of_every_shape_are_pairs_and_items() {
    let rows = [
        r#"{"chosen":[{"role":"user","content":"How?"},{"role":"assistant","content":"No."}],"rejected":[{"role":"user","content":"How?"},{"role":"assistant","content":"So."}]}"#,
        r#"{"prompt":[{"role":"user","content":"How?"}],"chosen":[{"role":"assistant","content":"No."}],"rejected":[{"role":"assistant","content":"So."}]}"#,
        r#"{"prompt":"How?","chosen":" No.","rejected":" So."}"#,
        r#"{"prompt":"How?","chosen":[{"role":"user","content":"How?"},{"role":"assistant","content":"No."}],"rejected":[{"role":"user","content":"How?"},{"role":"assistant","content":"So."}]}"#,
        r#"{"chosen":"\n\nHuman: How?\n\nAssistant: No.","rejected":"\n\nHuman: How?\n\nAssistant: So."}"#,
    ];
    for row in rows {
        let files = Files::new();
        let path = files.write("a.jsonl", format!("{row}\n"));
        let pair = read_pairs(&path, &Format::Preferences).unwrap().pairs.remove(0);
        assert_eq!(pair.dialogue, [turn(Speaker::Human, "How?")], "{row}");
        assert_eq!((pair.chosen.as_str(), pair.rejected.as_str()), ("No.", "So."), "{row}");
        let item = read(&path, &Format::Preferences).unwrap().items.remove(0);
        assert_eq!((item.prompt.as_str(), item.reply.as_deref()), ("How?", Some("So.")), "{row}");
    }
}

#[test]
fn preferences_that_do_not_belong_together_are_refused() {
    let cases = [
        (
            r#"{"chosen":[{"role":"user","content":"How?"},{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"Why?"},{"role":"assistant","content":"b"}]}"#,
            "answer different dialogues",
        ),
        (
            r#"{"prompt":"Who?","chosen":[{"role":"user","content":"How?"},{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"How?"},{"role":"assistant","content":"b"}]}"#,
            "`prompt` is not what `chosen` and `rejected` answer",
        ),
        (
            r#"{"chosen":"a","rejected":[]}"#,
            "column `chosen`: expected text, or chat messages in both columns, found text",
        ),
        (r#"{"chosen":[{"role":"user","content":"How?"}],"rejected":[]}"#, "messages that end with an assistant's"),
        (r#"{"chosen":"a b","rejected":"a c"}"#, "share no beginning"),
    ];
    for (row, expected) in cases {
        let (_, words) = fault("a.jsonl", format!("{row}\n"), &Format::Preferences);
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn a_format_is_written_as_it_is_read() {
    let formats = [
        json!("preferences"),
        json!("harmbench-contextual"),
        json!({ "columns": { "prompt": "p" } }),
        json!({ "columns": { "prompt": "p", "goal": "g", "rows": "a.b", "header": false, "empty": "drop" } }),
        json!({ "gptfuzz-responses": { "questions": "q.csv" } }),
    ];
    for written in formats {
        let format: Format = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&format).unwrap(), written);
    }
    let columns = Columns { empty: Unwanted::Drop, ..Columns::new("p") };
    let written = serde_json::to_value(Format::Columns(columns)).unwrap();
    assert_eq!(written, json!({ "columns": { "prompt": "p", "empty": "drop" } }));
}
