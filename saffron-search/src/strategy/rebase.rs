//! REBASE: a tree whose breadth is shared out by reward (Wu et al. 2024, arXiv 2408.00724, §3.2; the rule of its published code).

use saffron_core::{ConfigError, SearchContext, SearchError, SearchStrategy, Step};

use super::population::{Member, Population};
use super::{PathScore, Steps};

/// `width` sequences take a step; a finished one is set aside and takes one place with it for good; the others, best first, get copies in
/// proportion to exp(p / temperature), where p in (0, 1) is the logistic function of the reward (the published rewards lie there; ours are
/// log-odds). The answer is the leaf of highest reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebase {
    width: usize,
    temperature: f64,
    steps: Steps,
    population: Population,
    finished: Vec<Member>,
    left: usize,
}

impl Rebase {
    /// A tree of `width` sequences at most; the published temperature is 0.2.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let (steps, population) = (Steps::default(), Population::default());
        Self { width, temperature: 0.2, steps, population, finished: Vec::new(), left: width }
    }

    /// The same with another temperature: lower ones favour the best.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }

    /// The same with other steps.
    #[must_use]
    pub fn with_steps(mut self, steps: Steps) -> Self {
        self.steps = steps;
        self
    }
}

/// How many of `width` places each of the scores gets, best first: `nᵢ = ⌈W · e^{sᵢ/T} / Σ e^{s/T}⌉` over those that have none yet, of
/// the places that are left.
///
/// ```
/// use saffron_search::strategy::rebase::allocate;
/// assert_eq!(allocate(4, &[0.5, 0.5], 0.2), [2, 2]);
/// assert_eq!(allocate(5, &[0.5, 0.5], 0.2), [3, 2]);
/// ```
#[must_use]
pub fn allocate(width: usize, scores: &[f64], temperature: f64) -> Vec<usize> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |score: &f64| if highest.is_finite() { ((score - highest) / temperature).exp() } else { 1.0 };
    let weights: Vec<f64> = scores.iter().map(weight).collect();
    let mut left = width;
    (0..weights.len())
        .map(|place| {
            // Summed anew, so that the last weight is divided by itself.
            let share = weights[place] / weights[place..].iter().sum::<f64>();
            let places = if share.is_finite() { (left as f64 * share).ceil() as usize } else { left };
            left -= places.min(left);
            places
        })
        .collect()
}

/// The logistic function; what has no reward gets nothing.
fn probability(reward: Option<f32>) -> f64 {
    reward.map_or(f64::NEG_INFINITY, |reward| 1.0 / (1.0 + (-f64::from(reward)).exp()))
}

impl SearchStrategy for Rebase {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        let fresh = Self::new(self.width).with_temperature(self.temperature);
        Box::new(fresh.with_steps(self.steps.clone()))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.population.is_empty() {
            self.population = Population::at_root(cx, self.width);
        }
        self.population.advance(cx, &self.steps)?;
        let finished = self.population.take_finished(cx)?;
        self.left -= finished.len().min(self.left);
        self.finished.extend(finished);
        self.population.rank(PathScore::Last);
        let scores = self.population.members.iter().map(|member| probability(PathScore::Last.of(&member.path)));
        let scores: Vec<f64> = scores.collect();
        let places = allocate(self.left, &scores, self.temperature);
        let kept = places.iter().filter(|places| **places > 0).count();
        self.population.keep(cx, kept)?;
        self.population.show(cx, PathScore::Last, &self.finished)?;
        self.population.refill(cx, |place| places[place]);
        Ok(if self.population.is_empty() { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        format!("rebase (width {}, temperature {}, steps of {})", self.width, self.temperature, self.steps.tokens)
    }

    fn check(&self) -> Result<(), SearchError> {
        if self.width == 0 {
            return Err(ConfigError::Zero { what: "width" }.into());
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(ConfigError::Temperature { found: self.temperature as f32 }.into());
        }
        Ok(self.steps.check()?)
    }
}
