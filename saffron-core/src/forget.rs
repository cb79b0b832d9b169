//! Models that keep something between calls.

use crate::scorer::{NoReward, OrmScorer, PrmScorer};

/// Drops what was kept between calls, so that what follows does not depend on what came before, to
/// the last bit.
///
/// A comparison calls it before every group of prompts, so that a run in pieces has the records of
/// a run in one. A model that keeps nothing does nothing.
pub trait Forget {
    /// Drops everything that is cached.
    fn forget(&mut self);
}

impl<F: Forget + ?Sized> Forget for Box<F> {
    fn forget(&mut self) {
        (**self).forget();
    }
}

impl<F: Forget + ?Sized> Forget for &mut F {
    fn forget(&mut self) {
        (**self).forget();
    }
}

impl Forget for NoReward {
    fn forget(&mut self) {}
}

impl<P: Forget> Forget for PrmScorer<P> {
    fn forget(&mut self) {
        self.0.forget();
    }
}

impl<O: Forget> Forget for OrmScorer<O> {
    fn forget(&mut self) {
        self.0.forget();
    }
}
