//! The policy that a command line names, and how its models run.

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::DType;
use clap::{Args, ValueEnum};
use saffron_kvtrie::Reuse;
use saffron_mrm::text::{LAYOUT_NAMES, layout};
use saffron_mrm::{Base, LmPolicy, ModelOptions};
use saffron_search::Preset;
use serde::{Deserialize, Serialize};

use crate::device::{device, first};

/// Types of weights by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TypeName {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, IEEE.
    F16,
    /// 16 bits with the exponent of 32.
    Bf16,
}

impl TypeName {
    /// Whether nothing is rounded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::F32
    }
}

impl From<TypeName> for DType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::F32 => Self::F32,
            TypeName::F16 => Self::F16,
            TypeName::Bf16 => Self::BF16,
        }
    }
}

/// Arguments: the policy, and how models run.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct PolicyArgs {
    /// Directory of the policy.
    #[arg(long)]
    pub policy: PathBuf,
    /// The policy's prompt layout; by default what its special tokens speak for.
    #[arg(long, value_parser = LAYOUT_NAMES)]
    pub layout: Option<String>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    pub device: String,
    /// Type of weights and activations.
    #[arg(long, default_value = "f32")]
    pub dtype: TypeName,
    /// Megabytes of keys and values per model.
    #[arg(long, default_value_t = 1024)]
    pub cache_mb: u64,
    /// Compute every context from its first token.
    #[arg(long)]
    pub no_cache: bool,
}

impl PolicyArgs {
    /// How models run.
    #[must_use]
    pub fn options(&self) -> ModelOptions {
        ModelOptions {
            dtype: self.dtype.into(),
            cache_bytes: self.cache_mb << 20,
            reuse: if self.no_cache { Reuse::Nothing } else { Reuse::Cached },
            ..ModelOptions::default()
        }
    }

    /// The policy, and its weights for other models to share.
    ///
    /// # Errors
    ///
    /// No such device, a checkpoint that does not load, a tokenizer without the layout's tokens.
    pub fn open(&self, preset: Preset) -> Result<(Base, LmPolicy)> {
        let base = Base::open(&self.policy, &device(&self.device)?, self.options().dtype)?;
        let mut policy = LmPolicy::on(&base, self.options())?;
        if let Some(name) = &self.layout {
            let layout = layout(name, policy.tokenizer())?;
            policy = policy.with_layout(layout);
        }
        // The reference knows one end-of-sequence token: the tokenizer's.
        let policy = match (preset, policy.tokenizer().eos()) {
            (Preset::Reference, Some(end)) => policy.with_end_tokens(vec![end]),
            _ => policy,
        };
        Ok((base, policy))
    }
}
