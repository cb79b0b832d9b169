//! Damaged and unfit files: each is a typed error that says where, none a panic.

use saffron_search::eval::data::{Columns, DataErrorKind, Format, Place, read};

use super::files::{Files, data, fault, gzip, prompts};

#[test]
fn a_missing_column_is_named_with_the_columns_that_are_there() {
    let (kind, words) = fault("a.csv", "id,question\n1,How?\n", &Format::Prompts);
    assert!(matches!(kind, DataErrorKind::MissingColumn { place: Place::Line(2), .. }));
    let hint = "the first row must name the columns, is the header missing?";
    assert_eq!(words, format!("line 2: no column `prompt` among 2 columns: \"id\", \"question\"; {hint}"));
    let (_, words) = fault("a.json", "[{\"prompt\":\"How?\"},{}]", &Format::Prompts);
    assert_eq!(words, "row 2: no column `prompt` among none");
}

#[test]
fn bad_utf8_is_named_by_line_and_byte() {
    let cases: [(&str, &[u8], usize); 4] = [
        ("a.txt", b"How?\nW\xffy?\n", 6),
        ("a.jsonl.gz", b"{\"prompt\":\"How?\"}\n{\"prompt\":\"\xff\"}\n", 29),
        ("a.csv", b"prompt\nW\xffy?\n", 8),
        ("a.json", b"[{\"prompt\":\n\"\xff\"}]", 13),
    ];
    for (name, content, expected) in cases {
        let (kind, _) = fault(name, content, &Format::Prompts);
        assert!(matches!(kind, DataErrorKind::BadUtf8 { line: 2, offset } if offset == expected), "{name}: {kind:?}");
    }
}

#[test]
fn a_torn_last_line_is_called_so_in_every_container() {
    let cases: [(&str, &[u8], usize); 7] = [
        ("a.jsonl", b"{\"prompt\":\"How?\"}\n{\"prompt\":\"Wh", 2),
        ("a.jsonl.gz", b"{\"prompt\":\"How?\"}\n{\"prompt\":\"W\xc3", 2),
        ("a.json", b"[{\"prompt\":\"How?\"},\n{\"prompt\":\"Wh", 2),
        ("a.csv", b"prompt,n\nHow?,1\n\"Why", 3),
        ("a.csv", b"prompt,n\nHow?,1\n\"Why\nthen\n", 3),
        ("a.csv", b"prompt,n\nHow?,1\nWhy?", 3),
        ("a.txt", b"How?\nWhy \xe2\x80", 2),
    ];
    for (name, content, expected) in cases {
        let (kind, words) = fault(name, content, &Format::Prompts);
        assert!(matches!(kind, DataErrorKind::TornLine { line } if line == expected), "{name}: {words}");
    }
}

#[test]
fn every_cut_of_a_file_of_lines_is_torn_or_whole() {
    let text = "{\"prompt\":\"How, ’tis?\"}\n{\"prompt\":\"Why?\"}\n";
    for cut in 1..text.len() {
        let files = Files::new();
        match read(files.write("a.jsonl", &text.as_bytes()[..cut]), &Format::Prompts) {
            Ok(data) => assert_eq!(prompts(&data), ["How, ’tis?", "Why?"][..data.items.len()]),
            Err(error) => assert!(matches!(error.kind(), DataErrorKind::TornLine { .. }), "{cut}: {error}"),
        }
    }
}

#[test]
fn a_line_that_is_not_json_is_malformed_where_it_stands() {
    let (kind, words) = fault("a.jsonl", "{\"prompt\":\"How?\"}\n{prompt}\n", &Format::Prompts);
    assert!(matches!(kind, DataErrorKind::Malformed { place: Place::Line(2), .. }), "{words}");
    let (kind, words) = fault("a.json", "[{\"prompt\":\"How?\"},\n{\"prompt\":\"Why?\"} 3]", &Format::Prompts);
    assert!(matches!(kind, DataErrorKind::Malformed { place: Place::Line(2), .. }), "{words}");
    assert_eq!(fault("a.json", "[7]", &Format::Prompts).1, "row 1: expected an object, found a number");
}

#[test]
fn records_longer_or_shorter_than_the_header_are_counted() {
    let cases = [("prompt,n\nHow?\nWhy?,2\n", 2, 1), ("prompt,n\nHow?\n", 2, 1), ("prompt\nHow?,1,x", 1, 3)];
    for (content, expected, found) in cases {
        let (kind, words) = fault("a.csv", content, &Format::Prompts);
        assert_eq!(words, format!("line 2: expected {expected} fields, found {found}"));
        assert!(matches!(kind, DataErrorKind::FieldCount { .. }));
    }
    assert_eq!(fault("a.csv", "prompt,prompt\nHow?,1\n", &Format::Prompts).1, "line 1: two columns are named `prompt`");
}

