//! A run in parts is the run.

use std::path::PathBuf;

use saffron_search::eval::runs::{Arm, Manifest, Merged, Plan, RunDir, RunError, Shard, ShardError, groups, merge};
use tempfile::TempDir;

use super::{complete, lines, manifest, plan, record, timeless, unbroken};

#[test]
fn a_shard_is_read_from_index_and_number_counted_from_nought() {
    let shard: Shard = "2/3".parse().unwrap();
    assert_eq!((shard.index(), shard.of(), shard.to_string()), (2, 3, "2/3".to_owned()));
    assert_eq!("0/1".parse(), Ok(Shard::WHOLE));
    assert_eq!("3/3".parse::<Shard>(), Err(ShardError::Index { index: 3, of: 3 }));
    assert_eq!("0/0".parse::<Shard>(), Err(ShardError::None { index: 0 }));
    assert_eq!("2".parse::<Shard>(), Err(ShardError::Form { found: "2".into() }));
    for text in ["-1/3", "1/", "/2", "1/2/3", "one/2", "1/99999999999999999999999"] {
        assert!(matches!(text.parse::<Shard>(), Err(ShardError::Number { .. })), "{text}");
    }
}

#[test]
fn every_group_is_owned_by_one_shard_and_every_prompt_is_in_one_group() {
    for of in 1..6 {
        for group in 0..20 {
            let owners = (0..of).filter(|index| Shard::new(*index, of).unwrap().owns(group)).count();
            assert_eq!(owners, 1, "group {group} of {of} shards");
        }
    }
    for (count, size) in [(0, 1), (1, 4), (8, 4), (9, 4), (5, usize::MAX)] {
        let places: Vec<usize> = groups(count, size.try_into().unwrap()).flatten().collect();
        assert_eq!(places, (0..count).collect::<Vec<_>>(), "{count} by {size}");
    }
}

fn sharded(index: usize, of: usize) -> Manifest {
    manifest().with_shard(Shard::new(index, of).unwrap())
}

/// Runs some shards of a plan, each in a directory of its own.
fn run_shards(plan: &Plan, shards: &[(usize, usize)]) -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = shards.iter().map(|(index, of)| dir.path().join(format!("{index}-{of}"))).collect();
    for (path, (index, of)) in paths.iter().zip(shards) {
        complete(&mut RunDir::open(path, sharded(*index, *of)).unwrap(), plan, *index as f64);
    }
    (dir, paths)
}

#[test]
fn merged_shards_are_the_run_in_one_piece() {
    let plan = plan(9);
    for of in 1..6 {
        let shards: Vec<_> = (0..of).rev().map(|index| (index, of)).collect();
        let (dir, paths) = run_shards(&plan, &shards);
        let Merged { mut run, missing } = merge(&paths, &dir.path().join("out")).unwrap();
        assert!(missing.is_empty() && run.pending(&plan).is_empty());
        assert_eq!(timeless(run.path()), unbroken(&plan), "in order before any plan is known");
        run.finish(&plan).unwrap();
        assert_eq!(timeless(run.path()), unbroken(&plan));
        assert_eq!(run.manifest(), &manifest());
    }
}

#[test]
fn merged_records_are_in_the_order_of_the_whole_run_however_many_there_are() {
    // `p10` is before `p2`, and `best-of-n` before `saffron`, in the alphabet only.
    let plan = plan(23);
    let (dir, paths) = run_shards(&plan, &[(2, 3), (0, 3), (1, 3)]);
    let merged = merge(&paths, &dir.path().join("out")).unwrap();
    assert_eq!(timeless(merged.run.path()), unbroken(&plan));
}

