//! Bytes as a `tokenizer.json`: an error or a tokenizer, and then texts encoded and decoded.
//!
//! Panics of the `tokenizers` crate that the reader turns into errors end a run here, since
//! libFuzzer aborts in the panic hook: each is to be refused by a check of its own.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use saffron_mrm::text::TextTokenizer;
use tempfile::TempDir;

/// The size of the model that the tokenizers are for.
const EMBEDDINGS: usize = 512;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new().expect("a folder"));
}

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with_borrow(|folder| {
        fs::write(folder.path().join("tokenizer.json"), bytes).expect("a file");
        let Ok(tokenizer) = TextTokenizer::from_dir(folder.path(), EMBEDDINGS) else { return };
        for text in ["one question", " a", "aaaa", "café 中\n\n<|eos|>", "\u{fdfa}\u{0}"] {
            for tokens in [tokenizer.encode(text), tokenizer.encode_markup(text)].into_iter().flatten() {
                let _ = tokenizer.decode_text(&tokens);
            }
        }
        let _ = tokenizer.decode_text(&[0, 1, 2, 511, u32::MAX]);
    });
});
