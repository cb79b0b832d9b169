//! The example `convert`.

use std::path::Path;
use std::process::Output;

use saffron_mrm::checkpoint::Checkpoint;

use crate::programs::{example, run, text};

fn convert(model: &str, out: &Path, more: &[&str]) -> Output {
    run(example("convert").arg("--model").arg(model).arg("--out").arg(out).args(more))
}

#[test]
fn a_converted_directory_answers_as_its_source_does() {
    let folder = tempfile::tempdir().unwrap();
    let (from, out) = (crate::fixtures().join("tiny-b/policy"), folder.path().join("converted"));
    let output = convert(from.to_str().unwrap(), &out, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for name in
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
    {
        let bytes = out.join(name).metadata().unwrap().len();
        let line = format!("{}  {bytes} bytes\n", out.join(name).display());
        assert!(text(&output.stdout).contains(&line), "{line:?} in {}", text(&output.stdout));
    }
    let answer = |dir: &Path| {
        let asked = ["--layout", "plain", "--prompt", "one question", "--max-new-tokens", "8"];
        let output = run(example("decode").arg("--policy").arg(dir).args(asked));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = text(&output.stdout);
        lines.lines().filter(|line| !line.contains("compute") && !line.contains(" s")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(answer(&from), answer(&out));
}

#[test]
fn weights_are_of_the_type_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("converted");
    let from = crate::fixtures().join("tiny-a/policy");
    assert!(convert(from.to_str().unwrap(), &out, &["--dtype", "bf16"]).status.success());
    let sizes = [&from, &out].map(|dir| dir.join("model.safetensors").metadata().unwrap().len());
    assert!(sizes[1] * 10 < sizes[0] * 7, "{sizes:?}");
    Checkpoint::open(&out).unwrap().verify().unwrap();
}

#[test]
fn what_cannot_be_converted_ends_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (out, taken) = (folder.path().join("converted"), folder.path().join("taken"));
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("notes.txt"), "here").unwrap();
    let from = crate::fixtures().join("tiny-a/policy").display().to_string();
    let cases = [
        (&from[..], &taken, "expected a new or an empty directory, found one that is not empty"),
        ("llamacpp:http://127.0.0.1:1", &out, "is a server, and a model that runs here is needed"),
        ("/nowhere", &out, "/nowhere is neither a file or directory here"),
    ];
    for (model, out, says) in cases {
        let output = convert(model, out, &[]);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says) && !error.contains("panicked"), "{error}");
    }
    assert!(!out.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
