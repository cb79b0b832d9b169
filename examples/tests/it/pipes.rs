//! Programs whose output has nowhere to go: a reader that has gone, a full disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::chat;
use crate::programs::{example, run, text};

/// Files that the programs below read and write.
struct Files {
    dir: tempfile::TempDir,
    /// A policy with a chat template.
    chatting: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap(), chatting: chat::policy() };
        std::fs::write(files.at("questions"), "one question\nanother question\n").unwrap();
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A short run of every program that prints and takes no training: its name, its command.
    fn programs(&self) -> Vec<(&'static str, Command)> {
        let (models, configs) = (crate::fixtures().join("tiny-b"), crate::root().join("examples/configs"));
        let model = |name: &str| models.join(name);
        let prompt = ["--prompt", "one question", "--max-new-tokens", "4"];
        let adapter = model("mrm/adapter_model.safetensors");
        let mut programs = vec![
            ("decode", search(&models, "decode", &prompt)),
            ("best_of_n", search(&models, "best_of_n", &prompt)),
            ("custom_strategy", search(&models, "custom_strategy", &prompt)),
            ("custom_reward", search(&models, "custom_reward", &[&prompt[..], &["--words", "t"]].concat())),
            ("observe_trace", search(&models, "observe_trace", &prompt)),
            ("search_tree", search(&models, "search_tree", &prompt)),
            ("kvtrie_tour", example("kvtrie_tour")),
            ("same_weights", example("same_weights")),
            ("rewards", example("rewards")),
            ("convert", example("convert")),
            ("demo_world", example("demo_world")),
            ("compare", example("compare")),
            ("label", example("label")),
            ("chat", example("chat")),
        ];
        for (name, command) in &mut programs {
            match *name {
                "search_tree" => command.arg("--html").arg(self.at("tree.html")),
                "same_weights" => command.arg(&adapter).arg(&adapter),
                "rewards" => {
                    command.arg("--base").arg(model("guard")).arg("--adapter").arg(model("mrm"));
                    command.arg("--expected").arg(model("reference.json"))
                }
                "convert" => command.arg("--model").arg(model("policy")).arg("--out").arg(self.at("converted")),
                "demo_world" => command.arg("--out").arg(self.at("world")),
                "compare" | "label" => {
                    command.arg("--config").arg(configs.join(format!("{name}_tiny.toml")));
                    command.arg("--out").arg(self.at(name))
                }
                "chat" => {
                    command.arg("--policy").arg(self.chatting.path()).args(["--max-new-tokens", "4"]);
                    command.stdin(File::open(self.at("questions")).unwrap())
                }
                _ => command,
            };
        }
        programs
    }
}

/// A search over tiny models, guided by a reward model.
fn search(models: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut command = example(name);
    command.arg("--policy").arg(models.join("policy")).args(["--layout", "plain"]);
    command.arg("--mrm").arg(models.join("mrm")).args(arguments);
    command
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_has_gone_ends_every_program_quietly() {
    for (name, mut command) in Files::new().programs() {
        let output = run(command.stdout(closed()).stderr(Stdio::piped()));
        let error = text(&output.stderr);
        assert!(output.status.success() && !error.contains("panicked") && !error.contains("Error"), "{name}: {error}");
    }
}

#[test]
fn messages_that_nobody_reads_change_nothing() {
    for (name, mut command) in Files::new().programs() {
        let output = run(command.stdout(Stdio::piped()).stderr(closed()));
        assert!(output.status.success() && !output.stdout.is_empty(), "{name}: {:?}", output.status);
    }
    let mut nowhere = search(&crate::fixtures().join("nowhere"), "decode", &["--prompt", "x"]);
    assert_eq!(run(nowhere.stdout(closed()).stderr(closed())).status.code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_every_program_with_a_message() {
    for (name, mut command) in Files::new().programs() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = run(command.stdout(full).stderr(Stdio::piped()));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {error}");
        assert_eq!(
            error.matches("Error: standard output cannot be written: No space left").count(),
            1,
            "{name}: {error}"
        );
        assert!(!error.contains("panicked"), "{name}: {error}");
    }
}
