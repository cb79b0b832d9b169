//! Tree-search strategies for safe decoding, and the searcher that runs them.
//!
//! ```
//! use saffron_core::testing::{ScriptedReward, TablePolicy};
//! use saffron_search::{Saffron, Searcher};
//!
//! // Token 2 is the policy's favourite, token 1 the reward model's; token 0 ends a sequence.
//! let mut policy = TablePolicy::new(vec![0.0, 1.0, 1.5], vec![0]);
//! let mut reward = ScriptedReward::new(-1.0).with(vec![1], 2.0).with(vec![1, 1], 3.0);
//! let session = policy.session(&[1, 2])?;
//! let searcher = Searcher::new(Saffron::paper(4)).max_new_tokens(2);
//! let outcome = searcher.run(&session, &mut policy, &mut reward)?;
//! assert_eq!(outcome.best.tokens, [1, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Strategies know nothing of tensors; this crate builds without any. The traits they are written against live in
//! [`saffron_core`], re-exported here.

pub mod calibrate;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(any(feature = "eval", feature = "remote", feature = "serve"))]
mod json;
pub mod prelude;
mod refusal;
#[cfg(any(feature = "eval", feature = "remote"))]
mod regular;
#[cfg(feature = "remote")]
pub mod remote;
mod searcher;
#[cfg(feature = "serve")]
pub mod serve;
pub mod strategy;
pub mod stream;
mod tagged;
pub mod trace;

pub use saffron_core;
pub use searcher::scheduler::Scheduler;
pub use searcher::{Many, Reaction, Rules, SearchConfig, Searcher, scheduler};
pub use strategy::answer_filter::AnswerFilter;
pub use strategy::args::Args;
pub use strategy::beam::StepBeam;
pub use strategy::best_of_n::BestOfN;
pub use strategy::deal::Deal;
pub use strategy::dvts::Dvts;
pub use strategy::greedy::Greedy;
pub use strategy::header_probe::HeaderProbe;
pub use strategy::mcts::Mcts;
pub use strategy::particles::ParticleFilter;
pub use strategy::rebase::Rebase;
pub use strategy::reward_sampling::RewardSampling;
pub use strategy::risk_stop::RiskStop;
pub use strategy::rollback::Rollback;
pub use strategy::saffron::{Preset, Saffron, SaffronOptions};
pub use strategy::sampling::Sampling;
pub use strategy::self_reminder::SelfReminder;
pub use strategy::value_filter::ValueFilter;
