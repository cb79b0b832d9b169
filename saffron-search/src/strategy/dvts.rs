//! Diverse verifier tree search: several independent trees, in each of which only the best child of a step goes on (Beeching et al. 2024,
//! "Scaling test-time compute with open models"; Hugging Face's search-and-learn).

use saffron_core::{SearchContext, SearchError, SearchStrategy, Step};

use super::breadth::Breadth;
use super::population::{Member, Population};
use super::rank::first_best;
use super::{PathScore, Steps};

/// `samples / children` trees; in each, `children` continuations take a step and the best goes on. The answer is the best of the trees'.
#[derive(Clone, Debug, PartialEq)]
pub struct Dvts {
    breadth: Breadth,
    population: Population,
    finished: Vec<Member>,
}

impl Dvts {
    /// `samples` continuations at a time, `children` in each tree. search-and-learn has 4 children.
    #[must_use]
    pub fn new(samples: usize, children: usize) -> Self {
        let breadth = Breadth::new(samples, children);
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

    fn begin(&mut self, cx: &SearchContext<'_>) {
        self.population = Population::at_root(cx, self.breadth.survivors() * self.breadth.children);
        for (place, member) in self.population.members.iter_mut().enumerate() {
            member.tree = place / self.breadth.children;
        }
    }

    /// Keeps the best of every tree, in the order of the trees.
    fn best_of_trees(&mut self) {
        let members = std::mem::take(&mut self.population.members);
        for tree in members.chunk_by(|a, b| a.tree == b.tree) {
            let scores: Vec<Option<f32>> = tree.iter().map(|member| self.breadth.score.of(&member.path)).collect();
            self.population.members.extend(first_best(&scores).map(|best| tree[best].clone()));
        }
    }
}

impl SearchStrategy for Dvts {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        let breadth = self.breadth.clone();
        Box::new(Self { breadth, population: Population::default(), finished: Vec::new() })
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.population.is_empty() {
            self.begin(cx);
        }
        self.population.advance(cx, &self.breadth.steps)?;
        self.best_of_trees();
        self.finished.extend(self.population.take_finished(cx)?);
        self.population.keep(cx, self.population.len())?;
        self.population.show(cx, self.breadth.score, &self.finished)?;
        self.population.refill(cx, |_| self.breadth.children);
        Ok(if self.population.is_empty() { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        format!("dvts (samples {})", self.breadth)
    }

    fn check(&self) -> Result<(), SearchError> {
        self.breadth.check("samples")
    }
}
