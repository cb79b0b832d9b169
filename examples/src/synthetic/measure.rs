//! Running every strategy over the same worlds, and what came of it.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use saffron_core::{CandidateFilter, ChildScorer, ContextSettings, Outcome, PrmScorer, Role, Session, Token, TokenSet};
use saffron_search::Searcher;
use saffron_search::eval::stats::{Interval, Mean, Share, Z95};
use serde::{Deserialize, Serialize};

use super::Noise;
use super::models::{ChainPolicy, Judge, ValueMrm, ValuePrm};
use super::roster::{Contestant, roster};
use super::truth::{Fold, Values};
use super::world::{Length, VOCABULARY, World, Worlds};

/// What is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of worlds, noise and searches.
    pub seed: u64,
    /// Number of worlds.
    pub prompts: usize,
    /// Standard deviation of the reward models' errors, in units of quality.
    pub noise: f64,
    /// How many tokens the multifurcation reward model has not seen, the highest ids first.
    pub unseen: usize,
}

/// Mean qualities that can be computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Of the policy's own answers.
    pub policy: f64,
    /// Of the best answers within nuclei.
    pub nuclei: Vec<Nucleus>,
    /// Of the best answers.
    pub best: f64,
}

/// What there is to win when every token must come from the nucleus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nucleus {
    /// Its mass.
    pub top_p: f32,
    /// Mean quality of the best answers.
    pub best: f64,
    /// Worlds whose best answer is an attack's success: no search can save them.
    pub lost: Share,
}

/// A strategy at one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The budget; none where the strategy has none.
    pub budget: Option<usize>,
    /// True quality of the answers.
    pub quality: Mean,
    /// Mean reward of the answers in the reward model's eyes, asked or not.
    pub believed: f64,
    /// Answers of a quality below zero.
    pub attacked: Share,
    /// The 95 % Wilson interval of their share.
    pub interval: Interval,
    /// Attributed compute a prompt, in TFLOP.
    pub tflop: Tflop,
    /// Wall time of all prompts. The only number here that is not the same every time.
    pub seconds: f64,
}

/// Compute by role.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tflop {
    /// The policy's.
    pub policy: f64,
    /// The reward model's.
    pub reward: f64,
}

impl Tflop {
    /// Both together.
    #[must_use]
    pub fn total(self) -> f64 {
        self.policy + self.reward
    }
}

/// A strategy with one kind of reward model over its budgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The strategy's name.
    pub strategy: String,
    /// `PRM` or `MRM`; none for strategies without a reward.
    pub reward: Option<String>,
    /// By rising budget.
    pub points: Vec<Measured>,
}

impl Series {
    /// Strategy and reward model, as pictures and tables name them.
    #[must_use]
    pub fn name(&self) -> String {
        let reward = self.reward.as_ref().map(|reward| format!(", {reward}"));
        format!("{}{}", self.strategy, reward.unwrap_or_default())
    }
}

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// What was run.
    pub settings: Settings,
    /// What there is to win.
    pub truth: Truth,
    /// In the roster's order.
    pub series: Vec<Series>,
}

/// The worlds of a run and its models.
struct Bench {
    settings: Settings,
    worlds: Arc<Worlds>,
    sessions: Vec<Session>,
    policy: ChainPolicy,
    prm: PrmScorer<ValuePrm>,
    mrm: ValueMrm,
    judge: Judge,
}

const LENGTH: Length = Length { min: 16, max: 32 };

/// Runs the whole roster.
///
/// # Errors
///
/// No prompts, or noise that is negative or not finite.
pub fn measure(settings: Settings) -> Result<Results> {
    let mut bench = Bench::new(settings)?;
    let truth = truth(&bench.worlds)?;
    let mut series = Vec::new();
    for contestant in roster() {
        for reward in kinds(&contestant).iter().copied() {
            let points = contestant.budgets().map(|budget| bench.point(&contestant, budget, reward));
            let points = points.collect::<Result<_>>()?;
            series.push(Series { strategy: contestant.name.to_owned(), reward: reward.map(str::to_owned), points });
        }
    }
    Ok(Results { settings: bench.settings, truth, series })
}

/// The kinds of reward model that a strategy is tried with.
fn kinds(contestant: &Contestant) -> &'static [Option<&'static str>] {
    match contestant.name {
        "greedy" | "sampling" => &[None],
        _ if contestant.scores_children => &[Some("MRM"), Some("PRM")],
        _ => &[Some("PRM")],
    }
}

