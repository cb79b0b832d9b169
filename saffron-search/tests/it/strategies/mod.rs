//! The strategies' rules, one by one, and their equivalences.

mod equivalences;
mod guided;
mod hostile;
mod options;
mod oracle;
mod rivals;
mod rivals_cost;
mod saffron;
mod steps;

use saffron_core::testing::TablePolicy;
use saffron_core::{CandidateFilter, ChildScorer, Outcome, SearchStrategy, Token};
use saffron_search::strategy::Steps;
use saffron_search::strategy::header_probe::HeaderProbeOptions;
use saffron_search::strategy::risk_stop::RiskStopOptions;
use saffron_search::strategy::rollback::RollbackOptions;
use saffron_search::strategy::self_reminder::Reminder;
use saffron_search::strategy::value_filter::ValueFilterOptions;
use saffron_search::{
    AnswerFilter, Args, BestOfN, Deal, Dvts, Greedy, HeaderProbe, Mcts, ParticleFilter, Preset, Rebase, RewardSampling,
    RiskStop, Rollback, Saffron, Sampling, Searcher, SelfReminder, StepBeam, ValueFilter,
};

use crate::worlds::session;

/// A searcher over all of the distribution.
pub(crate) fn searcher(strategy: Box<dyn SearchStrategy>, max_new_tokens: usize) -> Searcher {
    let settings = Searcher::new(Sampling::default()).settings().clone();
    Searcher::with_settings(strategy, settings).max_new_tokens(max_new_tokens).filter(CandidateFilter::default())
}

pub(crate) fn run(searcher: &Searcher, policy: &mut TablePolicy, reward: &mut dyn ChildScorer) -> Outcome {
    let session = session(policy);
    searcher.run(&session, policy, reward).unwrap()
}

/// Every strategy, small.
pub(crate) fn all() -> Vec<Box<dyn SearchStrategy>> {
    let steps = || Steps::of(2);
    vec![
        Box::new(Greedy),
        Box::new(Sampling::default()),
        Box::new(BestOfN::new(3)),
        Box::new(StepBeam::new(4, 2).with_steps(steps())),
        Box::new(Dvts::new(4, 2).with_steps(steps())),
        Box::new(Rebase::new(4).with_steps(steps())),
        Box::new(ParticleFilter::new(4).with_steps(steps())),
        Box::new(Deal::new(2, 0, 1.0)),
        Box::new(Deal::new(2, 2, 1.0)),
        Box::new(Mcts::puct(5)),
        Box::new(Mcts::puct(5).with_lookahead(2)),
        Box::new(Args::greedy(1.0)),
        Box::new(Args::stochastic(1.0, 0.7)),
        Box::new(RewardSampling::new(0.5)),
        Box::new(Saffron::paper(3)),
        Box::new(Saffron::reference(3)),
        Box::new(AnswerFilter::new(2)),
        Box::new(rollback(2, 2, 3)),
        Box::new(rollback(1, 1, 1)),
        Box::new(HeaderProbe::new(probed(2, "2 3"))),
        Box::new(ValueFilter::default()),
        Box::new(ValueFilter::new(ValueFilterOptions { threshold: 1.0, draw: true })),
        Box::new(risk_stop(Box::new(Saffron::paper(3)), 0.1)),
        Box::new(risk_stop(Box::new(BestOfN::new(3)), 0.1)),
    ]
}

/// A rollback that checks often.
pub(crate) fn rollback(alarms: usize, every: usize, back: usize) -> Rollback {
    Rollback::new(alarms).with_options(RollbackOptions { every, back, ..RollbackOptions::default() })
}

/// Probes with the header 1, and one phrase of refusal.
pub(crate) fn probed(every: usize, phrase: &str) -> HeaderProbeOptions {
    HeaderProbeOptions { every, tokens: 2, header: Some(vec![1]), phrases: vec![phrase.to_owned()] }
}

pub(crate) fn risk_stop(search: Box<dyn SearchStrategy>, bound: f32) -> RiskStop {
    RiskStop::new(search).with_options(RiskStopOptions { bound, ..RiskStopOptions::default() })
}

/// A reminder of numbers around a search.
pub(crate) fn reminded(search: Box<dyn SearchStrategy>, before: &str, after: &str) -> SelfReminder {
    let [before, after] = [before, after].map(str::to_owned);
    SelfReminder::new(search).with_reminder(Reminder { before, after })
}

/// A searcher that widens nothing and ends nothing early.
fn saffron(preset: Preset, width: usize, max_new_tokens: usize) -> Searcher {
    Searcher::new(Saffron::of(preset, width)).top_p(1.0).min_new_tokens(0).max_new_tokens(max_new_tokens)
}

/// The best of all responses that end, or have full length, under a score; the first of equals in the order of token ids. `None` rules a
/// response and all that continue it out.
fn brute_force(tokens: u32, depth: usize, score: impl Fn(&[Token]) -> Option<f32>) -> Vec<Token> {
    let mut best: Option<(f32, Vec<Token>)> = None;
    let mut open: Vec<Vec<Token>> = vec![Vec::new()];
    for length in 1..=depth {
        let grow = |stem: &Vec<Token>| (0..tokens).map(|token| [&stem[..], &[token]].concat()).collect::<Vec<_>>();
        let children: Vec<Vec<Token>> = open.iter().flat_map(grow).collect();
        open = Vec::new();
        for child in children {
            let Some(found) = score(&child) else { continue };
            let ends = child.last() == Some(&0);
            if (ends || length == depth) && best.as_ref().is_none_or(|(other, _)| found > *other) {
                best = Some((found, child.clone()));
            }
            if !ends {
                open.push(child);
            }
        }
    }
    best.unwrap().1
}
