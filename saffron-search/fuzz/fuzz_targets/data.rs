//! Bytes as a data file of text: refused, or rows within the limits. The first byte chooses
//! container and format.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use saffron_search::eval::data::sets::PublicSet;
use saffron_search::eval::data::{
    Choice, Columns, DataLimits, Filter, Format, Unwanted, read_pairs_within, read_within,
};
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new().expect("a folder"));
}

const NAMES: [&str; 8] =
    ["a.jsonl", "a.json", "a.csv", "a.txt", "a.jsonl.gz", "a.json.gz", "a.tsv", "a.txt.gz"];

fn format(number: u8) -> Format {
    let filter = Filter::Prefix { column: "kind".into(), value: "h".into() };
    let drop = Unwanted::Drop;
    match number % 12 {
        0 => Format::Prompts,
        1 => Format::HarmfulQa,
        2 => Format::HhRlhf,
        3 => Format::HexPhi,
        4 => Format::RewardBench,
        5 => Format::Preferences,
        6 => Format::Columns(Columns { empty: drop, system: drop, ..Columns::new("messages") }),
        7 => Format::Columns(Columns { rows: Some("a.b".into()), category: Some("c.0".into()), ..Columns::new("p") }),
        8 => Format::Columns(Columns { goal: Some("b".into()), ..Columns::new("{a}: {b}") }),
        9 => Format::Columns(Columns { header: false, quotes: false, ..Columns::new("0") }),
        10 => PublicSet::named("red-team-attempts").map_or(Format::Prompts, Format::Set),
        _ => Format::Columns(Columns { id: Some("id".into()), filter: Some(filter), ..Columns::new("prompt") }),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, content)) = bytes.split_first() else { return };
    let limits = DataLimits { bytes: 1 << 22, row: 1 << 16, rows: 1000, decoded: 1 << 22 };
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join(NAMES[usize::from(first % 8)]);
        fs::write(&path, content).expect("a file");
        let format = format(first / 8);
        if let Ok(data) = read_within(&path, &format, &Choice::default(), limits) {
            assert!(!data.items.is_empty() && data.items.len() <= 1000);
            // The first rows are the same whether the others are read or not.
            let first = Choice { take: Some(1), ..Choice::default() };
            let taken = read_within(&path, &format, &first, limits).expect("what all of it has");
            assert_eq!(taken.items, data.items[..1]);
        }
        let _ = read_pairs_within(&path, &format, &Choice::default(), limits);
        fs::remove_file(&path).expect("the file");
    });
});
