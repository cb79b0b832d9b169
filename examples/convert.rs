//! Converts a checkpoint to a directory in Hugging Face's layout.
//!
//! ```text
//! cargo run --example convert -- --model models/model.gguf --out models/converted
//! cargo run --example convert -- --model HuggingFaceTB/SmolLM2-135M-Instruct --out models/smollm2_bf16 --dtype bf16
//! ```
//!
//! The directory holds `config.json`, `model.safetensors`, the tokenizer with its chat template,
//! and `generation_config.json`. Other programs read it, too: transformers, peft, vLLM.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_core::ModelName;
use saffron_examples::device::{device, first};
use saffron_examples::models::{Opener, dtype, weight_type};
use saffron_examples::output::{self, line};
use saffron_mrm::ModelOptions;
use saffron_search::eval::models::WeightType;

/// Converts a checkpoint to a Hugging Face directory.
#[derive(Parser)]
struct Args {
    /// The model: a directory, a GGUF, or a name on the hub (org/name, org/name@revision,
    /// org/name/file.gguf).
    #[arg(long)]
    model: ModelName,
    /// The directory to write. It must not exist, or be empty; it appears when it is complete.
    #[arg(long)]
    out: PathBuf,
    /// Type of the weights.
    #[arg(long, default_value_t, value_parser = weight_type())]
    dtype: WeightType,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let mut opener = Opener::new(device(first())?, ModelOptions::default());
    let names = opener.fetched(&args.model)?.export(&args.out, dtype(args.dtype))?;
    for path in names.iter().map(|name| args.out.join(name)) {
        let bytes = path.metadata().with_context(|| path.display().to_string())?.len();
        line(format_args!("{}  {bytes} bytes", path.display()))?;
    }
    Ok(())
}
