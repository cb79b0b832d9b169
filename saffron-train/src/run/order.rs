//! Which samples make which batch: a function of seed and epoch.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::shuffle;

use super::{Corpus, RunSettings};

/// The batches of a run. Every epoch goes through all samples once, in an order of its own. Within windows of some batches samples are
/// put together by length, so that little is padded, and the batches of a window are shuffled again.
#[derive(Debug)]
pub struct Order {
    lengths: Vec<usize>,
    batch: usize,
    window: usize,
    seed: u64,
    epoch: Option<u64>,
    places: Vec<Vec<usize>>,
}

impl Order {
    /// The order of a corpus.
    #[must_use]
    pub fn new<S>(corpus: &dyn Corpus<S>, settings: &RunSettings) -> Self {
        let lengths = (0..corpus.len()).map(|place| corpus.tokens(place)).collect();
        let RunSettings { batch, window, seed, .. } = *settings;
        Self { lengths, batch: batch.max(1), window: window.max(1), seed, epoch: None, places: Vec::new() }
    }

    /// The epoch of a step, counted from 0, and the places of its batch.
    pub fn batch(&mut self, step: u64) -> (u64, &[usize]) {
        let batches = self.lengths.len().div_ceil(self.batch).max(1) as u64;
        let epoch = step / batches;
        if self.epoch != Some(epoch) {
            self.places = self.epoch_batches(epoch);
            self.epoch = Some(epoch);
        }
        (epoch, &self.places[(step % batches) as usize])
    }

    fn epoch_batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch);
        let mut places: Vec<usize> = (0..self.lengths.len()).collect();
        shuffle(&mut rng, &mut places);
        let mut batches = Vec::new();
        for window in places.chunks_mut(self.batch.saturating_mul(self.window)) {
            window.sort_by_key(|place| self.lengths[*place]);
            let mut here: Vec<Vec<usize>> = window.chunks(self.batch).map(<[usize]>::to_vec).collect();
            shuffle(&mut rng, &mut here);
            batches.extend(here);
        }
        batches
    }
}
