//! A run over all weights that is stopped and taken up again ends as one that was not.

use std::collections::BTreeMap;
use std::path::Path;

use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::objective::next_token::Text;
use saffron_train::run::{Line, TrainObserver};
use saffron_train::{RunSettings, TrainRun};

use super::{bits, trainer};
use crate::labels::fast_dir;
use crate::run::{StopAfter, files, step};

const STEPS: u64 = 9;

fn corpus() -> Vec<Text> {
    let tokens = |place: u32| (0..4 + place % 3).map(|at| (place * 7 + at * 5 + 2) % 30).collect();
    (0..5).map(|place| Text::new(tokens(place), 2..4).unwrap()).collect()
}

/// Goes on with a run; gives its lines.
fn go_on(dir: &Path, observer: &mut dyn TrainObserver) -> Vec<Line> {
    let settings = RunSettings {
        epochs: 3,
        batch: 2,
        micro_batch: 1,
        validate_every: 4,
        checkpoint_every: 2,
        ..RunSettings::default()
    };
    let manifest = Manifest::new(serde_json::to_value(settings).unwrap(), Shard::WHOLE);
    let mut run = TrainRun::open(dir, &manifest, trainer(false), settings).unwrap();
    run.train(&corpus(), &corpus()[..2], observer).unwrap();
    run.export().unwrap();
    assert_ne!(bits(run.trainer().network()), bits(trainer(false).network()));
    run.lines().unwrap().into_iter().map(Line::without_time).collect()
}

/// What the last checkpoint and the export hold. Moments are written in any order, and checksums are of them, too.
fn weights(dir: &Path) -> [BTreeMap<String, Vec<u8>>; 2] {
    let mut last = files(&step(dir, STEPS));
    last.retain(|name, _| !["optimizer.bpk", "checksums.json"].contains(&name.as_str()));
    [last, files(&dir.join("model"))]
}

#[test]
fn a_run_over_all_weights_that_is_taken_up_ends_as_one_that_was_not() {
    let (whole, pieces) = (fast_dir(), fast_dir());
    for stop in [1, 2, 5, 8] {
        go_on(pieces.path(), &mut StopAfter(stop));
    }
    assert_eq!(go_on(pieces.path(), &mut ()), go_on(whole.path(), &mut ()));
    let (expected, found) = (weights(whole.path()), weights(pieces.path()));
    assert!(found == expected);
    for (folder, weights) in expected.iter().enumerate() {
        assert!(weights.contains_key("model.safetensors") && weights.contains_key("config.json"), "{folder}");
        assert!(!weights.contains_key("adapter_config.json"));
    }
}
