//! The rewards of a multifurcation reward model for given token ids, for comparing it with another
//! implementation.
//!
//! ```text
//! cargo run --example rewards -- --base DIR --adapter DIR --json rewards.json        # sequences by a seed
//! cargo run --example rewards -- --base DIR --adapter DIR --expected FILE.json        # compare with another's
//! ```
//!
//! Files hold `{"sequences": [[ids]], "rewards": [[one a vocabulary entry]], "unseen": [ids]}`:
//! rewards after the last token of each sequence, bias added, unseen tokens' too.
//! `scripts/check_peft_adapter.py` reads them with transformers and peft, and
//! `scripts/make_peft_adapter.py` writes them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_core::ModelName;
use saffron_examples::device::{device, first};
use saffron_examples::models::{MemoryArgs, Opener};
use saffron_examples::output;
use saffron_examples::rewards_file::{RewardsFile, sequences};
use saffron_mrm::{ModelOptions, Mrm};

/// Computes rewards, or compares them.
#[derive(Parser)]
struct Args {
    /// The base model: a directory, a GGUF, or a name on the hub.
    #[arg(long)]
    base: ModelName,
    /// Directory of the adapter and head.
    #[arg(long)]
    adapter: PathBuf,
    /// Take a bias or mask that the adapter's directory lacks as none: no bias, every token seen.
    #[arg(long)]
    neutral_head: bool,
    /// Rewards of another implementation to compare with.
    #[arg(long)]
    expected: Option<PathBuf>,
    /// The greatest difference that is no failure.
    #[arg(long, default_value_t = 1e-4)]
    tolerance: f32,
    /// Seed of the sequences where none are given.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write sequences and rewards.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    device: String,
    #[command(flatten)]
    memory: MemoryArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let device = device(&args.device)?;
    let mut opener = Opener::new(device.clone(), ModelOptions::default()).with_memory(args.memory);
    let checkpoint = opener.fetched(&args.base)?;
    let base = Mrm::builder(checkpoint.path(), &device, opener.alone(&args.base)?)?;
    let base = if args.neutral_head { base.neutral_where_absent() } else { base };
    let mut mrm = base.without_card().with_adapter(&args.adapter)?;
    let expected = args.expected.as_deref().map(RewardsFile::read).transpose()?;
    let vocab_size = mrm.head().bias.len();
    let given = expected.as_ref().map(|expected| expected.sequences.clone());
    let found = RewardsFile::of(&mut mrm, given.unwrap_or_else(|| sequences(args.seed, vocab_size)))?;
    args.json.map_or(Ok(()), |path| found.write(&path))?;
    expected.map_or(Ok(()), |expected| expected.compare(&found, args.tolerance))
}
