//! What a data file may cost, and what is not read at all.

use std::error::Error;

use saffron_search::eval::data::{
    Cap, Choice, Columns, DataErrorKind, DataLimits, Format, Place, Share, read, read_chosen, read_pairs,
    read_pairs_chosen, read_pairs_within, read_within,
};

use super::files::{Files, gzip, ids};

fn refused(name: &str, content: impl AsRef<[u8]>, limits: DataLimits) -> (Cap, u64, Option<Place>, String) {
    let files = Files::new();
    let error = read_within(files.write(name, content), &Format::Prompts, &Choice::default(), limits).unwrap_err();
    assert!(error.source().is_none());
    match error.kind() {
        DataErrorKind::TooLarge { cap, limit, place } => (*cap, *limit, *place, error.kind().to_string()),
        other => panic!("{name}: {other}"),
    }
}

#[test]
fn many_small_rows_count_by_the_memory_that_they_take() {
    let limits = DataLimits { decoded: 1 << 20, ..DataLimits::default() };
    let rows = 100_000;
    let contents = [
        ("a.txt.gz", "a\n".repeat(rows)),
        ("a.jsonl", "{\"prompt\":\"a\"}\n".repeat(rows)),
        ("a.json.gz", format!("[{}]", vec!["{\"prompt\":\"a\"}"; rows].join(","))),
        ("a.csv", format!("prompt\n{}", "a\n".repeat(rows))),
    ];
    for (name, content) in contents {
        let (cap, limit, place, words) = refused(name, content, limits);
        assert_eq!((cap, limit), (Cap::Decoded, 1 << 20), "{name}");
        let (Some(Place::Line(row) | Place::Row(row)), place) = (place, place) else { panic!("{name}: no place") };
        // A few hundred bytes a row.
        assert!((1000..10_000).contains(&row), "{name}: {row}");
        let place = place.unwrap();
        assert_eq!(words, format!("{place}: the rows take more bytes of memory than the 1048576 allowed"));
    }
}

#[test]
fn one_row_counts_by_the_memory_of_its_values() {
    let limits = DataLimits { decoded: 1 << 20, ..DataLimits::default() };
    // Objects of a few bytes that take hundreds.
    let row = format!("{{\"prompt\":\"a\",\"rest\":[{}{{}}]}}", "{},".repeat(100_000));
    assert_eq!(refused("a.jsonl", format!("{row}\n"), limits).2, Some(Place::Line(1)));
    assert_eq!(refused("a.json", format!("[{row}]"), limits).2, Some(Place::Row(1)));
    let wide = |cell: &str| vec![cell; 20_000].join(",");
    let names: Vec<String> = (0..20_000).map(|column| column.to_string()).collect();
    let table = format!("{}\n{}\n", names.join(","), wide("a"));
    assert_eq!(refused("a.csv", table, limits).2, Some(Place::Line(2)));
}

#[test]
fn a_row_without_end_is_given_up() {
    let limits = DataLimits { row: 1 << 17, ..DataLimits::default() };
    let long = "x".repeat(1 << 20);
    let contents = [
        ("a.txt.gz", format!("How?\n{long}")),
        ("a.jsonl", format!("{{\"prompt\":\"How?\"}}\n{{\"prompt\":\"{long}\"}}\n")),
        ("a.csv", format!("prompt\n\"{long}\"\n")),
        ("a.json", format!("[{{\"prompt\":\"How?\"}},\n{{\"prompt\":\"{long}\"}}]")),
    ];
    for (name, content) in contents {
        let (cap, limit, place, words) = refused(name, content, limits);
        assert_eq!((cap, limit, place), (Cap::Row, 1 << 17, Some(Place::Line(2))), "{name}");
        assert_eq!(words, "line 2: the row has more bytes than the 131072 allowed");
    }
}

#[test]
fn rows_and_lines_are_counted_whether_they_are_kept_or_not() {
    let limits = DataLimits { rows: 3, ..DataLimits::default() };
    let expected = |place| (Cap::Rows, 3, Some(place));
    for (name, content, place) in [
        ("a.txt", "a\nb\nc\nd\n", Place::Line(4)),
        ("a.txt", "a\n\n\n\n", Place::Line(4)),
        ("a.jsonl.gz", "{\"prompt\":\"a\"}\n\n\n\n", Place::Line(4)),
        ("a.csv", "prompt\na\nb\nc\nd\n", Place::Line(5)),
        ("a.json", "[{\"prompt\":\"a\"},{\"prompt\":\"b\"},{\"prompt\":\"c\"},{\"prompt\":\"d\"}]", Place::Row(4)),
    ] {
        let (cap, limit, found, _) = refused(name, content, limits);
        assert_eq!((cap, limit, found), expected(place), "{name}");
    }
    let files = Files::new();
    let path = files.write("a.json", "{\"T\":{\"S\":[\"a\",\"b\",\"c\",\"d\"]}}");
    let error = read_within(path, &Format::HarmfulQa, &Choice::default(), limits).unwrap_err();
    assert!(error.to_string().ends_with("row 4: the file has more rows than the 3 allowed"), "{error}");
}

