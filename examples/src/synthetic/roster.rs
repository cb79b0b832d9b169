//! Who takes part.

use saffron_core::CandidateFilter;
use saffron_search::Preset;
use saffron_search::strategy::saffron::SaffronOptions;
use saffron_search::strategy::{PathScore, Steps, StrategyConfig};

/// The budgets of strategies that have one.
pub const BUDGETS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// A strategy, and what is tried with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contestant {
    /// What it is called.
    pub name: &'static str,
    /// The strategy.
    pub config: StrategyConfig,
    /// Whether it scores children of a sequence all at once, so that a multifurcation reward model may save something.
    pub scores_children: bool,
    /// Its smallest and its largest budget.
    pub between: (usize, usize),
    /// Mass of the nucleus, where it is not the strategy's own.
    pub top_p: Option<f32>,
}

impl Contestant {
    fn new(name: &'static str, config: StrategyConfig) -> Self {
        let between = (BUDGETS[0], BUDGETS[BUDGETS.len() - 1]);
        Self { name, config, scores_children: false, between, top_p: None }
    }

    /// A strategy that scores the children of a sequence together.
    fn of_children(name: &'static str, config: StrategyConfig) -> Self {
        Self { scores_children: true, ..Self::new(name, config) }
    }

    /// Its candidates.
    #[must_use]
    pub fn filter(&self) -> CandidateFilter {
        let filter = self.config.filter();
        CandidateFilter { top_p: self.top_p.unwrap_or(filter.top_p), ..filter }
    }

    /// Its budgets; 1 alone where it has none.
    pub fn budgets(&self) -> impl Iterator<Item = usize> + '_ {
        let (least, most) = if self.config.budget().is_some() { self.between } else { (1, 1) };
        BUDGETS.into_iter().filter(move |budget| (least..=most).contains(budget))
    }
}

/// Every strategy of `saffron-search` with its own defaults, but for steps of four tokens, and with four tokens of lookahead where there is one.
/// Saffron takes part a second time with a wider nucleus.
#[must_use]
pub fn roster() -> Vec<Contestant> {
    let (children, steps, score) = (4, Steps::of(4), PathScore::Last);
    let (weight, exploration) = (1.0, 1.25);
    let saffron = StrategyConfig::Saffron { preset: Preset::Paper, options: SaffronOptions::default() };
    let wide = Contestant { top_p: Some(0.95), ..Contestant::of_children("saffron p 0.95", saffron.clone()) };
    vec![
        Contestant::of_children("saffron", saffron),
        wide,
        Contestant::of_children("deal", StrategyConfig::Deal { lookahead: 0, weight }),
        Contestant::of_children("mcts", StrategyConfig::Mcts { exploration, lookahead: 0 }),
        Contestant::of_children("args", StrategyConfig::Args { weight, temperature: None }),
        Contestant::of_children("reward-sampling", StrategyConfig::RewardSampling { beta: 1.0 }),
        Contestant::new("best-of-n", StrategyConfig::BestOfN {}),
        Contestant::new("step-beam", StrategyConfig::StepBeam { children, steps: steps.clone(), score }),
        Contestant {
            between: (4, 32),
            ..Contestant::new("dvts", StrategyConfig::Dvts { children, steps: steps.clone(), score })
        },
        Contestant::new("rebase", StrategyConfig::Rebase { temperature: 0.2, steps: steps.clone() }),
        Contestant::new("particle-filter", StrategyConfig::ParticleFilter { steps }),
        Contestant { between: (1, 4), ..Contestant::new("deal ahead", StrategyConfig::Deal { lookahead: 4, weight }) },
        Contestant {
            between: (1, 16),
            ..Contestant::new("mcts ahead", StrategyConfig::Mcts { exploration, lookahead: 4 })
        },
        Contestant::new("greedy", StrategyConfig::Greedy {}),
        Contestant::new("sampling", StrategyConfig::Sampling {}),
    ]
}
