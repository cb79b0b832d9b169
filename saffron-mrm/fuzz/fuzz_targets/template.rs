//! Bytes as a chat template: an error, or a conversation rendered and cut to pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saffron_mrm::text::{ChatTemplate, Message};

fuzz_target!(|source: &str| {
    let Ok(template) = ChatTemplate::new(source) else { return };
    let template = template.with_special("<s>", "</s>");
    let turns = [Message::user("one\n two"), Message::assistant("a</think>b"), Message::user("three")];
    let _ = template.render(&turns);
    let _ = template.render_continued(&turns[..2]);
});