fn truth(worlds: &Worlds) -> Result<Truth> {
    let whole = worlds.filter(CandidateFilter::default());
    let values = |filter: &CandidateFilter, fold| -> Result<Vec<f64>> {
        let value = |world: &World| Ok(Values::of(world, filter, fold)?.value(world, &[]));
        worlds.list().iter().map(value).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let nucleus = |top_p| -> Result<Nucleus> {
        let best = values(&CandidateFilter { top_p, ..whole.clone() }, Fold::Best)?;
        let lost = Share::count(best.iter().map(|quality| *quality < 0.0));
        Ok(Nucleus { top_p, best: mean(&best), lost })
    };
    Ok(Truth {
        policy: mean(&values(&whole, Fold::Expected)?),
        nuclei: vec![nucleus(0.8)?, nucleus(0.95)?],
        best: mean(&values(&whole, Fold::Best)?),
    })
}

impl Bench {
    fn new(settings: Settings) -> Result<Self> {
        let Settings { seed, prompts, noise: std, unseen } = settings;
        ensure!(prompts > 0, "there must be a prompt to run");
        ensure!(std >= 0.0 && std.is_finite(), "noise must be finite and not negative, found {std}");
        let worlds = Arc::new(Worlds::draw(seed, prompts, LENGTH));
        let noise = Noise { std, seed };
        let mask: Vec<bool> = (0..VOCABULARY).map(|token| token + unseen >= VOCABULARY).collect();
        Ok(Self {
            settings,
            sessions: worlds.sessions()?,
            policy: ChainPolicy::new(worlds.clone()),
            prm: PrmScorer(ValuePrm::new(worlds.clone(), noise)?),
            mrm: ValueMrm::new(worlds.clone(), noise, TokenSet::from_mask(&mask))?,
            judge: Judge::new(worlds.clone(), noise)?,
            worlds,
        })
    }

    fn point(&mut self, contestant: &Contestant, budget: usize, reward: Option<&str>) -> Result<Measured> {
        let settings = ContextSettings {
            filter: self.worlds.filter(contestant.filter()),
            max_new_tokens: LENGTH.max,
            budget: saffron_core::Budget::default(),
            seed: self.settings.seed,
        };
        let searcher = Searcher::with_settings(contestant.config.build(budget), settings);
        let scorer: &mut dyn ChildScorer = if reward == Some("MRM") { &mut self.mrm } else { &mut self.prm };
        let began = Instant::now();
        let outcomes = searcher.run_many(&self.sessions, &mut self.policy, scorer)?;
        let outcomes = outcomes.into_iter().collect::<Result<Vec<Outcome>, _>>()?;
        let budget = contestant.config.budget().map(|_| budget);
        self.summary(&outcomes, budget, began.elapsed().as_secs_f64())
    }

    fn summary(&self, outcomes: &[Outcome], budget: Option<usize>, seconds: f64) -> Result<Measured> {
        let answers: Vec<&[Token]> = outcomes.iter().map(|outcome| &outcome.best.tokens[..]).collect();
        let worlds = self.worlds.list().iter().zip(&answers);
        let qualities: Vec<f64> = worlds.map(|(world, answer)| world.quality(answer)).collect();
        let rewards = self.sessions.iter().zip(&answers).map(|(session, answer)| self.judge.reward(session, answer));
        let rewards = rewards.collect::<Result<Vec<f32>, _>>()?;
        let attacked = Share::count(qualities.iter().map(|quality| *quality < 0.0));
        Ok(Measured {
            budget,
            quality: Mean::of(&qualities).context("there is no answer")?,
            believed: rewards.iter().map(|reward| f64::from(*reward)).sum::<f64>() / rewards.len() as f64,
            attacked,
            interval: attacked.wilson(Z95),
            tflop: Tflop { policy: tflop(outcomes, Role::Policy), reward: tflop(outcomes, Role::Reward) },
            seconds,
        })
    }
}

/// Attributed compute of one role, a prompt.
fn tflop(outcomes: &[Outcome], role: Role) -> f64 {
    let flops = outcomes.iter().map(|outcome| outcome.usage.role(role).attributed.flops as f64 / 1e12);
    flops.sum::<f64>() / outcomes.len() as f64
}
