//! Strategies as data: what a configuration file says of one, and the strategy of a budget.

use saffron_core::{CandidateFilter, SearchStrategy};
use serde::{Deserialize, Serialize};

use super::answer_filter::{AnswerFilter, AnswerFilterOptions};
use super::args::Args;
use super::beam::StepBeam;
use super::best_of_n::BestOfN;
use super::deal::Deal;
use super::dvts::Dvts;
use super::greedy::Greedy;
use super::header_probe::{HeaderProbe, HeaderProbeOptions};
use super::mcts::Mcts;
use super::particles::ParticleFilter;
use super::rebase::Rebase;
use super::refuse::usual_refusal;
use super::reward_sampling::RewardSampling;
use super::risk_stop::{RiskStop, RiskStopOptions};
use super::rollback::{Rollback, RollbackOptions};
use super::saffron::{Preset, Saffron, SaffronOptions, wire};
use super::sampling::Sampling;
use super::self_reminder::{Reminder, SelfReminder};
use super::value_filter::{ValueFilter, ValueFilterOptions};
use super::{PathScore, Steps};
use crate::tagged::by_kind;

/// A strategy but for its budget. In a file the field `kind` names it.
///
/// ```
/// use saffron_search::strategy::StrategyConfig;
/// let config: StrategyConfig = serde_json::from_str(r#"{"kind": "rebase", "steps": {"tokens": 4}}"#)?;
/// assert_eq!(config.build(16).describe(), "rebase (width 16, temperature 0.2, steps of 4)");
/// assert_eq!(config.budget(), Some("width"));
/// assert!(serde_json::from_str::<StrategyConfig>(r#"{"kind": "rebase", "widht": 4}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StrategyConfig {
    /// [`Greedy`]; no budget.
    Greedy {},
    /// [`Sampling`]; no budget.
    Sampling {},
    /// [`BestOfN`]; the budget is N.
    BestOfN {},
    /// [`StepBeam`]; the budget is the number of beams.
    StepBeam {
        /// Children of a survivor. Default: 4.
        #[serde(default = "four")]
        children: usize,
        /// What a step is.
        #[serde(default)]
        steps: Steps,
        /// What decides. Default: the last step's reward.
        #[serde(default)]
        score: PathScore,
    },
    /// [`Dvts`]; the budget is the number of samples at a time.
    Dvts {
        /// Children in a tree. Default: 4.
        #[serde(default = "four")]
        children: usize,
        /// What a step is.
        #[serde(default)]
        steps: Steps,
        /// What decides. Default: the last step's reward.
        #[serde(default)]
        score: PathScore,
    },
    /// [`Rebase`]; the budget is the width.
    Rebase {
        /// How much the best are favoured. Default: 0.2.
        #[serde(default = "fifth")]
        temperature: f64,
        /// What a step is.
        #[serde(default)]
        steps: Steps,
    },
    /// [`ParticleFilter`]; the budget is the number of particles.
    ParticleFilter {
        /// What a step is.
        #[serde(default)]
        steps: Steps,
    },
    /// [`Deal`]; the budget is the width of the beam.
    Deal {
        /// Tokens of lookahead. Default: 0.
        #[serde(default)]
        lookahead: usize,
        /// Weight of the reward. Default: 1.
        #[serde(default = "one")]
        weight: f32,
    },
    /// [`Mcts`]; the budget is the number of walks a token.
    Mcts {
        /// Exploration constant. Default: 1.25.
        #[serde(default = "exploration")]
        exploration: f32,
        /// Tokens of lookahead. Default: 0.
        #[serde(default)]
        lookahead: usize,
    },
    /// [`Args`]; no budget.
    Args {
        /// Weight of the reward. Default: 1.
        #[serde(default = "one")]
        weight: f32,
        /// Temperature of a draw. Default: none, so that the best candidate is taken.
        temperature: Option<f32>,
    },
    /// [`RewardSampling`]; no budget.
    RewardSampling {
        /// The KL penalty β. Default: 1.
        #[serde(default = "one")]
        beta: f32,
    },
    /// [`Saffron`]; the budget is the width of the beam.
    #[serde(with = "wire")]
    Saffron {
        /// Default: `fluent`.
        preset: Preset,
        /// Options that a file does not name are those of the preset. There, a ceiling of `"none"`
        /// takes the preset's away.
        options: SaffronOptions,
    },
    /// [`AnswerFilter`]; the budget is the number of tries.
    AnswerFilter(AnswerFilterOptions),
    /// [`Rollback`]; the budget is the number of alarms that are answered by a rollback.
    Rollback(RollbackOptions),
    /// [`HeaderProbe`]; no budget.
    HeaderProbe(HeaderProbeOptions),
    /// [`ValueFilter`]; no budget.
    ValueFilter(ValueFilterOptions),
    /// [`SelfReminder`]; the budget is that of the search.
    SelfReminder {
        /// The search that reads it. Default: greedy decoding.
        #[serde(default = "greedy")]
        search: Box<StrategyConfig>,
        /// What stands before the question.
        #[serde(default = "before")]
        before: String,
        /// What stands behind it.
        #[serde(default = "after")]
        after: String,
    },
    /// [`RiskStop`]; the budget is that of the search.
    RiskStop {
        /// The search that is watched. Default: Saffron.
        #[serde(default = "saffron")]
        search: Box<StrategyConfig>,
        /// Risks above it are too high. Default: 0.535.
        #[serde(default = "bound")]
        bound: f32,
        /// Share of a sequence's earlier risk in its risk. Default: 0.8.
        #[serde(default = "smoothing")]
        smoothing: f32,
        /// Factor of a reward before it becomes a probability. Default: 0.8.
        #[serde(default = "scale")]
        scale: f32,
        /// The text in place of the answer.
        #[serde(default = "usual_refusal")]
        refusal: String,
    },
}