#[test]
fn arms_that_only_later_shards_have_begun_are_in_their_place() {
    let ids = (0..4).map(|place| format!("p{place}")).collect();
    let arms = ["zen", "middle", "art"].map(|name| Arm::new(name, 1)).to_vec();
    let plan = Plan::new(arms, ids, 2.try_into().unwrap());
    // The last shard, which has nothing to do, is not given: what is merged may be gone on with.
    let (dir, paths) = run_shards(&plan, &[(0, 3), (1, 3)]);
    let merged = |paths: &[PathBuf], name: &str| {
        let merged = merge(paths, &dir.path().join(name)).unwrap();
        timeless(merged.run.path()).iter().map(|record| record.key.clone()).collect::<Vec<_>>()
    };
    let whole = merged(&paths, "whole");
    assert_eq!(whole, plan.keys(Shard::WHOLE).collect::<Vec<_>>());
    // The first shard was killed in its first arm.
    let first = String::from_utf8(lines(&paths[0])).unwrap();
    std::fs::write(paths[0].join("records.jsonl"), first.split_inclusive('\n').next().unwrap()).unwrap();
    let kept: Vec<_> = whole
        .into_iter()
        .filter(|key| key.prompt.as_str() > "p1" || (&key.strategy[..], &key.prompt[..]) == ("zen", "p0"))
        .collect();
    assert_eq!(merged(&paths, "part"), kept);
}

#[test]
fn merging_does_not_depend_on_the_order_of_directories() {
    let plan = plan(7);
    let (dir, mut paths) = run_shards(&plan, &[(0, 3), (1, 3), (2, 3)]);
    let first = merge(&paths, &dir.path().join("first")).unwrap();
    paths.reverse();
    let second = merge(&paths, &dir.path().join("second")).unwrap();
    assert_eq!(lines(first.run.path()), lines(second.run.path()));
}

#[test]
fn shards_that_are_not_given_are_told_and_may_be_made_up_for() {
    let plan = plan(8);
    let (dir, paths) = run_shards(&plan, &[(1, 4), (3, 4)]);
    let Merged { mut run, missing } = merge(&paths, &dir.path().join("out")).unwrap();
    assert_eq!(missing, [Shard::new(0, 4).unwrap(), Shard::new(2, 4).unwrap()]);
    assert!(matches!(run.finish(&plan), Err(RunError::Incomplete { missing: 8, .. })));
    complete(&mut run, &plan, 5.0);
    assert_eq!(timeless(run.path()), unbroken(&plan));
}

#[test]
fn a_shard_takes_no_record_of_another() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(4));
    let mut run = RunDir::open(dir.path(), sharded(0, 2)).unwrap();
    let key = plan.arms()[0].key("p2");
    let error = run.append(&record(&plan, &key, 1.0)).unwrap_err();
    assert!(matches!(error, RunError::OtherShard { group: 1, .. }), "{error}");
    assert_eq!(run.pending(&plan).len(), 4);
}

#[test]
fn a_file_with_records_of_another_shard_is_not_taken_up() {
    let plan = plan(4);
    let (_dir, paths) = run_shards(&plan, &[(0, 2), (1, 2)]);
    std::fs::write(paths[0].join("records.jsonl"), lines(&paths[1])).unwrap();
    let error = RunDir::open(&paths[0], sharded(0, 2)).unwrap_err();
    assert!(matches!(error, RunError::OtherShard { group: 1, .. }), "{error}");
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let plan = plan(8);
    let (dir, paths) = run_shards(&plan, &[(0, 2), (1, 2), (0, 3)]);
    let merge = |paths: &[PathBuf], name: &str| merge(paths, &dir.path().join(name)).unwrap_err();
    assert!(matches!(merge(&[], "a"), RunError::NothingToMerge));
    let error = merge(&[paths[0].clone(), paths[2].clone()], "b");
    assert_eq!(error.to_string().split_once("holds ").unwrap().1, "shard 0/3, expected one of 2");

    let copy = dir.path().join("copy");
    complete(&mut RunDir::open(&copy, sharded(0, 2)).unwrap(), &plan, 1.0);
    assert!(matches!(merge(&[paths[0].clone(), copy], "c"), RunError::MixedShards { .. }));
    assert!(matches!(merge(&[paths[0].clone(), paths[0].clone()], "d"), RunError::Held { .. }));
    let other = dir.path().join("other");
    RunDir::open(&other, sharded(1, 2).fingerprint("policy", "decaf")).unwrap();
    assert!(matches!(merge(&[paths[0].clone(), other], "e"), RunError::OtherSettings { .. }));
    assert!(matches!(merge(&[dir.path().join("nowhere")], "f"), RunError::NoManifest { .. }));
    assert!(["a", "b", "c", "d", "e", "f"].iter().all(|name| !dir.path().join(name).exists()), "nothing was made");
}

