//! Bytes as the files of a run, manifest and records with a NUL between: refused, or a run that
//! reads back as it was read.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use saffron_search::eval::runs::{Manifest, RunDir, Shard, read};
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new().expect("a folder"));
}

fuzz_target!(|bytes: &[u8]| {
    let manifest = serde_json::to_vec(&Manifest::new(serde_json::json!({ "width": 4 }), Shard::WHOLE));
    let manifest = manifest.expect("a manifest");
    // Without a NUL, the bytes are records under a good manifest.
    let place = bytes.iter().position(|byte| *byte == 0);
    let (manifest, records) = place.map_or((&manifest[..], bytes), |place| (&bytes[..place], &bytes[place + 1..]));
    FOLDER.with_borrow(|folder| {
        let path = folder.path();
        fs::write(path.join("manifest.json"), manifest).expect("a file");
        fs::write(path.join("records.jsonl"), records).expect("a file");
        let found = read(path);
        let Ok(run) = RunDir::existing(path) else { return };
        let (_, found) = found.expect("what can be taken up can be read");
        assert_eq!(run.records().expect("the same records"), found);
        assert_eq!(run.len(), found.len());
    });
});