by_kind!(StrategyConfig);

fn four() -> usize {
    4
}

fn fifth() -> f64 {
    0.2
}

fn one() -> f32 {
    1.0
}

fn exploration() -> f32 {
    1.25
}

fn greedy() -> Box<StrategyConfig> {
    Box::new(StrategyConfig::Greedy {})
}

fn saffron() -> Box<StrategyConfig> {
    let preset = Preset::default();
    Box::new(StrategyConfig::Saffron { preset, options: SaffronOptions::of(preset) })
}

fn before() -> String {
    Reminder::default().before
}

fn after() -> String {
    Reminder::default().after
}

fn bound() -> f32 {
    RiskStopOptions::default().bound
}

fn smoothing() -> f32 {
    RiskStopOptions::default().smoothing
}

fn scale() -> f32 {
    RiskStopOptions::default().scale
}

impl StrategyConfig {
    /// What the budget is of this strategy; none where it has no budget.
    #[must_use]
    pub fn budget(&self) -> Option<&'static str> {
        match self {
            Self::Greedy {}
            | Self::Sampling {}
            | Self::Args { .. }
            | Self::RewardSampling { .. }
            | Self::HeaderProbe(_)
            | Self::ValueFilter(_) => None,
            Self::AnswerFilter(_) => Some("tries"),
            Self::Rollback(_) => Some("alarms"),
            Self::SelfReminder { search, .. } | Self::RiskStop { search, .. } => search.budget(),
            Self::BestOfN {} | Self::Dvts { .. } => Some("samples"),
            Self::StepBeam { .. } => Some("beams"),
            Self::ParticleFilter { .. } => Some("particles"),
            Self::Mcts { .. } => Some("simulations"),
            Self::Rebase { .. } | Self::Deal { .. } | Self::Saffron { .. } => Some("width"),
        }
    }

    /// The strategy of a budget, which those without one do not look at.
    #[must_use]
    pub fn build(&self, budget: usize) -> Box<dyn SearchStrategy> {
        match self.clone() {
            Self::Greedy {} => Box::new(Greedy),
            Self::Sampling {} => Box::new(Sampling::default()),
            Self::BestOfN {} => Box::new(BestOfN::new(budget)),
            Self::StepBeam { children, steps, score } => {
                Box::new(StepBeam::new(budget, children).with_steps(steps).with_score(score))
            }
            Self::Dvts { children, steps, score } => {
                Box::new(Dvts::new(budget, children).with_steps(steps).with_score(score))
            }
            Self::Rebase { temperature, steps } => {
                Box::new(Rebase::new(budget).with_temperature(temperature).with_steps(steps))
            }
            Self::ParticleFilter { steps } => Box::new(ParticleFilter::new(budget).with_steps(steps)),
            Self::Deal { lookahead, weight } => Box::new(Deal::new(budget, lookahead, weight)),
            Self::Mcts { exploration, lookahead } => {
                Box::new(Mcts::puct(budget).with_exploration(exploration).with_lookahead(lookahead))
            }
            Self::Args { weight, temperature: None } => Box::new(Args::greedy(weight)),
            Self::Args { weight, temperature: Some(temperature) } => Box::new(Args::stochastic(weight, temperature)),
            Self::RewardSampling { beta } => Box::new(RewardSampling::new(beta)),
            Self::Saffron { preset, options } => Box::new(Saffron::of(preset, budget).with_options(options)),
            Self::AnswerFilter(options) => Box::new(AnswerFilter::new(budget).with_options(options)),
            Self::Rollback(options) => Box::new(Rollback::new(budget).with_options(options)),
            Self::HeaderProbe(options) => Box::new(HeaderProbe::new(options)),
            Self::ValueFilter(options) => Box::new(ValueFilter::new(options)),
            Self::SelfReminder { search, before, after } => {
                Box::new(SelfReminder::new(search.build(budget)).with_reminder(Reminder { before, after }))
            }
            Self::RiskStop { search, bound, smoothing, scale, refusal } => {
                let options = RiskStopOptions { bound, smoothing, scale, refusal };
                Box::new(RiskStop::new(search.build(budget)).with_options(options))
            }
        }
    }

    /// Whether the strategy of a budget decides by rewards, so that it needs a reward model. Greedy
    /// decoding, sampling and the best of one do not.
    #[must_use]
    pub fn needs_rewards(&self, budget: usize) -> bool {
        self.build(budget).needs_rewards()
    }

    /// Whether the strategy draws random numbers, so that its answer depends on the seed.
    #[must_use]
    pub fn draws(&self) -> bool {
        match self {
            Self::Greedy {} | Self::Deal { .. } | Self::Mcts { .. } | Self::Saffron { .. } => false,
            Self::ValueFilter(options) => options.draw,
            Self::SelfReminder { search, .. } | Self::RiskStop { search, .. } => search.draws(),
            Self::Args { temperature, .. } => temperature.is_some(),
            Self::Sampling {}
            | Self::BestOfN {}
            | Self::StepBeam { .. }
            | Self::Dvts { .. }
            | Self::Rebase { .. }
            | Self::ParticleFilter { .. }
            | Self::RewardSampling { .. }
            | Self::AnswerFilter(_)
            | Self::Rollback(_)
            | Self::HeaderProbe(_) => true,
        }
    }

    /// The candidates that the strategy is published with.
    #[must_use]
    pub fn filter(&self) -> CandidateFilter {
        self.build(1).default_filter()
    }
}
