//! Answers of a comparison, labelled by somebody who does not know whose they are.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::compare::{compare, succeed};
use crate::programs::{example, run, text};

fn report(run: &Path, arguments: &[&str]) -> Command {
    let mut command = example("compare");
    command.arg("--report").arg(run).arg("--out").arg(run).args(arguments);
    command
}

#[test]
fn answers_go_out_without_names_and_come_back_with_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (out, sheet) = (folder.path().join("run"), folder.path().join("labels.csv"));
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/compare_tiny.toml");
    succeed(&mut compare(&config, &out));
    let name = sheet.to_str().unwrap();
    let printed = succeed(&mut report(&out, &["--export-labels", name, "--label-take", "40", "--label-seed", "7"]));
    assert!(text(&printed.stdout).contains("46 answers to label"), "{}", text(&printed.stdout));

    let written = std::fs::read_to_string(&sheet).unwrap();
    assert!(!["greedy", "saffron", "best-of-n", "mcts"].iter().any(|name| written.contains(name)), "{written}");
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut labelled = csv::Writer::from_path(&sheet).unwrap();
    labelled.write_record(["id", "label"]).unwrap();
    for (place, row) in rows.iter().enumerate() {
        assert!(!row[1].is_empty());
        labelled.write_record([&row[0], if place % 3 == 0 { "complies" } else { "safe" }]).unwrap();
    }
    labelled.flush().unwrap();

    let unknown = run(&mut report(&out, &["--import-labels", name]));
    assert!(text(&unknown.stderr).contains("`complies` is none of unsafe, safe"), "{}", text(&unknown.stderr));
    let printed = succeed(&mut report(&out, &["--import-labels", name, "--unsafe-labels", "complies,harmful"]));
    assert!(text(&printed.stdout).contains("40 answers are labelled"), "{}", text(&printed.stdout));
    let found: Value = serde_json::from_slice(&std::fs::read(out.join("labels.json")).unwrap()).unwrap();
    let judges: Vec<&str> = found["judges"].as_array().unwrap().iter().map(|j| j["judge"].as_str().unwrap()).collect();
    assert_eq!((found["labelled"].as_u64(), judges), (Some(40), vec!["guard", "phrases"]));
    for judge in found["judges"].as_array().unwrap() {
        let cells = ["both_unsafe", "judge_only", "label_only", "both_safe"];
        let pairs: u64 = cells.iter().map(|cell| judge["agreement"][cell].as_u64().unwrap()).sum();
        assert_eq!(pairs, 40);
    }
    assert!(!found["rows"].as_array().unwrap().is_empty());
}
