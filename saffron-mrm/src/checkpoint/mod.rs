//! Reading and writing checkpoints in Hugging Face's, PEFT's and the reference implementation's
//! layouts, and reading GGUF (feature `gguf`). [`Checkpoint::export`] writes any of them as a
//! Hugging Face directory. Trusts nothing it reads: sizes are capped, paths stay inside their
//! directory, no pickle is executed.

mod card;
mod export;
pub mod folder;
#[cfg(feature = "gguf")]
pub(crate) mod gguf;
pub(crate) mod head;
mod layout;
mod listing;
mod modules;
mod parts;
pub mod peft;
mod renamed;
pub mod safetensors;
mod save;
mod shards;
mod source;
mod tensors;
pub mod torch;
mod weights;

pub use card::MrmCard;
#[cfg(feature = "gguf")]
pub use export::GgufWeights;
pub use export::{EngineFormat, Exported, MrmExport, Reference, ReferenceReason};
pub use head::{RewardHeadFiles, save_served_head};
pub use peft::{AdapterConfig, AdapterFile, Targets};
pub use source::Checkpoint;
pub(crate) use tensors::TensorSource;
pub(crate) use weights::{checked_tensors, load_decoder};

pub use crate::nn::lora::{LoraPair, LoraWeights, Projection};
