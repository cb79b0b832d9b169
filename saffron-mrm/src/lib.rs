//! Decoders of many families in burn as policies, guard reward models and multifurcation reward
//! models.
//!
//! ```no_run
//! use saffron_core::{CandidateFilter, MultifurcationRewardModel, Policy, TextPolicy};
//! use saffron_mrm::{Device, LmPolicy, Mrm};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! let mut policy = LmPolicy::open("models/smollm2", &device)?;
//! let mut mrm = Mrm::open("models/guard", "models/mrm", &device)?;
//! let session = [policy.session("How do I pick a lock?")?];
//! let filter = CandidateFilter { top_p: 0.8, ..CandidateFilter::default() };
//! let nucleus = policy.propose(&session, &filter)?.value;
//! let rewards = mrm.child_rewards(&session, &nucleus)?.value;
//! println!("{} candidates, the first with {:?}", nucleus[0].len(), rewards[0][0]);
//! # Ok(())
//! # }
//! ```
//!
//! A backend of burn is a feature of this crate (`flex` for the CPU, `cuda`, `wgpu`); none is on by
//! default. [`Device`] and [`DType`] are burn's, so a program need not name burn. The `decode`
//! example of the repository runs a whole search with these models.
//!
//! | module | what |
//! |---|---|
//! | [`checkpoint`] | Hugging Face, PEFT and the reference's files; with the feature `gguf` llama.cpp's |
//! | [`nn`] | the decoder |
//! | [`text`] | tokenizers, prompt layouts, conversion between vocabularies |
//! | [`guards`] | published guards by name: their prompts and answers |
//! | [`local`] | models that run here, opened by name and shared |
//! | `hub` (feature) | checkpoints by name from the Hugging Face hub |
//! | [`memory`] | whether models fit, before they are loaded |
//! | [`engine`] | a decoder with its cache, answering batches of contexts |

mod base;
mod brief;
pub mod checkpoint;
mod config;
pub mod engine;
mod error;
mod family;
mod files;
mod fit;
mod guard;
pub mod guards;
#[cfg(feature = "hub")]
pub mod hub;
pub mod local;
pub mod memory;
mod mrm;
pub mod nn;
mod policy;
pub mod prelude;
pub mod text;

pub use base::{Base, BaseFiles};
pub use burn::tensor::{DType, Device};
pub use checkpoint::RewardHeadFiles;
pub use config::{
    Activation, Biases, Choices, ContextLength, DecoderConfig, Family, HeadNormKind, Layer, Layers, LongRope,
    NormPlaces, NormWeights, RopeScaling, Rotary, Scales, Yarn,
};
pub use engine::ModelOptions;
pub use error::{LoadError, TensorMismatch};
pub use guard::{GuardQuestions, GuardRewardModel, GuardTemplate};
pub use local::{LocalError, LocalModel, LocalModels};
pub use mrm::{BiasUse, InputForm, Mrm, MrmBuilder, MrmInput};
pub use policy::LmPolicy;
pub use saffron_core::{CountsAs, RewardHead, TextPolicy, ThirdAnswer};
pub use text::PrefillUse;