#[test]
fn bytes_are_counted_as_they_lie_on_the_disk_and_unzipped() {
    let limits = |bytes| DataLimits { bytes, ..DataLimits::default() };
    assert_eq!(refused("a.txt", "How?\n", limits(4)).0, Cap::Stored);
    let zeros = "0\n".repeat(1 << 20);
    assert!(gzip(zeros.as_bytes()).len() < 1 << 14);
    let (cap, limit, _, words) = refused("a.txt.gz", zeros, limits(1 << 14));
    assert_eq!((cap, limit), (Cap::Unzipped, 1 << 14));
    assert_eq!(words, "the file has more bytes, unzipped, than the 16384 allowed");
    let files = Files::new();
    let plain = files.write("b.txt", "How?\n");
    assert_eq!(read_within(plain, &Format::Prompts, &Choice::default(), limits(5)).unwrap().items.len(), 1);
}

#[test]
fn pairs_count_too() {
    let files = Files::new();
    let row = r#"{"chosen":"\n\nHuman: How?\n\nAssistant: No.","rejected":"\n\nHuman: How?\n\nAssistant: So."}"#;
    let path = files.write("p.jsonl", format!("{row}\n").repeat(100));
    let limits = DataLimits { decoded: 1 << 14, ..DataLimits::default() };
    let error = read_pairs_within(&path, &Format::HhRlhf, &Choice::default(), limits).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::TooLarge { cap: Cap::Decoded, .. }), "{error}");
    assert_eq!(read_pairs(&path, &Format::HhRlhf).unwrap().pairs.len(), 100);
    // What is not read costs nothing.
    let taken = read_pairs_within(&path, &Format::HhRlhf, &first(3), limits).unwrap();
    assert_eq!(taken.pairs.len(), 3);
}

#[test]
fn pairs_are_chosen_as_items_are() {
    let files = Files::new();
    let row = |n: usize| {
        format!(
            "{{\"chosen\": \"\\n\\nHuman: How {n}?\\n\\nAssistant: No.\", \"rejected\": \"\\n\\nHuman: How \
             {n}?\\n\\nAssistant: So.\"}}\n"
        )
    };
    let whole: String = (0..20).map(row).collect();
    let path = files.write("p.jsonl", &whole);
    let choices = [
        first(3),
        Choice { sample: Some((6, 7)), take: Some(4), skip: 1, ..Choice::default() },
        Choice { share: Some(Share { take: 1, of: 2 }), ..first(5) },
        Choice { groups: Some(vec![String::from("topic")]), ..Choice::default() },
    ];
    for choice in choices {
        let ids = read_chosen(&path, &Format::HhRlhf, &choice).unwrap().items.into_iter().map(|item| item.id);
        let pairs = read_pairs_chosen(&path, &Format::HhRlhf, &choice).unwrap().pairs;
        assert!(pairs.into_iter().map(|pair| pair.id).eq(ids), "{choice:?}");
    }
    // A broken row behind those that are wanted is not reached, unless all are read to draw some.
    let torn = files.write("t.jsonl", format!("{whole}no JSON\n"));
    assert_eq!(read_pairs_chosen(&torn, &Format::HhRlhf, &first(20)).unwrap().pairs.len(), 20);
    assert!(read_pairs_chosen(&torn, &Format::HhRlhf, &first(21)).is_err());
    let sampled = Choice { sample: Some((2, 7)), ..Choice::default() };
    assert!(read_pairs_chosen(&torn, &Format::HhRlhf, &sampled).is_err());
}

fn first(count: usize) -> Choice {
    Choice { take: Some(count), ..Choice::default() }
}

#[test]
fn what_comes_behind_the_rows_that_are_taken_is_not_read() {
    let files = Files::new();
    for (name, content) in [
        ("a.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\nno JSON\n"),
        ("a.json", "[{\"prompt\":\"a\"},{\"prompt\":\"b\"},no JSON"),
        ("a.csv", "prompt\na\nb\nc\n\"d\nis torn"),
    ] {
        let path = files.write(name, content);
        assert!(read(&path, &Format::Prompts).is_err(), "{name}");
        assert_eq!(ids(&read_chosen(&path, &Format::Prompts, &first(2)).unwrap()), ["0", "1"], "{name}");
        let drawn = Choice { sample: Some((2, 0)), ..first(2) };
        assert!(read_chosen(&path, &Format::Prompts, &drawn).is_err(), "{name}: a sample needs all rows");
    }
    let path = files.write("q.json", "{\"T\":{\"S\":[\"a\",\"b\"],\"U\":3}}");
    assert_eq!(read_chosen(&path, &Format::HarmfulQa, &first(2)).unwrap().items.len(), 2);
    assert!(read_chosen(&path, &Format::HarmfulQa, &first(3)).is_err());
}

