//! The example `replay_case`: the file that it writes, beside the recorded one.

use std::path::Path;

use saffron_core::Token;
use saffron_examples::cases::{Case, CaseFile, Node};

use crate::programs::{example, run, text};
use crate::replay::CASES;

/// The first difference between two searches: rewards to 1e-3, everything else exactly.
fn difference(expected: &Case, found: &Case) -> Option<String> {
    let inputs = |case: &Case| (case.prompt.clone(), case.policy_context.clone(), case.output.clone());
    if inputs(expected) != inputs(found) {
        return Some(format!("{:?} for {:?}", inputs(found), inputs(expected)));
    }
    if expected.levels.len() != found.levels.len() {
        return Some(format!("{} levels for {}", found.levels.len(), expected.levels.len()));
    }
    let levels = expected.levels.iter().zip(&found.levels).enumerate();
    levels.filter(|(_, (ours, theirs))| !same_level(ours, theirs)).map(|(level, _)| format!("level {level}")).next()
}

fn same_level(one: &[Node], other: &[Node]) -> bool {
    let same = |(a, b): (&Node, &Node)| match (a.reward, b.reward) {
        (Some(left), Some(right)) => a.tokens == b.tokens && (left - right).abs() < 1e-3,
        (left, right) => a.tokens == b.tokens && left == right,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

fn replayed(case: &Path) -> CaseFile {
    let out = tempfile::tempdir().unwrap();
    let json = out.path().join("case.json");
    let output = run(example("replay_case")
        .arg("--models")
        .arg(crate::fixtures())
        .arg("--case")
        .arg(case)
        .arg("--json")
        .arg(&json));
    assert!(output.status.success(), "{}", text(&output.stderr));
    CaseFile::read(&json).unwrap()
}

#[test]
fn every_recorded_case_is_written_again() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(crate::fixtures().join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let (expected, found) = (CaseFile::read(&path).unwrap(), replayed(&path));
        assert!(!expected.cases.is_empty() && expected.cases.len() == found.cases.len(), "{}", path.display());
        for (place, (expected, found)) in expected.cases.iter().zip(&found.cases).enumerate() {
            assert_eq!(difference(expected, found), None, "{}, prompt {place}", path.display());
        }
        names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, CASES);
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    let case = crate::replay::case_file("B4").cases.swap_remove(0);
    assert_eq!(difference(&case, &case), None);
    let changed = |change: &dyn Fn(&mut Case)| {
        let mut other = case.clone();
        change(&mut other);
        difference(&case, &other)
    };
    let last = case.levels.len() - 1;
    let rewarded = case.levels[last].iter().position(|node| node.reward.is_some()).unwrap();
    let reward = |by: f32| move |case: &mut Case| *case.levels[last][rewarded].reward.as_mut().unwrap() += by;
    assert_eq!(changed(&reward(5e-4)), None, "within the tolerance");
    let level = Some(format!("level {last}"));
    assert_eq!(changed(&reward(2e-3)), level);
    assert_eq!(changed(&|case| case.levels[last][rewarded].reward = None), level);
    assert_eq!(changed(&|case| case.levels[last][0].tokens.push(0)), level);
    assert_eq!(changed(&|case| drop(case.levels[last].pop())), level);
    let push = |tokens: &mut Vec<Token>| tokens.push(0);
    assert!(changed(&|case| push(&mut case.output)).is_some());
    assert!(changed(&|case| push(&mut case.policy_context)).is_some());
    assert!(changed(&|case| case.prompt.push('!')).is_some());
    assert!(changed(&|case| drop(case.levels.pop())).is_some());
}
