//! Bytes as a parquet file: refused, or rows within the limits; no assertion of the library ends
//! the process.
//!
//! libFuzzer counts a panic that is caught as a crash, since its hook aborts: here the hook is
//! taken out.
#![no_main]

use std::cell::RefCell;
use std::fs;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use saffron_search::eval::data::{Choice, Columns, DataLimits, Format, read_within};
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new().expect("a folder"));
}

static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let limits = DataLimits { bytes: 1 << 24, row: 1 << 16, rows: 10_000, decoded: 1 << 24 };
    let columns = Columns {
        reply: Some("rejected".into()),
        id: Some("id".into()),
        group: Some("raw".into()),
        ..Columns::new("prompt")
    };
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join("a.parquet");
        fs::write(&path, bytes).expect("a file");
        for format in [Format::Prompts, Format::Columns(columns)] {
            if let Ok(data) = read_within(&path, &format, &Choice::default(), limits) {
                if data.items.is_empty() || data.items.len() > 10_000 {
                    std::process::abort();
                }
            }
        }
    });
});