#[test]
fn the_first_rows_of_a_bomb_are_had_at_once() {
    let files = Files::new();
    // Sixteen million rows in some kilobytes: gigabytes of items.
    let path = files.path("rows.txt.gz");
    std::fs::write(&path, gzip("a\n".repeat(1 << 20).as_bytes()).repeat(16)).unwrap();
    let begun = std::time::Instant::now();
    let data = read_chosen(&path, &Format::Prompts, &Choice { skip: 1, ..first(3) }).unwrap();
    assert_eq!(ids(&data), ["1", "2"]);
    assert_eq!(data.origin.crc32, crc32fast::hash(&std::fs::read(&path).unwrap()), "the checksum is the whole file's");
    let limits = DataLimits { decoded: 1 << 22, ..DataLimits::default() };
    let error = read_within(&path, &Format::Prompts, &Choice::default(), limits).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::TooLarge { cap: Cap::Decoded, .. }), "{error}");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
#[ignore = "takes a gigabyte and some seconds: cargo test -p saffron-search --features eval --test it -- --ignored a_bomb_stays_within_the_limits_that_the_docs_name"]
fn a_bomb_stays_within_the_limits_that_the_docs_name() {
    let files = Files::new();
    let path = files.path("rows.txt.gz");
    std::fs::write(&path, gzip("a\n".repeat(1 << 23).as_bytes()).repeat(20)).unwrap();
    let begun = std::time::Instant::now();
    let error = read(&path, &Format::Prompts).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::TooLarge { cap: Cap::Decoded, limit: 1_073_741_824, .. }), "{error}");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|line| line.trim().to_owned());
    let peak = peak.and_then(|line| line.split(' ').next()?.parse::<u64>().ok()).unwrap_or_default();
    assert!(peak < 2 << 20, "{peak} kB at the most");
}

#[test]
fn a_choice_is_what_the_data_set_would_give() {
    let rows: String = (0..60).map(|n| format!("{{\"q\":\"question {n}\",\"g\":\"{} / x\"}}\n", n % 3)).collect();
    let files = Files::new();
    let path = files.write("a.jsonl", rows);
    let format = Format::Columns(Columns { group: Some("g".into()), ..Columns::new("q") });
    let whole = read(&path, &format).unwrap();
    for number in 0..64_u32 {
        let on = |bit: u32| number >> bit & 1 == 1;
        let choice = Choice {
            groups: on(0).then(|| vec![String::from("1"), String::from("2")]),
            share: on(1).then_some(Share { take: 1, of: 2 }),
            sample: on(2).then_some((12, 7)),
            take: on(3).then_some(if on(4) { 9 } else { 200 }),
            skip: if on(5) { 4 } else { 0 },
        };
        let mut expected = whole.clone();
        if let Some(names) = &choice.groups {
            expected = expected.of_groups(names);
        }
        if let Some(share) = choice.share {
            expected = expected.share(share);
        }
        if let Some((count, seed)) = choice.sample {
            expected = expected.sample(count, seed);
        }
        expected = expected.take(choice.take.unwrap_or(usize::MAX)).skip(choice.skip);
        assert_eq!(read_chosen(&path, &format, &choice).unwrap(), expected, "{choice:?}");
    }
    let nobody = Choice { groups: Some(vec![String::from("9")]), ..Choice::default() };
    assert!(read_chosen(&path, &format, &nobody).unwrap().items.is_empty());
    assert!(read_chosen(&path, &format, &first(0)).unwrap().items.is_empty());
}

#[test]
fn rows_that_a_choice_leaves_out_take_no_memory() {
    let files = Files::new();
    let path =
        files.write("a.jsonl", "{\"q\":\"How?\",\"g\":\"b\"}\n".repeat(20_000) + "{\"q\":\"Why?\",\"g\":\"a\"}\n");
    let format = Format::Columns(Columns { group: Some("g".into()), ..Columns::new("q") });
    let limits = DataLimits { decoded: 1 << 16, ..DataLimits::default() };
    let choice = Choice { groups: Some(vec![String::from("a")]), ..Choice::default() };
    assert_eq!(ids(&read_within(&path, &format, &choice, limits).unwrap()), ["20000"]);
    assert!(read_within(&path, &format, &Choice::default(), limits).is_err());
}
