//! A conversation with a served model.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::example;
use super::llama_cpp::{KEY, LlamaCpp};

#[test]
fn a_conversation_ends_where_its_server_is_gone() {
    let (server, policy) = (LlamaCpp::serve(), crate::chat::policy());
    let mut chat = example("chat");
    chat.args(["--policy", &server.name(), "--max-new-tokens", "4", "--tokenizer"]).arg(policy.path());
    chat.env("SAFFRON_API_KEY", KEY).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = chat.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one question\n").unwrap();
    let begun = Instant::now();
    while server.steps() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server is asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(server);
    // The program may end before it has read all of it.
    stdin.write_all(b"another question\na third question\n").ok();
    drop(stdin);
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{error}");
    let last = error.lines().last().unwrap();
    assert!(last.starts_with("Error: ") && last.contains("cannot be reached"), "{error}");
}
