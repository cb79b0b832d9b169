//! Converts a checkpoint to a directory in Hugging Face's layout, or to a GGUF.
//!
//! ```text
//! cargo run --example convert -- --model models/model.gguf --out models/converted
//! cargo run --example convert -- --model HuggingFaceTB/SmolLM2-135M-Instruct --out models/smollm2_bf16 --dtype bf16
//! cargo run --example convert -- --model models/smollm2 --out models/smollm2_q8 --gguf q8_0
//! ```
//!
//! The directory holds `config.json`, `model.safetensors`, the tokenizer with its chat template,
//! and `generation_config.json`. Other programs read it, too: transformers, peft, vLLM. With `--gguf`
//! it holds `model.gguf`, for llama.cpp.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_core::ModelName;
use saffron_examples::device::{device, first};
use saffron_examples::models::{Opener, dtype, note, weight_type};
use saffron_examples::output::{self, line};
use saffron_mrm::ModelOptions;
use saffron_mrm::checkpoint::GgufWeights;
use saffron_search::eval::models::WeightType;

/// Converts a checkpoint to a Hugging Face directory or a GGUF.
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
    /// Write `model.gguf` with weights of this type: f32, f16 or q8_0.
    #[arg(long, value_name = "TYPE", conflicts_with = "dtype")]
    gguf: Option<GgufWeights>,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let mut opener = Opener::new(device(first())?, ModelOptions::default());
    let checkpoint = opener.fetched(&args.model)?;
    let names = match args.gguf {
        Some(weights) => {
            let exported = checkpoint.export_gguf(&args.out, weights)?;
            exported.notes.iter().for_each(|text| note(text));
            exported.files
        }
        None => checkpoint.export(&args.out, dtype(args.dtype))?,
    };
    for path in names.iter().map(|name| args.out.join(name)) {
        let bytes = path.metadata().with_context(|| path.display().to_string())?.len();
        line(format_args!("{}  {bytes} bytes", path.display()))?;
    }
    Ok(())
}
