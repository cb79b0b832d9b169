//! Which reward model is exported, and as what.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use saffron_core::{ModelName, ServerAddress, Token};
use saffron_mrm::DType;
use saffron_mrm::checkpoint::EngineFormat;
use saffron_mrm::checkpoint::peft::base_of_adapter;
use saffron_mrm::text::LAYOUT_NAMES;

use crate::device::first;

/// What an engine loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportName {
    /// A Hugging Face directory with the adapter added to the weights: vLLM.
    Merged,
    /// An adapter: vLLM with --enable-lora.
    Lora,
    /// A GGUF: llama.cpp.
    Gguf,
    /// The head alone.
    Head,
}

/// A reference token: one that is chosen, none, or one by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceChoice {
    /// One that nothing uses.
    Auto,
    /// None: the server gives raw logits or hidden states.
    None,
    /// This one.
    Named(Token),
}

impl FromStr for ReferenceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            id => id.parse().map(Self::Named).map_err(|_| format!("expected auto, none or an id, found {id:?}")),
        }
    }
}

/// Arguments: the reward model, the format, the directory.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct ExportMrmArgs {
    /// The base of --mrm: a directory, a GGUF, or a name on the hub [default: what the adapter
    /// names]. Without --mrm, whole weights with their head beside them.
    #[arg(long, required_unless_present = "mrm")]
    pub base: Option<ModelName>,
    /// Directory of the multifurcation reward model: adapter, bias, mask.
    #[arg(long)]
    pub mrm: Option<PathBuf>,
    /// What is written.
    #[arg(long)]
    pub to: ExportName,
    /// The directory to write. It must not exist, or be empty; it appears when it is complete.
    #[arg(long)]
    pub out: PathBuf,
    /// Type of the weights: f32, bf16 or f16 of a merged checkpoint; f32, f16 or q8_0 of a GGUF.
    #[arg(long, default_value = "f32", value_parser = ["f32", "bf16", "f16", "q8_0"])]
    pub dtype: String,
    /// A token whose row of the unembedding becomes zero, so that log-probabilities give logits:
    /// auto, none, or an id [default: auto for lora and gguf, none for merged and head].
    #[arg(long)]
    pub reference: Option<ReferenceChoice>,
    /// Write the rows of the unembedding into the head, for a server of hidden states.
    #[arg(long)]
    pub unembedding: bool,
    /// The prompt layout of the reward model [default: what its card names, else mrm].
    #[arg(long, value_parser = LAYOUT_NAMES)]
    pub mrm_layout: Option<String>,
    /// Take a bias or mask that the directory of --mrm lacks as none: no bias, every token seen.
    #[arg(long)]
    pub neutral_head: bool,
    /// Write nothing: compare the rewards of a server that has loaded what --out holds, such as
    /// vllm:http://127.0.0.1:8000, with those of the model here.
    #[arg(long, value_name = "SERVER")]
    pub check: Option<ServerAddress>,
    /// The name of the model on that server, where it has several.
    #[arg(long, requires = "check")]
    pub check_model: Option<String>,
    /// The route to rewards: logits, pooling or reference [default: what the server can do].
    #[arg(long, requires = "check")]
    pub check_route: Option<String>,
    /// How far rewards may lie apart. Half precision and q8_0 need more.
    #[arg(long, requires = "check", default_value_t = 1e-4)]
    pub check_tolerance: f32,
    /// Device to run on.
    #[arg(long, default_value = first())]
    pub device: String,
}

impl ExportMrmArgs {
    /// The base, or the whole weights.
    ///
    /// # Errors
    ///
    /// An adapter that names none that is there.
    pub fn base(&self) -> Result<ModelName> {
        match (&self.base, &self.mrm) {
            (Some(base), _) => Ok(base.clone()),
            (None, mrm) => Ok(base_of_adapter(mrm.as_deref().context("--base or --mrm is needed")?)?),
        }
    }

    /// The format with its type of weights.
    ///
    /// # Errors
    ///
    /// A type that the format does not have.
    pub fn format(&self) -> Result<EngineFormat> {
        Ok(match (self.to, &self.dtype[..]) {
            (ExportName::Merged, "f32") => EngineFormat::Merged(DType::F32),
            (ExportName::Merged, "bf16") => EngineFormat::Merged(DType::BF16),
            (ExportName::Merged, "f16") => EngineFormat::Merged(DType::F16),
            (ExportName::Lora, "f32") => EngineFormat::Lora,
            (ExportName::Head, "f32") => EngineFormat::Head,
            (ExportName::Gguf, dtype) => EngineFormat::Gguf(dtype.parse().map_err(anyhow::Error::msg)?),
            (ExportName::Merged, dtype) => bail!("--to merged has --dtype f32, bf16 or f16, not {dtype}"),
            (ExportName::Lora | ExportName::Head, dtype) => bail!("adapters and heads are float32, not {dtype}"),
        })
    }

    /// The reference token: the one asked for, else what the format needs.
    #[must_use]
    pub fn reference(&self) -> ReferenceChoice {
        let needed = match self.to {
            ExportName::Lora | ExportName::Gguf => ReferenceChoice::Auto,
            ExportName::Merged | ExportName::Head => ReferenceChoice::None,
        };
        self.reference.unwrap_or(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::ReferenceChoice;

    #[test]
    fn a_reference_is_auto_none_or_an_id() {
        assert_eq!("auto".parse(), Ok(ReferenceChoice::Auto));
        assert_eq!("none".parse(), Ok(ReferenceChoice::None));
        assert_eq!("128".parse(), Ok(ReferenceChoice::Named(128)));
        assert!("-1".parse::<ReferenceChoice>().is_err_and(|error| error.contains("auto, none or an id")));
    }
}
