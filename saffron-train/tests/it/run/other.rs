//! Runs of other kinds: with a frozen bias, with guards, with an objective of one's own.

use std::path::Path;

use burn::tensor::Tensor;
use saffron_mrm::DecoderConfig;
use saffron_mrm::nn::Decoder;
use saffron_search::eval::runs::{Manifest, Shard};
use saffron_search::eval::stats::Regression;
use saffron_train::objective::guard::GuardCorpus;
use saffron_train::run::{Corpus, Line, TrainObserver};
use saffron_train::{
    Batch, Network, Objective, PartialSupervision, RunSettings, Sample, TrainError, TrainRun, Trainer,
};

use super::{STEPS, StopAfter, corpus, settings};
use crate::guard::{labelled, objective, pair};
use crate::labels::fast_dir;
use crate::{bits, network};

/// Takes up a run and goes on with it; gives its parameters and lines.
fn go_on<O: Objective>(
    dir: &Path,
    trainer: Trainer<O>,
    corpus: &dyn Corpus<O::Sample>,
    observer: &mut dyn TrainObserver,
) -> (Vec<u32>, Vec<Line>) {
    let settings = RunSettings { checkpoint_every: 0, ..settings() };
    let manifest = Manifest::new(serde_json::to_value(settings).unwrap(), Shard::WHOLE);
    let mut run = TrainRun::open(dir, &manifest, trainer, settings).unwrap();
    run.train(corpus, &[], observer).unwrap();
    let lines = run.lines().unwrap().into_iter().map(Line::without_time).collect();
    (bits(run.trainer().network()), lines)
}

/// A run in one piece and one in four, of a trainer that is made anew for each piece.
fn whole_and_pieces<O: Objective>(
    trainer: impl Fn() -> Trainer<O>,
    corpus: &dyn Corpus<O::Sample>,
) -> [(Vec<u32>, Vec<Line>); 2] {
    let (whole, pieces) = (fast_dir(), fast_dir());
    for stop in [1, 2, 7] {
        go_on(pieces.path(), trainer(), corpus, &mut StopAfter(stop));
    }
    [&whole, &pieces].map(|dir| go_on(dir.path(), trainer(), corpus, &mut ()))
}

fn with<O: Objective>(network: Network, objective: O) -> Trainer<O> {
    Trainer::new(network, objective, crate::settings(1e-2)).unwrap()
}

#[test]
fn a_frozen_bias_stays_frozen_in_a_run_that_is_taken_up() {
    let frozen = || network("tiny-a").with_frozen_bias();
    let [whole, pieces] = whole_and_pieces(|| with(frozen(), PartialSupervision), &corpus());
    assert!(whole == pieces);
    let (before, after) = (bits(&frozen()), whole.0);
    let bias = before.len() - 100..;
    assert_eq!(after[bias.clone()], before[bias]);
    assert_ne!(after, before);
}

#[test]
fn a_guards_run_sees_the_same_beginnings_when_it_is_taken_up() {
    let examples = [labelled(true), pair(), labelled(false), pair(), labelled(true), labelled(false), pair()];
    let corpus = GuardCorpus::new(examples.to_vec(), 2, 3);
    let [whole, pieces] = whole_and_pieces(|| with(network("tiny-a"), objective()), &corpus);
    assert_eq!(whole.1.len() as u64, STEPS);
    assert!(whole == pieces);
}

/// Partial supervision that does not look at the bias.
#[derive(Clone)]
struct WithoutBias;

impl Objective for WithoutBias {
    type Sample = Sample;
    type Batch = Batch;
    type Report = Regression;

    fn batch(&self, samples: &[&Sample], model: &DecoderConfig) -> Result<Batch, TrainError> {
        PartialSupervision.batch(samples, model)
    }

    fn outputs(&self, decoder: &Decoder, bias: &Tensor<1>, batch: &Batch) -> Tensor<1> {
        PartialSupervision.outputs(decoder, &bias.zeros_like(), batch)
    }

    fn loss(&self, outputs: Tensor<1>, batch: &Batch) -> Tensor<1> {
        PartialSupervision.loss(outputs, batch)
    }

    fn terms(&self, batch: &Batch) -> usize {
        PartialSupervision.terms(batch)
    }

    fn tokens(&self, batch: &Batch) -> usize {
        PartialSupervision.tokens(batch)
    }

    fn report(&self, seen: &[(Batch, Vec<f32>)]) -> Result<Regression, TrainError> {
        PartialSupervision.report(seen)
    }

    fn score(&self, report: &Regression) -> f64 {
        PartialSupervision.score(report)
    }
}

#[test]
fn a_run_is_taken_up_though_its_objective_leaves_a_parameter_alone() {
    let [whole, pieces] = whole_and_pieces(|| with(network("tiny-a"), WithoutBias), &corpus());
    assert!(whole == pieces);
    let before = bits(&network("tiny-a"));
    let bias = before.len() - 100..;
    assert_eq!(whole.0[bias.clone()], before[bias]);
}
