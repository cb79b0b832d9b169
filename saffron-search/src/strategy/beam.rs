//! Step-level beam search with a process reward model (Snell et al. 2024, arXiv 2408.03314, §5.2; the rules of Hugging Face's
//! search-and-learn).

use saffron_core::{SearchContext, SearchError, SearchStrategy, Step};

use super::breadth::Breadth;
use super::population::{Member, Population};
use super::{PathScore, Steps};

/// `beams` sequences each take a step; the best `beams / children` of them are kept, each `children` times. Finished sequences are set
/// aside. Ends when none is left or as many as there are beams have finished; the answer is the best of the finished.
#[derive(Clone, Debug, PartialEq)]
pub struct StepBeam {
    breadth: Breadth,
    population: Population,
    finished: Vec<Member>,
}

impl StepBeam {
    /// `beams` sequences, of which one in `children` survives a step. search-and-learn has 4 children and the last reward as score.
    #[must_use]
    pub fn new(beams: usize, children: usize) -> Self {
        let breadth = Breadth::new(beams, children);
        Self { breadth, population: Population::default(), finished: Vec::new() }
    }

    /// The same with other steps.
    #[must_use]
    pub fn with_steps(mut self, steps: Steps) -> Self {
        self.breadth.steps = steps;
        self
    }

    /// The same with another score of a sequence's step rewards.
    #[must_use]
    pub fn with_score(mut self, score: PathScore) -> Self {
        self.breadth.score = score;
        self
    }
}

impl SearchStrategy for StepBeam {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        let breadth = self.breadth.clone();
        Box::new(Self { breadth, population: Population::default(), finished: Vec::new() })
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.population.is_empty() {
            self.population = Population::at_root(cx, self.breadth.sequences);
        }
        self.population.advance(cx, &self.breadth.steps)?;
        self.finished.extend(self.population.take_finished(cx)?);
        let enough = self.finished.len() >= self.breadth.sequences;
        self.population.rank(self.breadth.score);
        self.population.keep(cx, if enough { 0 } else { self.breadth.survivors() })?;
        self.population.show(cx, self.breadth.score, &self.finished)?;
        if self.population.is_empty() {
            return Ok(Step::Done);
        }
        let (all, survivors) = (self.breadth.sequences, self.population.len());
        self.population.refill(cx, |place| all / survivors + usize::from(place < all % survivors));
        Ok(Step::Continue)
    }

    fn describe(&self) -> String {
        format!("step beam (beams {})", self.breadth)
    }

    fn check(&self) -> Result<(), SearchError> {
        self.breadth.check("beams")
    }
}
