//! Replies with cuts that are drawn anew for every epoch.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::below;

use super::{GuardExample, GuardReply};
use crate::corpus::Corpus;

/// Sets cuts apart from the order of samples, which is drawn from the same seed.
const CUTS: u64 = 0x6375_7473;

/// Examples of whole replies; each epoch sees other beginnings of them. What an epoch sees depends on the seed, its number and the
/// example's place alone.
#[derive(Clone, Debug)]
pub struct GuardCorpus {
    examples: Vec<GuardExample>,
    prefixes: usize,
    seed: u64,
}

impl GuardCorpus {
    /// `prefixes` beginnings of every example, beside the whole. Fewer where a reply is short.
    #[must_use]
    pub fn new(examples: Vec<GuardExample>, prefixes: usize, seed: u64) -> Self {
        Self { examples, prefixes, seed }
    }

    /// The examples.
    #[must_use]
    pub fn examples(&self) -> &[GuardExample] {
        &self.examples
    }

    /// Different lengths below `length`, in ascending order, and `length` itself.
    fn cuts(&self, length: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut cuts: Vec<usize> = Vec::new();
        while cuts.len() < self.prefixes.min(length.saturating_sub(1)) {
            let cut = 1 + below(rng, length - 1);
            if !cuts.contains(&cut) {
                cuts.push(cut);
            }
        }
        cuts.sort_unstable();
        cuts.push(length);
        cuts
    }

    fn cut(&self, example: &GuardExample, rng: &mut ChaCha8Rng) -> GuardExample {
        match example {
            GuardExample::Labelled { reply, safe } => {
                let cuts = self.cuts(reply.reply().len(), rng);
                GuardExample::Labelled { reply: reply.at(cuts), safe: *safe }
            }
            GuardExample::Pair { better, worse } => {
                // Both are cut after as many tokens; where one is over, it is judged as a whole.
                let (left, right) = (better.reply().len(), worse.reply().len());
                let cuts = self.cuts(left.min(right), rng);
                let side = |reply: &GuardReply| {
                    let own = cuts.iter().enumerate();
                    let last = cuts.len() - 1;
                    reply.at(own.map(|(at, cut)| if at == last { reply.reply().len() } else { *cut }).collect())
                };
                GuardExample::Pair { better: side(better), worse: side(worse) }
            }
        }
    }
}

impl Corpus<GuardExample> for GuardCorpus {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn tokens(&self, place: usize) -> usize {
        self.examples[place].tokens()
    }

    fn sample(&self, place: usize, epoch: u64) -> GuardExample {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ CUTS);
        rng.set_stream(epoch << 32 | place as u64);
        self.cut(&self.examples[place], &mut rng)
    }
}
