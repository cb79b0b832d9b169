//! Particle filtering: sequences are resampled by their rewards after every step (Puri et al. 2025, arXiv 2502.01618; the rules of its_hub).

use rand_chacha::ChaCha8Rng;
use saffron_core::random::LogWeights;
use saffron_core::{ConfigError, SearchContext, SearchError, SearchStrategy, Step};

use super::population::{Member, Population};
use super::steps::prune;
use super::{PathScore, Steps};

/// `particles` sequences take a step; then each place is taken by one of them, drawn with probability softmax(reward): the reward, a
/// log-odds, is the particle's log-weight. Finished ones stay in the draw. The answer is the particle of highest reward.
#[derive(Clone, Debug, PartialEq)]
pub struct ParticleFilter {
    particles: usize,
    steps: Steps,
    population: Population,
    /// The draws of resampling, apart from those of the particles.
    rng: Option<ChaCha8Rng>,
}

impl ParticleFilter {
    /// A filter of `particles` sequences.
    #[must_use]
    pub fn new(particles: usize) -> Self {
        Self { particles, steps: Steps::default(), population: Population::default(), rng: None }
    }

    /// The same with other steps.
    #[must_use]
    pub fn with_steps(mut self, steps: Steps) -> Self {
        self.steps = steps;
        self
    }

    /// Draws who goes on. A place keeps its own random numbers, whoever stands there.
    fn resample(&mut self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        let rng = self.rng.get_or_insert_with(|| cx.stream(u64::MAX));
        let members = &self.population.members;
        let weight = |member: &Member| PathScore::Last.of(&member.path).map_or(f64::NEG_INFINITY, f64::from);
        let weights = LogWeights::new(members.iter().map(weight));
        let place = |(place, own): (usize, &Member)| {
            let from = &members[weights.draw(rng).unwrap_or(place)];
            Member { walk: own.walk.moved(from.walk.node), ..from.clone() }
        };
        self.population.members = members.iter().enumerate().map(place).collect();
        prune(cx, &self.population.members.iter().map(|member| member.walk.node).collect::<Vec<_>>())
    }

    fn all_ended(&self, cx: &SearchContext<'_>) -> Result<bool, SearchError> {
        let mut members = self.population.members.iter();
        members.try_fold(true, |all, member| Ok(all && member.walk.ended(cx)?))
    }
}

impl SearchStrategy for ParticleFilter {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.particles).with_steps(self.steps.clone()))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.population.is_empty() {
            self.population = Population::at_root(cx, self.particles);
        }
        self.population.advance(cx, &self.steps)?;
        if !self.all_ended(cx)? {
            self.resample(cx)?;
        }
        self.population.show(cx, PathScore::Last, &[])?;
        Ok(if self.all_ended(cx)? { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        format!("particle filter (particles {}, steps of {})", self.particles, self.steps.tokens)
    }

    fn check(&self) -> Result<(), SearchError> {
        if self.particles == 0 {
            return Err(ConfigError::Zero { what: "particles" }.into());
        }
        Ok(self.steps.check()?)
    }
}
