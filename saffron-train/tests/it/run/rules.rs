//! What a run keeps, exports, refuses.

use burn::tensor::DType;
use saffron_search::eval::files::FileError;
use saffron_search::eval::runs::RunError;
use saffron_train::run::Line;
use saffron_train::{Network, PartialSupervision, RunSettings, Sample, TrainError, TrainRun};

use super::{STEPS, checkpoints, corpus, files, finish, manifest, open, settings, step, stopped, validation};
use crate::labels::fast_dir;
use crate::{base, bits, trainer};

#[test]
fn a_run_with_other_settings_or_data_is_refused_with_the_difference() {
    let dir = fast_dir();
    stopped(dir.path(), 2);
    let before = files(dir.path());
    let mut other = manifest();
    other.settings["rate"] = 0.02.into();
    let data = manifest().fingerprint("data", "crc32 11c0ffee");
    for (manifest, says) in [(other, "rate: 0.02 here, 0.01 in the run"), (data, "11c0ffee")] {
        let error = TrainRun::open(dir.path(), &manifest, trainer("tiny-a", 1e-2), settings()).unwrap_err();
        assert!(matches!(error, TrainError::Run(RunError::OtherSettings { .. })), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(files(dir.path()) == before);
}

#[test]
fn a_run_is_held_by_one_at_a_time() {
    let dir = fast_dir();
    let held = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, TrainError::File(FileError::Held { path }) if *path == dir.path().join("lock")),
        "{error}"
    );
    drop(held);
    open(dir.path()).unwrap();
}

#[test]
fn so_many_checkpoints_are_kept_and_the_best() {
    for keep in 1..=3 {
        let (dir, settings) = (fast_dir(), RunSettings { keep, ..settings() });
        let mut run = TrainRun::open(dir.path(), &manifest(), trainer("tiny-a", 1e-2), settings).unwrap();
        run.train(&corpus(), &validation(), &mut ()).unwrap();
        // Saved after every second step and every third.
        let last = [9, 10, 12];
        let expected = [&[3], &last[3 - keep..]].concat();
        assert_eq!(checkpoints(dir.path()), expected, "{keep} kept");
    }
}

#[test]
fn the_best_validated_step_is_exported() {
    let dir = fast_dir();
    let ended = finish(dir.path());
    let score =
        |line: &Line| if let Line::Validation { step, score, .. } = line { Some((*step, *score)) } else { None };
    let scores: Vec<(u64, f64)> = ended.metrics.iter().filter_map(score).collect();
    assert_eq!(scores.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [3, 6, 9, 12]);
    let best = scores.iter().min_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap();
    assert_eq!(best.0, 3, "the fixture's best step is not its last: {scores:?}");
    let run = open(dir.path()).unwrap();
    assert_eq!(run.export().unwrap(), (dir.path().join("model"), 3));
    let (base, adapter) = (base("tiny-a"), "adapter_model.safetensors");
    let network = |dir: &std::path::Path| bits(&Network::open(&base, dir).unwrap());
    assert_eq!(network(&dir.path().join("model")), network(&step(dir.path(), 3)));
    assert_ne!(ended.model[adapter], ended.last[adapter]);
    let names = ["adapter_config.json", adapter, "lm_head_bias.pt", "reward_head.safetensors", "unseen_mask.pt"];
    assert_eq!(ended.model.keys().map(String::as_str).collect::<Vec<_>>(), names);
    let (report, pairs) = run.judge(&validation()).unwrap();
    assert!((report.root_mean_square_error - best.1).abs() < 1e-9);
    let rewards: Vec<f32> = validation().iter().flat_map(|sample| sample.rewards().to_vec()).collect();
    assert_eq!(pairs.iter().map(|(_, reward)| *reward).collect::<Vec<_>>(), rewards);
}

#[test]
fn without_validation_the_last_step_is_exported() {
    let dir = fast_dir();
    let mut run = open(dir.path()).unwrap();
    let finished = run.train(&corpus(), &[], &mut ()).unwrap();
    assert_eq!((finished.report, finished.steps, finished.complete), (None, STEPS, true));
    let (model, exported) = run.export().unwrap();
    assert_eq!(exported, STEPS);
    assert_eq!(bits(&Network::open(&base("tiny-a"), &model).unwrap()), bits(run.trainer().network()));
}

