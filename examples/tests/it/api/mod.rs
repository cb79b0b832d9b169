//! The public API of every crate as `docs/api` has it, read off the sources: a change of it is a
//! change of those files.
//!
//! An item is what a user can name: a module, struct, enum, union, trait, function, constant,
//! static, type alias or macro, counted once however many names it has. Inherent methods and
//! associated constants are counted apart; fields, variants and the items of traits are lines, but
//! not counted. Further names are those of items that are counted here or in another crate.

mod conditions;
mod lines;
mod resolve;
mod signature;
mod source;
mod surface;
mod tokens;

use std::fmt::Write;
use std::path::PathBuf;

use lines::Listing;
use source::Crate;

const CRATES: [&str; 5] = ["saffron-core", "saffron-kvtrie", "saffron-mrm", "saffron-search", "saffron-train"];
const WRITE: &str = "SAFFRON_WRITE_API=1 cargo test -p saffron-examples --test it api::";

fn file(name: &str) -> PathBuf {
    crate::root().join("docs/api").join(format!("{name}.txt"))
}

/// A crate's file: the counts, then a line an item.
fn written(listing: &Listing) -> String {
    let mut text = format!(
        "# {} items + {} inherent methods and constants = {}; {} further names\n",
        listing.items,
        listing.methods,
        listing.items + listing.methods,
        listing.reexports
    );
    for entry in &listing.entries {
        writeln!(text, "{}", entry.line).unwrap();
    }
    text
}

/// Lines that only one of two texts has.
fn difference(expected: &str, found: &str) -> String {
    let only = |of: &str, not_in: &str, sign: char| {
        let known: std::collections::BTreeSet<&str> = not_in.lines().collect();
        let lines = of.lines().filter(|line| !known.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(expected, found, '-') + &only(found, expected, '+')
}

#[test]
fn the_public_items_are_those_written_down() {
    let mut changed = String::new();
    for name in CRATES {
        let found = written(&Listing::of(&Crate::read(&crate::root().join(name))));
        if std::env::var_os("SAFFRON_WRITE_API").is_some() {
            std::fs::create_dir_all(crate::root().join("docs/api")).unwrap();
            std::fs::write(file(name), found).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(file(name)).unwrap_or_default();
        if expected != found {
            write!(changed, "{name}:\n{}", difference(&expected, &found)).unwrap();
        }
    }
    assert!(changed.is_empty(), "the public API is not that of docs/api; to write it: {WRITE}\n{changed}");
}

/// Every kind of line, of a library that is written for this test.
#[test]
fn what_users_can_name_is_found_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let files =
        [("src/lib.rs", include_str!("sample/lib.rs.txt")), ("src/inner/mod.rs", include_str!("sample/inner.rs.txt"))];
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let found = written(&Listing::of(&Crate::read(folder.path())));
    let expected = include_str!("sample/expected.txt");
    assert!(expected == found, "{}", difference(expected, &found));
}
