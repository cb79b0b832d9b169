//! One file a strategy, each with its source. All work through the same [`SearchContext`](saffron_core::SearchContext) over the same models,
//! so that what they cost and what they find can be compared.
//!
//! | strategy | what | reward calls |
//! |---|---|---|
//! | [`Greedy`](greedy::Greedy), [`Sampling`](sampling::Sampling) | no defence | none |
//! | [`BestOfN`](best_of_n::BestOfN) | N samples, the best is kept | one a sample, at the end |
//! | [`StepBeam`](beam::StepBeam) | beam over steps | one a sequence and step |
//! | [`Dvts`](dvts::Dvts) | independent trees, the best child of each goes on | one a sequence and step |
//! | [`Rebase`](rebase::Rebase) | tree whose breadth is shared out by reward | one a sequence and step |
//! | [`ParticleFilter`](particles::ParticleFilter) | sequences resampled by reward | one a sequence and step |
//! | [`Deal`](deal::Deal) | beam over tokens with greedy lookahead | one a candidate |
//! | [`Mcts`](mcts::Mcts) | Monte-Carlo tree search, with lookahead or without | one a candidate of a new node, or one a walk |
//! | [`Args`](args::Args), [`RewardSampling`](reward_sampling::RewardSampling) | one sequence, each token by probability and reward | one a candidate |
//! | [`Saffron`](saffron::Saffron) | beam over tokens | one a candidate |
//! | [`AnswerFilter`](answer_filter::AnswerFilter) | samples until one is safe, or a refusal | one a sample |
//! | [`Rollback`](rollback::Rollback) | a sample under a monitor that takes tokens back | one a check |
//! | [`HeaderProbe`](header_probe::HeaderProbe) | a sample that is asked, again and again, whether it would refuse | none |
//! | [`ValueFilter`](value_filter::ValueFilter) | the policy's order among tokens that are safe enough | one a candidate |
//! | [`SelfReminder`](self_reminder::SelfReminder) | another search, under a reminder around the question | those of the search |
//! | [`RiskStop`](risk_stop::RiskStop) | another search, which ends once all it looks at is too risky | those of the search |
//!
//! "One a candidate" is what a reward model costs that knows whole sequences only. A multifurcation reward model answers for all candidates of
//! a sequence in one call.
//!
//! What samples draws from a stream of random numbers that belongs to the sample, so that it does not depend on how many others there are.

pub mod answer_filter;
pub mod args;
pub mod beam;
pub mod best_of_n;
mod breadth;
mod config;
pub mod deal;
pub mod dvts;
mod filter;
pub mod greedy;
mod guided;
pub mod header_probe;
pub mod mcts;
pub mod particles;
mod path;
mod population;
mod rank;
pub mod rebase;
mod refuse;
pub mod reward_sampling;
pub mod risk_stop;
pub mod rollback;
pub mod saffron;
pub mod sampling;
pub mod self_reminder;
mod steps;
pub mod value_filter;
mod walk;

use saffron_core::{ConfigError, SearchError};

pub use config::StrategyConfig;
pub use filter::FilterConfig;
pub use path::{PathRewards, PathScore};
pub use steps::Steps;

fn check_width(width: usize) -> Result<(), SearchError> {
    if width == 0 { Err(ConfigError::Zero { what: "width" }.into()) } else { Ok(()) }
}