#[test]
fn files_without_a_row_are_empty() {
    let cases = [
        ("a.csv", ""),
        ("a.csv", "prompt\n"),
        ("a.jsonl", "\n\n"),
        ("a.json", "[]"),
        ("a.txt", " \n"),
        ("a.txt.gz", ""),
    ];
    for (name, content) in cases {
        let (kind, words) = fault(name, content, &Format::Prompts);
        assert!(matches!(kind, DataErrorKind::Empty), "{name} {content:?}: {words}");
    }
    assert!(matches!(fault("a.json", "{\"T\":{\"S\":[]}}", &Format::HarmfulQa).0, DataErrorKind::Empty));
}

#[test]
fn an_id_that_comes_again_is_named_with_both_places() {
    let text = "{\"id\":1,\"prompt\":\"How?\"}\n{\"id\":2,\"prompt\":\"Who?\"}\n{\"id\":\"1\",\"prompt\":\"Why?\"}\n";
    assert_eq!(fault("a.jsonl", text, &Format::Prompts).1, "line 3: id `1` was already used in line 1");
}

#[test]
fn values_of_a_wrong_type_and_empty_prompts_are_refused() {
    let columns = Format::Columns(Columns { reply: Some("reply".into()), ..Columns::new("prompt") });
    let cases = [
        ("{\"prompt\":3}\n", "line 1, column `prompt`: expected text, found a number"),
        ("{\"prompt\":null}\n", "line 1, column `prompt`: expected text, found null"),
        ("{\"prompt\":\"How?\",\"reply\":[1]}\n", "line 1, column `reply`: expected text, found an array"),
        ("{\"prompt\":\" \\n\",\"reply\":\"\"}\n", "line 1: the prompt is empty"),
    ];
    for (content, expected) in cases {
        assert_eq!(fault("a.jsonl", content, &columns).1, expected);
    }
    let text = "{\"prompt\":\"How?\",\"id\":{}}\n";
    let expected = "line 1, column `id`: expected text, a number or a truth value, found an object";
    assert_eq!(fault("a.jsonl", text, &Format::Prompts).1, expected);
    assert_eq!(fault("a.json", "{\"T\":{\"S\":[\"How?\",\" \"]}}", &Format::HarmfulQa).1, "row 2: the prompt is empty");
}

#[test]
fn every_damage_to_a_zipped_file_is_seen_or_harmless() {
    let whole = gzip("How are you?\nWhy so?\n".repeat(20).as_bytes());
    let expected = data("a.txt.gz", "How are you?\nWhy so?\n".repeat(20), &Format::Prompts).items;
    let files = Files::new();
    let read_damaged = |bytes: &[u8]| {
        std::fs::write(files.path("a.txt.gz"), bytes).unwrap();
        read(files.path("a.txt.gz"), &Format::Prompts)
    };
    for cut in 1..whole.len() {
        let error = read_damaged(&whole[..cut]).unwrap_err();
        assert!(matches!(error.kind(), DataErrorKind::Gzip(_)), "cut at {cut}: {error}");
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        match read_damaged(&bytes) {
            // Bytes of the header that say nothing of the content.
            Ok(data) => assert!(place < 10 && data.items == expected, "flipped byte {place}"),
            Err(error) => assert!(matches!(error.kind(), DataErrorKind::Gzip(_)), "flipped byte {place}: {error}"),
        }
    }
}

#[test]
fn names_that_say_nothing_and_files_that_are_not_there_are_refused() {
    for name in ["a", "a.tab", "a.gz", "a.parquet.gz", ".", "csv"] {
        let error = read(name, &Format::Prompts).unwrap_err();
        assert!(matches!(error.kind(), DataErrorKind::UnknownExtension), "{name}: {error}");
    }
    let error = read(Files::new().path("none.csv"), &Format::Prompts).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::Io(_)));
    assert!(std::error::Error::source(&error).is_some());
    assert!(matches!(fault("a.jsonl", "{}\n", &Format::HarmfulQa).0, DataErrorKind::WrongExtension { .. }));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_files_name_the_feature_that_reads_them() {
    let (kind, words) = fault("a.parquet", "PAR1", &Format::Prompts);
    assert!(matches!(kind, DataErrorKind::NeedsParquet));
    assert_eq!(words, "parquet files need the feature `parquet` of saffron-search");
}
