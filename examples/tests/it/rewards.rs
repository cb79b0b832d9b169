//! The program that compares rewards with another implementation's.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::programs::{example, run, text};
use crate::train::{json, succeed};

fn rewards(expected: &Path) -> Output {
    let models = crate::fixtures().join("tiny-b");
    let mut command = example("rewards");
    command.arg("--base").arg(models.join("guard")).arg("--adapter").arg(models.join("mrm"));
    run(command.arg("--expected").arg(expected))
}

#[test]
fn rewards_are_compared_with_those_of_another_implementation() {
    let reference = crate::fixtures().join("tiny-b/reference.json");
    let output = rewards(&reference);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("greatest difference").count(), 4);
    let dir = tempfile::tempdir().unwrap();
    let damaged = |change: fn(&mut Value)| {
        let mut value = json(&reference);
        change(&mut value);
        let path = dir.path().join("damaged.json");
        fs::write(&path, value.to_string()).unwrap();
        let output = rewards(&path);
        assert!(!output.status.success(), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let off = damaged(|value| value["rewards"][2][7] = (value["rewards"][2][7].as_f64().unwrap() + 0.01).into());
    assert!(off.contains("sequence 2: ") && off.contains("is more than"), "{off}");
    let none = damaged(|value| value["rewards"][1][3] = Value::Null);
    assert!(none.contains("damaged.json"), "{none}");
    let fewer = damaged(|value| drop(value["rewards"].as_array_mut().unwrap().pop()));
    assert!(fewer.contains("another number of rewards"), "{fewer}");
    let short = damaged(|value| drop(value["rewards"][0].as_array_mut().unwrap().pop()));
    assert!(short.contains("189 rewards for 190 tokens"), "{short}");
    let unseen = damaged(|value| value["unseen"] = serde_json::json!([1]));
    assert!(unseen.contains("the unseen tokens differ"), "{unseen}");
}

#[test]
fn rewards_that_were_written_are_met_again() {
    let (dir, models) = (tempfile::tempdir().unwrap(), crate::fixtures().join("tiny-b"));
    let path = dir.path().join("rewards.json");
    let mut command = example("rewards");
    command.arg("--base").arg(models.join("guard")).arg("--adapter").arg(models.join("mrm"));
    succeed(command.args(["--seed", "3", "--json"]).arg(&path));
    let lengths: Vec<usize> =
        json(&path)["sequences"].as_array().unwrap().iter().map(|ids| ids.as_array().unwrap().len()).collect();
    assert_eq!(lengths, [5, 9, 13]);
    let output = rewards(&path);
    assert!(output.status.success() && text(&output.stdout).contains("the same unseen tokens"));
}
