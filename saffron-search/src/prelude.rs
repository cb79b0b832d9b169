//! What a program that searches imports, and all that a strategy, a reward or a policy of one's own
//! is written against.
//!
//! ```
//! use saffron_search::prelude::*;
//!
//! struct Greedy;
//!
//! impl SearchStrategy for Greedy {
//!     fn fresh(&self) -> Box<dyn SearchStrategy> {
//!         Box::new(Greedy)
//!     }
//!
//!     fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
//!         for (node, children) in cx.score_children(&cx.open())? {
//!             match children.best() {
//!                 Some(child) => cx.extend(node, child)?,
//!                 None => cx.close(node, StopReason::NoSeenCandidate)?,
//!             }
//!         }
//!         Ok(if cx.open().is_empty() { Step::Done } else { Step::Continue })
//!     }
//! }
//!
//! let searcher = Searcher::new(Greedy).max_new_tokens(8);
//! assert_eq!(searcher.settings().max_new_tokens, 8);
//! ```

pub use saffron_core::{
    BeamEntry, Budget, Candidate, CandidateFilter, Candidates, Child, ChildReward, ChildScorer, Children, ConfigError,
    ContextSettings, Contrast, ContrastSettings, Coverage, DecoderShape, Forget, Forwarded, Hypothesis, Level, Limit,
    ModelCall, ModelError, MultifurcationRewardModel, NoReward, NodeId, NodeState, OrmScorer, Outcome,
    OutcomeRewardModel, PlainVocabulary, Policy, Preset, PrmScorer, ProcessRewardModel, Reply, Role, Safety,
    SearchContext, SearchError, SearchErrorKind, SearchObserver, SearchStart, SearchStrategy, SearchTree, Session,
    Step, StopReason, TextPolicy, Thresholds, Ties, Token, TokenSet, TreeChange, Usage, Verdict, Vocabulary,
    VocabularyError, VocabularyId, WeightedSum, Work, outcome_reward_fn, process_reward_fn, random,
};

pub use crate::searcher::scheduler::{Request, Scheduler, Ticket};
pub use crate::searcher::{Many, Reaction, Rules, SearchConfig, Searcher};
pub use crate::strategy::answer_filter::{AnswerFilter, AnswerFilterOptions};
pub use crate::strategy::args::Args;
pub use crate::strategy::beam::StepBeam;
pub use crate::strategy::best_of_n::BestOfN;
pub use crate::strategy::deal::Deal;
pub use crate::strategy::dvts::Dvts;
pub use crate::strategy::greedy::Greedy;
pub use crate::strategy::header_probe::{HeaderProbe, HeaderProbeOptions};
pub use crate::strategy::mcts::Mcts;
pub use crate::strategy::particles::ParticleFilter;
pub use crate::strategy::rebase::Rebase;
pub use crate::strategy::reward_sampling::RewardSampling;
pub use crate::strategy::risk_stop::{RiskStop, RiskStopOptions};
pub use crate::strategy::rollback::{Introspection, Rollback, RollbackOptions};
pub use crate::strategy::saffron::{Adaptive, DeadEnd, Saffron, SaffronOptions};
pub use crate::strategy::sampling::Sampling;
pub use crate::strategy::self_reminder::{Reminder, SelfReminder};
pub use crate::strategy::value_filter::{ValueFilter, ValueFilterOptions};
pub use crate::strategy::{FilterConfig, PathScore, Steps, StrategyConfig};
