//! A world in which the truth can be computed: policies that are small Markov chains, each with a harmful region that a forced beginning leads
//! into, and answers whose worth is a sum over their tokens. Dynamic programming then gives the worth of every prefix, exactly.
//!
//! Strategies run in it as they run with language models; what they cost is counted as if the policy were an 8B and the reward model a 1B
//! decoder of the Llama 3 family.

mod cost;
pub mod measure;
mod models;
mod noise;
pub mod report;
mod roster;
mod truth;
mod world;

pub use models::{ChainPolicy, POLICY_SHAPE, REWARD_SHAPE, SUFFIX, ValueMrm, ValuePrm};
pub use noise::Noise;
pub use roster::{BUDGETS, Contestant, roster};
pub use truth::{Fold, Values};
pub use world::{END, FIRST_HARMFUL, Length, State, VOCABULARY, World, Worlds};
