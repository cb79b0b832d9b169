//! Step-level beam search with a process reward model (Snell et al. 2024, arXiv 2408.03314, §5.2; the rules of Hugging Face's
//! search-and-learn).

use saffron_core::{CandidateFilter, ConfigError, SearchContext, SearchError, SearchStrategy, Step};

use super::population::{Member, Population};
use super::{Defaults, PathScore, Steps};

/// `beams` sequences each take a step; the best `beams / children` of them are kept, each `children` times. Finished sequences are set
/// aside. Ends when none is left or as many as there are beams have finished; the answer is the best of the finished.
#[derive(Clone, Debug, PartialEq)]
pub struct StepBeam {
    beams: usize,
    children: usize,
    steps: Steps,
    score: PathScore,
    population: Population,
    finished: Vec<Member>,
}

impl StepBeam {
    /// `beams` sequences, of which one in `children` survives a step. search-and-learn has 4 children and the last reward as score.
    #[must_use]
    pub fn new(beams: usize, children: usize) -> Self {
        let (steps, score) = (Steps::default(), PathScore::Last);
        Self { beams, children, steps, score, population: Population::default(), finished: Vec::new() }
    }

    /// The same with other steps.
    #[must_use]
    pub fn with_steps(mut self, steps: Steps) -> Self {
        self.steps = steps;
        self
    }

    /// The same with another score of a sequence's step rewards.
    #[must_use]
    pub fn with_score(mut self, score: PathScore) -> Self {
        self.score = score;
        self
    }

    fn kept(&self) -> usize {
        self.beams.div_ceil(self.children)
    }
}

impl Defaults for StepBeam {
    fn filter(&self) -> CandidateFilter {
        CandidateFilter::default()
    }
}

impl SearchStrategy for StepBeam {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        let fresh = Self::new(self.beams, self.children);
        Box::new(fresh.with_steps(self.steps.clone()).with_score(self.score))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.population.is_empty() {
            self.population = Population::at_root(cx, self.beams);
        }
        self.population.advance(cx, &self.steps)?;
        self.finished.extend(self.population.take_finished(cx)?);
        let enough = self.finished.len() >= self.beams;
        self.population.rank(self.score);
        self.population.keep(cx, if enough { 0 } else { self.kept() })?;
        self.population.show(cx, self.score, &self.finished)?;
        if self.population.is_empty() {
            return Ok(Step::Done);
        }
        let survivors = self.population.len();
        self.population.refill(cx, |place| self.beams / survivors + usize::from(place < self.beams % survivors));
        Ok(Step::Continue)
    }

    fn describe(&self) -> String {
        let Self { beams, children, score, .. } = self;
        format!("step beam (beams {beams}, children {children}, steps of {}, score {score})", self.steps.tokens)
    }

    fn check(&self) -> Result<(), SearchError> {
        check_tree(self.beams, self.children, &self.steps)
    }
}

pub(super) fn check_tree(beams: usize, children: usize, steps: &Steps) -> Result<(), SearchError> {
    for (what, count) in [("beams", beams), ("children", children)] {
        if count == 0 {
            return Err(ConfigError::Zero { what }.into());
        }
    }
    Ok(steps.check()?)
}