#[test]
fn a_key_in_two_shards_is_an_error_with_both() {
    let (small, large) = (plan(4), plan(6));
    let (dir, paths) = run_shards(&small, &[(0, 2)]);
    let other = dir.path().join("other");
    let mut run = RunDir::open(&other, sharded(1, 2)).unwrap();
    let mut stray = record(&large, &large.arms()[0].key("p0"), 1.0);
    stray.group = 1;
    run.append(&stray).unwrap();
    drop(run);
    let error = merge(&[paths[0].clone(), other.clone()], &dir.path().join("out")).unwrap_err();
    assert!(
        matches!(&error, RunError::InTwoShards { first, second, .. } if *first == paths[0] && *second == other),
        "{error}"
    );
}

#[test]
fn shards_are_not_merged_into_a_run_with_other_records_and_merging_again_changes_nothing() {
    let plan = plan(4);
    let (dir, paths) = run_shards(&plan, &[(0, 2), (1, 2)]);
    let (out, other) = (dir.path().join("out"), dir.path().join("other"));
    for _ in 0..2 {
        drop(merge(&paths, &out).unwrap());
        assert_eq!(timeless(&out), unbroken(&plan));
    }
    let mut begun = RunDir::open(&other, manifest()).unwrap();
    begun.append(&record(&plan, &plan.arms()[0].key("p0"), 1.0)).unwrap();
    drop(begun);
    let before = lines(&other);
    assert!(matches!(merge(&paths, &other), Err(RunError::NotEmpty { records: 1, .. })));
    assert_eq!(lines(&other), before);
}

#[test]
fn a_shard_that_has_not_ended_is_not_merged_into_a_whole() {
    let plan = plan(8);
    for (kept, strategy, place) in [(0, "saffron", 2), (3, "best-of-n", 2), (4, "best-of-n", 2), (7, "best-of-n", 7)] {
        let (dir, paths) = run_shards(&plan, &[(0, 2), (1, 2)]);
        let text = String::from_utf8(lines(&paths[1])).unwrap();
        let begun: String = text.split_inclusive('\n').take(kept).collect();
        std::fs::write(paths[1].join("records.jsonl"), begun).unwrap();
        let error = merge(&paths, &dir.path().join("out")).unwrap_err();
        let expected = format!(
            "the shards have no record of {strategy} at {} for the prompt in place {place}: a shard has not ended",
            if strategy == "saffron" { 4 } else { 16 }
        );
        assert_eq!(error.to_string(), expected, "{kept} records kept");
        assert!(!dir.path().join("out").exists(), "nothing was made");
    }
}

#[test]
fn nothing_is_written_beside_records_that_are_zipped() {
    let plan = plan(4);
    let (dir, paths) = run_shards(&plan, &[(0, 1)]);
    std::fs::rename(paths[0].join("records.jsonl"), paths[0].join("records.jsonl.gz")).unwrap();
    let errors =
        [RunDir::open(&paths[0], sharded(0, 1)).unwrap_err(), merge(&paths, &dir.path().join("out")).unwrap_err()];
    for error in errors {
        assert!(matches!(&error, RunError::Zipped { path } if path.ends_with("records.jsonl.gz")), "{error}");
    }
    assert!(!paths[0].join("records.jsonl").exists() && !dir.path().join("out").exists());
}
