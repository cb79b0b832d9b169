//! Two runs over questions that are asked more than once.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use saffron_core::random::below;

use super::{Bootstrap, Difference, Paired, Z95};

/// Pairs of trials by question, in the order of the questions' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairedClusters(BTreeMap<String, Paired>);

/// The most that differences may add up to in an exact test: its cost grows with that times the
/// number of questions.
const MOST: usize = 100_000;

impl PairedClusters {
    /// Adds a pair of a question: whether it hit in the first run, and whether it did in the second.
    pub fn add(&mut self, question: &str, first: bool, second: bool) {
        self.0.entry(question.to_owned()).or_default().add(first, second);
    }

    /// All pairs together.
    #[must_use]
    pub fn pooled(&self) -> Paired {
        self.0.values().fold(Paired::default(), |sum, pairs| sum.and(pairs))
    }

    /// How many questions there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a question has more than one pair.
    #[must_use]
    pub fn repeat(&self) -> bool {
        self.0.values().any(|pairs| pairs.pairs() > 1)
    }

    /// How probable a difference as great as this, or greater, is when every question's difference
    /// could as well have the other sign: the exact two-sided sign-flip test over whole questions
    /// (Fisher's randomisation test for pairs). McNemar's exact test where no question repeats.
    /// 1 where nothing differs.
    ///
    /// ```
    /// use saffron_search::eval::stats::PairedClusters;
    /// let mut pairs = PairedClusters::default();
    /// for question in ["a", "b", "c"] {
    ///     (0..40).for_each(|_| pairs.add(question, true, false));
    /// }
    /// // Three questions that all go one way: 2 of 8 signs are as extreme. Not 120 pairs.
    /// assert_eq!(pairs.sign_flip(), 0.25);
    /// assert!(pairs.pooled().mcnemar() < 1e-30);
    /// ```
    #[must_use]
    pub fn sign_flip(&self) -> f64 {
        let differences: Vec<i64> = self.0.values().map(Paired::surplus).filter(|surplus| *surplus != 0).collect();
        let found: i64 = differences.iter().sum();
        let sizes: Vec<usize> = differences.iter().map(|surplus| surplus.unsigned_abs() as usize).collect();
        tail(&in_lowest_terms(&sizes, found.unsigned_abs() as usize))
    }

    /// The p-value of the difference: McNemar's exact test, or [`sign_flip`](Self::sign_flip) where
    /// a question repeats.
    #[must_use]
    pub fn p(&self) -> f64 {
        if self.repeat() { self.sign_flip() } else { self.pooled().mcnemar() }
    }

    /// The difference of the two shares: Newcombe's interval where no question repeats, else the
    /// percentile bootstrap over whole questions. None without a pair.
    #[must_use]
    pub fn difference(&self, bootstrap: &Bootstrap) -> Option<Difference> {
        let pooled = self.pooled();
        let newcombe = pooled.difference(Z95)?;
        if !self.repeat() {
            return Some(newcombe);
        }
        let questions: Vec<&Paired> = self.0.values().collect();
        let interval = bootstrap.interval(|rng| drawn(&questions, rng))?;
        Some(Difference { interval, ..newcombe })
    }
}

/// The difference on as many questions, each drawn from all.
fn drawn(questions: &[&Paired], rng: &mut ChaCha8Rng) -> Option<f64> {
    let (mut surplus, mut pairs) = (0, 0);
    for _ in questions {
        let question = questions[below(rng, questions.len())];
        surplus += question.surplus();
        pairs += question.pairs();
    }
    (pairs > 0).then(|| surplus as f64 / pairs as f64)
}

/// Sizes of differences, and of their sum.
struct Signs {
    sizes: Vec<usize>,
    found: usize,
}

/// Divides what has a common divisor, so that sums have fewer values.
fn in_lowest_terms(sizes: &[usize], found: usize) -> Signs {
    let divisor = sizes.iter().copied().fold(0, gcd).max(1);
    Signs { sizes: sizes.iter().map(|size| size / divisor).collect(), found: found / divisor }
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// The probability that fair signs give a sum at least as far from 0. Sums beyond [`MOST`] are not
/// told apart one by one: the sizes are halved, rounded up, until they fit.
fn tail(Signs { sizes, found }: &Signs) -> f64 {
    let total: usize = sizes.iter().sum();
    if total == 0 {
        return 1.0;
    }
    if total > MOST {
        let coarse = sizes.iter().map(|size| size.div_ceil(2)).collect();
        return tail(&Signs { sizes: coarse, found: found / 2 });
    }
    // chances[s]: of the positive ones' sum being s; the sum with signs is 2 s − total.
    let mut chances = vec![0.0; total + 1];
    chances[0] = 1.0;
    let mut reached = 0;
    for size in sizes {
        reached += size;
        for sum in (0..=reached).rev() {
            let with = if sum >= *size { chances[sum - size] } else { 0.0 };
            chances[sum] = 0.5 * (chances[sum] + with);
        }
    }
    let far = |sum: &usize| (2 * sum).abs_diff(total) >= *found;
    (0..=total).filter(far).map(|sum| chances[sum]).sum::<f64>().min(1.0)
}
