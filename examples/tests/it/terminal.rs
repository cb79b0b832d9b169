//! What a terminal is shown of text that comes from models and files.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::chat;
use crate::programs::{example, run, text};

/// Sets the title of a window, and clears it.
const STEERING: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}3J\u{202e}";
const SHOWN: &str = "\\u{1b}]0;owned\\u{7}\\u{1b}[2J\\u{9b}3J\\u{202e}";

/// Changes a JSON file.
fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// A policy whose every letter is decoded to what steers a terminal.
fn steering() -> tempfile::TempDir {
    let policy = chat::policy();
    change(&policy.path().join("tokenizer.json"), |tokenizer| {
        let decoders = json!([
            tokenizer["decoder"],
            { "type": "Replace", "pattern": { "Regex": "[A-Za-z]" }, "content": STEERING },
        ]);
        tokenizer["decoder"] = json!({ "type": "Sequence", "decoders": decoders });
    });
    policy
}

/// The arguments of a command for a shell.
fn quoted(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ")
}

/// What a command prints on a terminal, if `script` is here to make one.
fn on_terminal(command: &str) -> Option<String> {
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", command, "/dev/null"]).stdin(Stdio::null());
    match script.output() {
        Ok(output) => Some(text(&output.stdout)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("script: {error}"),
    }
}

fn decode(policy: &Path) -> Command {
    let mut command = example("decode");
    command.arg("--policy").arg(policy).args(["--layout", "plain", "--prompt", "one question"]);
    command.args(["--max-new-tokens", "12"]);
    command
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_shown_what_a_model_writes_and_not_steered_by_it() {
    let policy = steering();
    let piped = text(&run(&mut decode(policy.path())).stdout);
    let answer = piped.lines().next().unwrap();
    assert!(answer.contains(STEERING), "a pipe gets the bytes as they are: {answer:?}");
    // Progress bars steer the terminal, on standard error.
    let Some(shown) = on_terminal(&format!("{} 2>/dev/null", quoted(&decode(policy.path())))) else { return };
    let first = shown.lines().next().unwrap();
    assert_eq!(first, answer.replace(STEERING, SHOWN));
    let steers = |letter: char| letter != '\r' && letter != '\n' && letter.is_control();
    assert!(!shown.contains(steers), "{shown:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_shown_a_conversation_and_not_steered_by_it() {
    let (policy, dir) = (steering(), tempfile::tempdir().unwrap());
    let questions = dir.path().join("questions");
    std::fs::write(&questions, "one question\n").unwrap();
    let mut chat = example("chat");
    chat.arg("--policy").arg(policy.path()).args(["--max-new-tokens", "12"]);
    let command = format!("{} 2>/dev/null <'{}'", quoted(&chat), questions.display());
    let Some(shown) = on_terminal(&command) else { return };
    assert!(shown.contains(SHOWN), "{shown:?}");
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn an_error_names_what_a_file_says_and_does_not_steer_a_terminal() {
    let policy = chat::policy();
    change(&policy.path().join("config.json"), |config| config["model_type"] = json!(STEERING));
    let refused = run(&mut decode(policy.path()));
    let error = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("Error: ") && error.contains("model_type"), "{error}");
    if cfg!(target_os = "linux")
        && let Some(shown) = on_terminal(&quoted(&decode(policy.path())))
    {
        assert!(shown.contains("model_type") && shown.contains("owned"), "{shown:?}");
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{shown:?}");
    }
}

#[test]
fn a_cause_is_told_once() {
    let refused = run(&mut decode(Path::new("/nowhere/at/all")));
    let error = text(&refused.stderr);
    let last = error.lines().last().unwrap();
    assert!(last.starts_with("Error: ") && last.contains("/nowhere/at/all"), "{error}");
    let policy = chat::policy();
    std::fs::remove_file(policy.path().join("tokenizer.json")).unwrap();
    let error = text(&run(&mut decode(policy.path())).stderr);
    assert_eq!(error.matches("No such file").count(), 1, "{error}");
}
