//! Bytes as a GGUF: errors or a checkpoint, and never much more memory than the file has bytes.
//!
//! `cargo fuzz run --sanitizer none gguf corpus -- -rss_limit_mb=512`, with small GGUFs in `corpus` to begin with.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use saffron_mrm::checkpoint::Checkpoint;
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new().expect("a folder"));
}

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join("model.gguf");
        fs::write(&path, bytes).expect("a file");
        let Ok(checkpoint) = Checkpoint::open(&path) else { return };
        let _ = checkpoint.verify();
    });
});
