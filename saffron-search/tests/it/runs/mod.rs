//! Runs, their statistics and curves.

mod clustered;
mod curves;
mod kills;
mod manifests;
mod mutants;
mod pairs;
mod records;
mod settings;
mod shards;
mod stats;
mod summaries;

use std::num::NonZeroUsize;
use std::path::Path;

use saffron_core::{Forwarded, RoleUsage, Safety, Usage, Verdict};
use saffron_search::eval::runs::{
    Answer, Arm, Ending, Judgement, Key, Kind, Manifest, Plan, Record, RunDir, Shard, Timings,
};
use serde_json::json;

/// Two arms over prompts `p0`, `p1`, … in groups of two.
pub(crate) fn plan(prompts: usize) -> Plan {
    let ids = (0..prompts).map(|place| format!("p{place}")).collect();
    Plan::new(vec![Arm::new("saffron", 4), Arm::new("best-of-n", 16)], ids, NonZeroUsize::new(2).unwrap())
}

pub(crate) fn manifest() -> Manifest {
    Manifest::new(json!({ "strategies": [{ "width": 4 }], "top_p": 0.9 }), Shard::WHOLE).fingerprint("policy", "c0ffee")
}

/// What a run with this plan writes of a key, times apart. Every third prompt fails.
pub(crate) fn record(plan: &Plan, key: &Key, wall_seconds: f64) -> Record {
    let (index, group) = plan.place(&key.prompt).unwrap();
    let ending = match index % 3 {
        2 => Ending::Failed { error: format!("the policy model failed at {}", key.budget) },
        _ => Ending::Answered(Box::new(answer(index, key.budget))),
    };
    let kind = Kind::Attacked { attack: "prefill".into() };
    let timings = Timings { wall_seconds, ..Timings::default() };
    let (key, set, category, template, prompt) = (key.clone(), "harm".into(), None, None, None);
    Record { key, index, group, set, kind, category, template, prompt, ending, timings }
}

fn answer(index: usize, budget: u64) -> Answer {
    Answer {
        tokens: vec![7, 0],
        text: Some("no".into()),
        stop: "maximum of new tokens".into(),
        reward: Some(0.1 + index as f32),
        empty: None,
        refused: Some(true),
        verdict: Verdict { safety: Safety::Safe, reward: Some(0.25) },
        judgements: vec![Judgement { judge: "phrases".into(), safe: true, score: None }],
        quality: [("words".to_owned(), 1.0 / 3.0)].into(),
        usage: usage(budget * 1_000_000_000_000, 500_000_000_000),
    }
}

/// A usage with these FLOPs of policy and reward model, half of them computed.
pub(crate) fn usage(policy: u64, reward: u64) -> Usage {
    let role = |flops| RoleUsage {
        calls: 3,
        attributed: Forwarded { flops, tokens: 20, ..Forwarded::default() },
        computed: Forwarded { flops: flops / 2, tokens: 10, ..Forwarded::default() },
        ..RoleUsage::default()
    };
    Usage { policy: role(policy), reward: role(reward), judge: RoleUsage::default() }
}

/// Does everything that is pending, and finishes.
pub(crate) fn complete(run: &mut RunDir, plan: &Plan, wall_seconds: f64) {
    for key in run.pending(plan) {
        run.append(&record(plan, &key, wall_seconds)).unwrap();
    }
    run.finish(plan).unwrap();
}

/// The records of a run that nothing has broken.
pub(crate) fn unbroken(plan: &Plan) -> Vec<Record> {
    let dir = tempfile::tempdir().unwrap();
    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    complete(&mut run, plan, 1.0);
    timeless(dir.path())
}

/// A run's records without their times.
pub(crate) fn timeless(dir: &Path) -> Vec<Record> {
    saffron_search::eval::runs::read(dir).unwrap().1.iter().map(Record::without_timings).collect()
}

pub(crate) fn lines(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("records.jsonl")).unwrap()
}
