//! The vocabulary of reward-guided decoding: what a search, a policy and a reward model say to each other.
//!
//! This crate holds types, traits and pure functions. It knows nothing of tensors, files, networks or clocks that decide
//! anything, so a strategy or a reward model written against it compiles in seconds and runs anywhere.
//!
//! | term | meaning | item |
//! |---|---|---|
//! | policy | the language model that is being defended | [`Policy`] |
//! | ORM, PRM | outcome and process reward models: one reward for a finished, a partial sequence | [`OutcomeRewardModel`], [`ProcessRewardModel`] |
//! | MRM | multifurcation reward model: a reward for *every* next token from one forward pass | [`MultifurcationRewardModel`] |
//! | nucleus | the most probable next tokens that together hold the probability mass top-p | [`CandidateFilter`] |
//! | unseen token | a token that the MRM's training corpus never held; its reward is not to be trusted | [`ChildReward::Unseen`] |
//! | prefill | the first tokens of a reply, forced by an attacker | [`Session::prefill`] |
//! | beam | the sequences that a search keeps at one depth | [`SearchObserver::on_level`] |
//! | attributed compute | what a search would have cost had it begun with an empty cache | [`Work`] |
//!
//! A search is a [`SearchStrategy`] that works through a [`SearchContext`], the only door to the models. The loop around it
//! lives in `saffron-search`, decoder models in `saffron-mrm`.

mod asked;
mod budget;
mod candidates;
mod context;
mod contrast;
mod driver;
mod error;
mod filter;
mod flops;
mod forget;
mod layout;
mod meter;
mod model_name;
pub mod numeric;
mod observer;
mod outcome;
mod policy;
mod port;
mod preset;
pub mod random;
mod renderer;
mod reply;
mod report;
mod reward;
mod reward_head;
mod scorer;
mod search_error;
mod session;
mod stop;
mod strategy;
mod text_policy;
mod third_answer;
mod token;
mod tree;
mod verdict;
mod vocabulary;
mod weighted_sum;
#[doc(hidden)]
pub mod wire;
mod work;

#[cfg(feature = "testing")]
pub mod testing;

pub use asked::AskedContexts;
pub use budget::{Budget, Limit};
pub use candidates::{Candidate, Candidates, Coverage};
pub use context::{Child, Children, ContextSettings, SearchContext};
pub use contrast::{Contrast, ContrastSettings};
pub use driver::SearchDriver;
pub use error::{ConfigError, ModelError};
pub use filter::{CandidateFilter, Ties};
pub use flops::{DecoderShape, Sliding};
pub use forget::Forget;
pub use layout::{ContextLayout, LayoutOrigin, PromptEncoder, PromptLayout};
pub use meter::{ComputeMeter, Role, RoleUsage, Usage};
pub use model_name::{EngineKind, HubModel, ModelName, ModelNameError, ServerAddress};
pub use observer::{BeamEntry, Level, ModelCall, SearchObserver, SearchStart, TreeChange};
pub use outcome::{Hypothesis, Outcome};
pub use policy::Policy;
pub use port::{DirectPort, ModelPort};
pub use preset::Preset;
pub use renderer::{ContextRenderer, Reading};
pub use reply::Reply;
pub use report::{listed, shortened, with_causes};
pub use reward::{
    ChildReward, FnReward, MultifurcationRewardModel, OutcomeRewardModel, ProcessRewardModel, outcome_reward_fn,
    process_reward_fn,
};
pub use reward_head::{HeadLayout, HeadNotes, RewardHead, RewardProbe, ServedHead, Unembedding};
pub use scorer::{ChildScorer, NoReward, OrmScorer, PrmScorer};
pub use search_error::{SearchError, SearchErrorKind};
pub use session::{Run, Session};
pub use stop::StopReason;
pub use strategy::{SearchStrategy, Step};
pub use text_policy::TextPolicy;
pub use third_answer::{CountsAs, ThirdAnswer};
pub use token::{Token, TokenSet};
pub use tree::{NodeId, NodeState, SearchTree};
pub use verdict::{Safety, Thresholds, Verdict};
pub use vocabulary::{PlainVocabulary, Vocabulary, VocabularyError, VocabularyId};
pub use weighted_sum::WeightedSum;
pub use work::{Forwarded, Work};