#[test]
fn an_export_may_be_rounded_and_is_judged_as_it_is_written() {
    let dir = fast_dir();
    finish(dir.path());
    let (exact, _) = open(dir.path()).unwrap().judge(&validation()).unwrap();
    let run = open(dir.path()).unwrap().with_export_type(DType::F16);
    let (model, exported) = run.export().unwrap();
    let [kept, written] = [step(dir.path(), exported), model].map(|dir| {
        let size = std::fs::metadata(dir.join("adapter_model.safetensors")).unwrap().len();
        (size, Network::open(&base("tiny-a"), &dir).unwrap())
    });
    assert!(written.0 < kept.0 * 6 / 10, "{} against {}", written.0, kept.0);
    assert_eq!(bits(&written.1), bits(&kept.1.rounded(DType::F16)));
    assert_ne!(bits(&written.1), bits(&kept.1));
    assert_eq!(written.1.head(), kept.1.head(), "the bias is not rounded");
    let (rounded, pairs) = run.judge(&validation()).unwrap();
    let seen = written.1.outputs(&PartialSupervision, &validation(), settings().micro_batch).unwrap();
    let outputs: Vec<f32> = seen.iter().flat_map(|(_, outputs)| outputs.clone()).collect();
    assert_eq!(pairs.iter().map(|(output, _)| *output).collect::<Vec<_>>(), outputs);
    assert_ne!(rounded, exact);
    assert!((rounded.root_mean_square_error - exact.root_mean_square_error).abs() < 1e-2);
    let error = run.with_export_type(DType::I32).export().unwrap_err();
    assert!(error.to_string().contains("F32, BF16 or F16"), "{error}");
}

#[test]
fn nothing_to_learn_from_and_sizes_of_nothing_are_refused() {
    let dir = fast_dir();
    let error = open(dir.path()).unwrap().train(&Vec::new(), &validation(), &mut ()).unwrap_err();
    assert!(matches!(error, TrainError::EmptyCorpus), "{error}");
    let plain = settings;
    let cases = [
        ("epochs", RunSettings { epochs: 0, ..plain() }),
        ("batch", RunSettings { batch: 0, ..plain() }),
        ("micro_batch", RunSettings { micro_batch: 0, ..plain() }),
        ("window", RunSettings { window: 0, ..plain() }),
        ("keep", RunSettings { keep: 0, ..plain() }),
    ];
    for (expected, settings) in cases {
        let dir = fast_dir();
        let error = TrainRun::open(dir.path(), &manifest(), trainer("tiny-a", 1e-2), settings).unwrap_err();
        assert!(matches!(error, TrainError::Setting { name, .. } if name == expected), "{error}");
        assert!(files(dir.path()).is_empty(), "nothing is begun");
    }
    let error = Sample::new(vec![1, 2, 3], vec![0.0, f32::NAN]).unwrap_err();
    assert!(matches!(error, TrainError::Reward { position: 1, .. }), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_ends_a_run_and_changes_no_parameter() {
    let dir = fast_dir();
    stopped(dir.path(), 2);
    let mut run = open(dir.path()).unwrap();
    let before = bits(run.trainer().network());
    let wild = |sample: Sample| Sample::new(sample.tokens().to_vec(), vec![f32::MAX; sample.rewards().len()]).unwrap();
    let corpus: Vec<Sample> = corpus().into_iter().map(wild).collect();
    let error = run.train(&corpus, &validation(), &mut ()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { step: 2, what: "loss", .. }), "{error}");
    assert_eq!((run.trainer().steps(), bits(run.trainer().network())), (2, before));
    assert_eq!(run.lines().unwrap().len(), 2);
    drop(run);
    super::ends_as(dir.path(), &super::whole(), "with better data");
}

#[test]
fn a_sample_that_does_not_fit_is_named_by_its_place_in_the_corpus() {
    for bad in [0, 2, corpus().len() - 1] {
        let (dir, settings) = (fast_dir(), RunSettings { batch: 3, micro_batch: 2, ..settings() });
        let mut corpus = corpus();
        corpus[bad] = Sample::new(vec![1, 2, 1_000_000], vec![0.5; 2]).unwrap();
        let mut run = TrainRun::open(dir.path(), &manifest(), trainer("tiny-a", 1e-2), settings).unwrap();
        let error = run.train(&corpus, &validation(), &mut ()).unwrap_err();
        assert!(matches!(error, TrainError::Token { sample, token: 1_000_000, .. } if sample == bad), "{bad}: {error}");
    }
}
