//! Configurations that training programs refuse.

use std::path::Path;

use super::{changed, labelled, program, succeed};
use crate::programs::{run, text};

/// Configurations that differ in one thing, and what is said of each.
fn refused(name: &str, dir: &Path, cases: &[((&str, &str), &str)]) {
    let first = dir.join("first");
    succeed(&mut program(name, &changed(name, dir, &[]), &first));
    for (change, says) in cases {
        let output = run(&mut program(name, &changed(name, dir, &[*change]), &first));
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{change:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn bad_configurations_of_a_guard_end_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (("learning_rate = 1e-2", "learning_rate = 2e-2"), "optimizer.learning_rate: 0.02 here, 0.01 in the run"),
        (("safe = \"yes\", unsafe = \"no\"", "safe = \"yes\", unsafe = \"yea\""), "begin with the same token"),
        (("rank = 4", "ranks = 4"), "unknown field `ranks`"),
        (("learning_rate = 1e-2", "learning_rate = 0.0"), "learning_rate: expected a finite number above 0, found 0"),
        (("batch = 4", "batch = 0"), "batch: expected at least 1, found 0"),
        (("reply = 32", "reply = 0"), "must be at least 1 token, found 24 and 0"),
        (("rank = 4", "from = \"../../fixtures/tiny-b/mrm\""), "are those of the adapter that it names"),
        (("alpha = 8.0", "targets = [\"q_proj\", \"query\"]"), "query"),
        (("values = [\"held out\"]", "values = [\"learn\"]"), "nothing is held out"),
        (("pairs.jsonl", "nothing.jsonl"), "nothing.jsonl"),
        (("column = \"verdict\"", "column = \"judgement\""), "judgement"),
        (("tiny-b/guard", "tiny-b/nobody"), "tiny-b/nobody"),
        (("prompt = 24", "prompt = 5000"), "limits.prompt: 5000 here, 24 in the run"),
    ];
    refused("train_guard", dir.path(), &cases);
}

#[test]
fn bad_configurations_of_a_reward_model_end_with_a_sentence() {
    let dir = labelled();
    let cases = [
        (("held_out = 0.3", "held_out = 0.4"), "held_out: 0.4 here, 0.3 in the run"),
        (("held_out = 0.3", "held_out = 1.0"), "held_out and validation: expected shares of less than 1 together"),
        (("max_tokens = 128", "max_tokens = 1"), "there is nothing to learn from"),
        (("runs/labels", "runs/nothing"), "runs/nothing"),
        (("labels = [\"../../runs/labels\"]", "labels = [\"train_mrm_tiny.toml\"]"), "train_mrm_tiny.toml"),
        (("tiny-b/guard", "tiny-a/guard"), "expected rewards of 100 token ids, found 190"),
        (("max_tokens = 128", "layout = \"chatml\""), "chatml"),
        (("[adapter]\nrank = 4\nalpha = 8.0", "[adapter]\nfrom = \"../../fixtures/tiny-a/mrm\""), "expected shape"),
        (("epochs = 2", "epochs = 0"), "epochs: expected at least 1, found 0"),
    ];
    refused("train_mrm", dir.path(), &cases);
}
