//! The same rows in every container.

use proptest::prelude::*;
use saffron_search::eval::data::{Columns, DataErrorKind, Format, read};

use super::files::{Files, data, ids, prompts};

const CASES: [(&str, &str); 6] = [
    ("a.jsonl", "{\"prompt\":\"How?\"}\n\n{\"prompt\":\"Why,\\nthen?\"}\n"),
    ("a.ndjson", "{\"prompt\":\"How?\"}\r\n{\"prompt\":\"Why,\\nthen?\"}"),
    ("a.json", "[{\"prompt\":\"How?\"},\n {\"prompt\":\"Why,\\nthen?\"}]"),
    ("a.csv", "prompt\nHow?\n\"Why,\nthen?\"\n"),
    ("a.CSV", "\u{feff}n,prompt\r\n1,How?\r\n2,\"Why,\nthen?\"\r\n"),
    ("b.2024.csv", "prompt\nHow?\n\"Why,\nthen?\""),
];

#[test]
fn the_same_rows_are_read_from_every_container_zipped_or_not() {
    for (name, content) in CASES {
        for name in [name.to_owned(), format!("{name}.gz")] {
            let data = data(&name, content, &Format::Prompts);
            assert_eq!((prompts(&data), ids(&data)), (vec!["How?", "Why,\nthen?"], vec!["0", "1"]), "{name}");
        }
    }
}

#[test]
fn lines_of_bare_text_are_prompts_and_blank_ones_are_not() {
    let data = data("a.txt", "\u{feff}How?\r\n\r\n  \n Why?", &Format::Prompts);
    assert_eq!((prompts(&data), ids(&data)), (vec!["How?", "Why?"], vec!["0", "1"]));
}

#[test]
fn several_gzip_members_are_one_file() {
    let files = Files::new();
    let members = [super::files::gzip(b"How?\n"), super::files::gzip(b"Why?\n")].concat();
    std::fs::write(files.path("a.txt.gz"), members).unwrap();
    assert_eq!(prompts(&read(files.path("a.txt.gz"), &Format::Prompts).unwrap()), ["How?", "Why?"]);
}

#[test]
fn the_fingerprint_is_that_of_the_bytes_on_the_disk() {
    let files = Files::new();
    let path = files.write("a.txt.gz", "How?\n");
    let origin = read(&path, &Format::Prompts).unwrap().origin;
    assert_eq!((origin.crc32, &origin.path), (crc32fast::hash(&std::fs::read(&path).unwrap()), &path));
}

#[test]
fn a_hundred_thousand_rows_are_read_in_seconds() {
    let lines: String = (0..100_000).map(|row| format!("{{\"prompt\":\"question {row}\",\"n\":{row}}}\n")).collect();
    let csv: String = (0..100_000).map(|row| format!("\"question {row}\",{row}\n")).collect();
    let format = Format::Columns(Columns { id: Some("n".into()), ..Columns::new("prompt") });
    let begun = std::time::Instant::now();
    for (name, content) in [("a.jsonl", lines.clone()), ("a.csv", format!("prompt,n\n{csv}")), ("a.jsonl.gz", lines)] {
        let data = data(name, content, &format);
        assert_eq!((data.items.len(), data.items[99_999].prompt.as_str()), (100_000, "question 99999"), "{name}");
    }
    // A reader that looks at all earlier rows again for each row takes minutes.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// A table as CSV with every field quoted.
fn quoted(rows: &[[String; 2]]) -> String {
    let field = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
    let line = |row: &[String; 2]| format!("{},{}", field(&row[0]), field(&row[1]));
    std::iter::once("prompt,other".to_owned()).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn table() -> impl Strategy<Value = Vec<[String; 2]>> {
    let field = || "[a-z\",\n\r \u{1}’ß]{0,12}";
    proptest::collection::vec(("x[a-z\",\n\r \u{1}’ß]{0,12}", field()).prop_map(|(a, b)| [a, b]), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quoted_fields_come_back_as_they_were_written(rows in table()) {
        let format = Format::Columns(Columns { reply: Some("other".into()), ..Columns::new("prompt") });
        let data = data("a.csv", quoted(&rows), &format);
        prop_assert_eq!(data.items.len(), rows.len());
        for (item, row) in data.items.iter().zip(&rows) {
            prop_assert_eq!(&item.prompt, &row[0]);
            prop_assert_eq!(item.reply.clone(), Some(row[1].clone()).filter(|text| !text.trim().is_empty()));
        }
    }

    #[test]
    fn a_quoted_table_cut_anywhere_is_torn_or_has_only_whole_rows(rows in table(), cut in any::<prop::sample::Index>()) {
        let format = Format::Columns(Columns { reply: Some("other".into()), ..Columns::new("prompt") });
        let text = quoted(&rows);
        let cut = &text.as_bytes()[..cut.index(text.len())];
        let files = Files::new();
        match read(files.write("a.csv", cut), &format) {
            Ok(data) => for (item, row) in data.items.iter().zip(&rows) {
                prop_assert_eq!(&item.prompt, &row[0]);
                // A closing quote that is gone with the row's end leaves an open field, which is an error; a field whose
                // doubled quote was halved looks closed.
                prop_assert!(row[1].starts_with(item.reply.as_deref().unwrap_or_default()));
            },
            Err(error) => prop_assert!(
                matches!(
                    error.kind(),
                    DataErrorKind::TornLine { .. } | DataErrorKind::Empty | DataErrorKind::MissingColumn { .. }
                ),
                "{error}"
            ),
        }
    }
}
