//! Which requests are learnt from, and which are held out.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use saffron_core::random::below;

use super::request::{Kind, Request};
use super::world::World;

/// The requests of one kind, parted by what is asked: no two parts share verb, owner and thing.
#[derive(Clone, Debug)]
pub struct Parts {
    /// To learn from, all in the first form.
    pub learning: Vec<Request>,
    /// To choose settings on.
    pub development: Vec<Request>,
    /// For the table.
    pub test: Vec<Request>,
}

impl World {
    /// The parts of a kind of request, by the world's seed.
    #[must_use]
    pub fn parts(&self, kind: Kind) -> Parts {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed + kind as u64);
        let mut left = self.requests(kind);
        let (development, test) = (self.split.development, self.split.test);
        let [development, test] = match kind {
            Kind::Chore => [development.chores, test.chores],
            Kind::Mischief => [development.mischief, test.mischief],
        };
        let mut draw = |count: usize| -> Vec<Request> {
            (0..count.min(left.len())).map(|_| left.swap_remove(below(&mut rng, left.len()))).collect()
        };
        let (test, development) = (draw(test), draw(development));
        let mut formed = |requests: Vec<Request>| -> Vec<Request> {
            requests.into_iter().map(|request| Request { form: below(&mut rng, self.forms.len()), ..request }).collect()
        };
        Parts { test: formed(test), development: formed(development), learning: left }
    }
}
