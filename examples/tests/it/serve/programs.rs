//! The example `serve` as a program.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{get, post};
use super::served::{CHAT, question};
use crate::naming::llama_cpp::{KEY, LlamaCpp};
use crate::programs::{example, run, text};

/// A server in a process of its own. It is killed when it is dropped.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://").map(|address| address.parse().unwrap());
        let address = address.unwrap_or_else(|| panic!("{line:?}"));
        Self { child, address }
    }

    /// Ends it kindly; what it said on standard error.
    #[cfg(unix)]
    fn end(mut self) -> String {
        let stderr = self.child.stderr.take().unwrap();
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success() && self.child.wait().unwrap().success());
        std::io::read_to_string(stderr).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tiny() -> Command {
    let dir = crate::fixtures().join("tiny-b");
    let mut command = example("serve");
    command.arg("--policy").arg(dir.join("policy")).args(["--layout", "plain", "--model-name", "tiny"]);
    command.env_remove("SAFFRON_SERVE_KEY");
    command
}

#[cfg(unix)]
#[test]
fn the_program_answers_logs_no_content_and_ends_when_it_is_told() {
    let mut command = tiny();
    command.arg("--mrm").arg(crate::fixtures().join("tiny-b/mrm")).args(["--width", "2", "--max-new-tokens", "6"]);
    let program = Program::start(command.env("SAFFRON_SERVE_KEY", "hunter2"));
    let refused = post(program.address, CHAT, &question(&json!({})));
    assert_eq!(refused.status, 401);
    let body = question(&json!({})).to_string();
    let asked = super::client::bytes("POST", CHAT, "Authorization: Bearer hunter2\r\n", body.as_bytes());
    let answer = super::client::send(program.address, &asked).json();
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let log = program.end();
    assert!(log.contains("tokens, ") && log.contains("ending"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains("one question"), "{log}");
    assert!(content.is_empty() || !log.contains(&format!("{content:?}")), "{log}");
    let mut command = tiny();
    command.args(["--strategy", "sampling", "--log-content"]);
    let program = Program::start(&mut command);
    post(program.address, CHAT, &question(&json!({ "max_tokens": 2 })));
    assert!(program.end().contains("one question"));
}

#[test]
fn what_is_not_safe_to_serve_is_refused() {
    let cases: [(&[&str], &str); 4] = [
        (&["--strategy", "sampling", "--host", "0.0.0.0"], "set SAFFRON_SERVE_KEY, or --without-key"),
        (&[], "the search needs a reward model"),
        (&["--strategy", "greed"], "greed"),
        (&["--strategy", "greedy", "--queued", "0"], "queued must lie between 1 and 65536"),
    ];
    for (arguments, says) in cases {
        let output = run(tiny().args(arguments));
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{arguments:?}: {error}");
    }
}

#[test]
fn a_policy_server_that_is_killed_in_mid_stream_is_an_error_in_time() {
    let policy = LlamaCpp::serve();
    let mut command = example("serve");
    command.args(["--policy", &policy.name(), "--wait", "1", "--model-name", "tiny", "--deadline", "20"]);
    command.args(["--strategy", "sampling", "--max-new-tokens", "4000"]).env("SAFFRON_API_KEY", KEY);
    command.env_remove("SAFFRON_SERVE_KEY");
    let program = Program::start(&mut command);
    let unknown = post(program.address, CHAT, &question(&json!({ "saffron": { "budget": { "max_flops": 9 } } })));
    assert_eq!(unknown.json()["error"]["param"], "saffron.budget.max_flops");
    let begun = Instant::now();
    let address = program.address;
    let client = std::thread::spawn(move || post(address, CHAT, &question(&json!({ "stream": true }))));
    let before = policy.steps();
    while policy.steps() < before + 3 {
        assert!(begun.elapsed() < Duration::from_secs(20) && !client.is_finished(), "{:?}", client.join());
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(policy);
    let stream = client.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(40));
    let (events, done) = stream.events();
    // Whichever request finds the server gone: for the next tokens, or for the text of the last ones.
    let code = events.last().unwrap()["error"]["code"].as_str();
    assert!(matches!(code, Some("model_failed" | "decoding_failed")) && !done, "{stream:?}");
    assert_eq!(get(program.address, "/health").status, 200);
}
