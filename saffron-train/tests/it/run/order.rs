//! Which samples a step sees.

use std::cell::RefCell;

use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::run::{Corpus, Order};
use saffron_train::{RunSettings, Sample, TrainRun};

use super::{corpus, settings};
use crate::labels::fast_dir;
use crate::trainer;

/// A corpus that writes down what is asked of it.
struct Asked(Vec<Sample>, RefCell<Vec<(u64, usize)>>);

impl Corpus<Sample> for Asked {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn tokens(&self, place: usize) -> usize {
        self.0.tokens(place)
    }

    fn sample(&self, place: usize, epoch: u64) -> Sample {
        self.1.borrow_mut().push((epoch, place));
        self.0.sample(place, epoch)
    }
}

fn asked(settings: RunSettings) -> Vec<(u64, usize)> {
    let (dir, corpus) = (fast_dir(), Asked(corpus(), RefCell::default()));
    let manifest = Manifest::new(serde_json::to_value(settings).unwrap(), Shard::WHOLE);
    let mut run = TrainRun::open(dir.path(), &manifest, trainer("tiny-a", 1e-3), settings).unwrap();
    run.train(&corpus, &[], &mut ()).unwrap();
    corpus.1.into_inner()
}

#[test]
fn every_epoch_sees_every_sample_once_whatever_is_accumulated() {
    let whole: Vec<usize> = (0..7).collect();
    let mut orders = Vec::new();
    for micro_batch in [1, 2, 5] {
        let asked = asked(RunSettings { micro_batch, ..settings() });
        for epoch in 0..3 {
            let mut seen: Vec<usize> = asked.iter().filter(|(of, _)| *of == epoch).map(|(_, place)| *place).collect();
            seen.sort_unstable();
            assert_eq!(seen, whole, "epoch {epoch} with {micro_batch} a pass");
        }
        orders.push(asked);
    }
    assert!(orders.windows(2).all(|two| two[0] == two[1]), "accumulation changes no order");
}

/// The batches of an epoch.
fn epoch(settings: &RunSettings, epoch: u64) -> Vec<Vec<usize>> {
    let corpus: Vec<Sample> = (0..4).flat_map(|_| super::corpus()).collect();
    let mut order = Order::new(&corpus, settings);
    let batches = settings.epoch(corpus.len());
    let batch = |step: u64| {
        let (found, places) = order.batch(epoch * batches + step);
        assert_eq!(found, epoch);
        places.to_vec()
    };
    (0..batches).map(batch).collect()
}

#[test]
fn windows_and_batches_change_the_order_but_not_what_an_epoch_sees() {
    for (batch, window) in [(1, 1), (2, 1), (3, 2), (5, 3), (4, 100), (28, 1), (100, 1)] {
        let settings = RunSettings { batch, window, ..settings() };
        let epochs = [0, 1, 2].map(|number| epoch(&settings, number));
        for batches in &epochs {
            let mut places = batches.concat();
            places.sort_unstable();
            assert_eq!(places, (0..28).collect::<Vec<_>>(), "batches of {batch}, windows of {window}");
            let short = batches.iter().filter(|places| places.len() != batch).count();
            assert!(short <= 1 && batches.iter().all(|places| (1..=batch).contains(&places.len())));
        }
        assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2], "batches of {batch}, windows of {window}");
        let other = RunSettings { seed: 5, ..settings };
        assert_ne!(epoch(&other, 0), epochs[0]);
    }
}

#[test]
fn a_window_puts_samples_of_like_length_together() {
    let corpus: Vec<Sample> = (0..4).flat_map(|_| super::corpus()).collect();
    let spread = |window: usize| -> usize {
        let batches = epoch(&RunSettings { batch: 4, window, ..settings() }, 0);
        let lengths = batches.iter().map(|batch| batch.iter().map(|place| corpus[*place].tokens().len()));
        lengths.map(|lengths| lengths.clone().max().unwrap() - lengths.min().unwrap()).sum()
    };
    assert!(spread(7) < spread(1), "{} for {}", spread(7), spread(1));
}

#[test]
fn a_bound_on_steps_ends_a_run_early() {
    let settings = RunSettings { max_steps: 5, ..settings() };
    assert_eq!(asked(settings).len(), 7 + 2, "an epoch and a batch");
    assert_eq!(settings.steps(7), 5);
    assert_eq!(RunSettings { max_steps: 0, ..settings }.steps(7), 12);
}
