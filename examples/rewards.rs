//! The rewards of a multifurcation reward model for given token ids, for comparing it with another implementation.
//!
//! ```text
//! cargo run --example rewards -- --base DIR --adapter DIR --json rewards.json        # sequences by a seed
//! cargo run --example rewards -- --base DIR --adapter DIR --expected FILE.json        # compare with another's
//! ```
//!
//! Files hold `{"sequences": [[ids]], "rewards": [[one a vocabulary entry]], "unseen": [ids]}`: rewards after the last token of each
//! sequence, bias added, unseen tokens' too. `scripts/check_peft_adapter.py` reads them with transformers and peft, and
//! `scripts/make_peft_adapter.py` writes them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use saffron_core::random::below;
use saffron_core::{ModelName, Token};
use saffron_examples::device::{device, first};
use saffron_examples::models::Opener;
use saffron_examples::output::{self, line};
use saffron_examples::prompt::save;
use saffron_mrm::{ModelOptions, Mrm};
use serde::{Deserialize, Serialize};

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
}

#[derive(Serialize, Deserialize)]
struct Rewards {
    sequences: Vec<Vec<Token>>,
    #[serde(default)]
    rewards: Vec<Vec<f32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unseen: Option<Vec<Token>>,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let (device, options) = (device(&args.device)?, ModelOptions::default());
    let checkpoint = Opener::new(device.clone(), options).fetched(&args.base)?;
    let base = Mrm::builder(checkpoint.path(), &device, ModelOptions::default())?;
    let base = if args.neutral_head { base.neutral_where_absent() } else { base };
    let mut mrm = base.with_adapter(&args.adapter)?;
    let unseen: Vec<Token> = mrm.head().unseen.iter().collect();
    let expected = args.expected.as_ref().map(|path| -> Result<Rewards> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    });
    let expected = expected.transpose()?;
    let sequences = match &expected {
        Some(expected) => expected.sequences.clone(),
        None => sequences(args.seed, mrm.head().bias.len()),
    };
    let found = Rewards { rewards: mrm.raw_rewards(&sequences)?, unseen: Some(unseen), sequences };
    if let Some(path) = &args.json {
        save(path, &serde_json::to_vec(&found)?)?;
    }
    expected.map_or(Ok(()), |expected| compare(&expected, &found, args.tolerance))
}

/// Three sequences of 5, 9 and 13 tokens.
fn sequences(seed: u64, vocab_size: usize) -> Vec<Vec<Token>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    [5, 9, 13].map(|length| (0..length).map(|_| below(&mut rng, vocab_size) as Token).collect()).to_vec()
}

fn compare(expected: &Rewards, found: &Rewards, tolerance: f32) -> Result<()> {
    ensure!(!expected.rewards.is_empty(), "there are no rewards to compare with");
    ensure!(expected.rewards.len() == found.rewards.len(), "another number of rewards than of sequences");
    for (place, (expected, found)) in expected.rewards.iter().zip(&found.rewards).enumerate() {
        ensure!(
            expected.len() == found.len(),
            "sequence {place}: {} rewards for {} tokens",
            expected.len(),
            found.len()
        );
        ensure!(found.iter().chain(expected).all(|value| value.is_finite()), "sequence {place}: a reward is no number");
        let greatest = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        line(format_args!("sequence {place}: greatest difference {greatest:.2e}"))?;
        ensure!(greatest <= tolerance, "sequence {place}: {greatest:.2e} is more than {tolerance:.0e}");
    }
    if expected.unseen.is_some() {
        ensure!(expected.unseen == found.unseen, "the unseen tokens differ");
        line("the same unseen tokens")?;
    }
    Ok(())
}
