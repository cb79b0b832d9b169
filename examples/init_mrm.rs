//! Makes a new multifurcation reward model on a base model, in the layout that the reference releases: a PEFT adapter, `lm_head_bias.pt`
//! and `unseen_mask.pt`. Untrained: a beginning for training, or with `--random` something to try a search with.
//!
//! ```text
//! cargo run --example init_mrm -- --base models/smollm2 --out models/mrm --random
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_core::ModelName;
use saffron_examples::device::device;
use saffron_examples::models::Opener;
use saffron_examples::output;
use saffron_mrm::ModelOptions;
use saffron_mrm::RewardHeadFiles as _;
use saffron_mrm::checkpoint::AdapterConfig;
use saffron_mrm::checkpoint::folder::update;
use saffron_train::Init;
use saffron_train::recipe::base_name;

/// Makes an untrained reward model.
#[derive(Parser)]
struct Args {
    /// The base model: a directory, a GGUF, or a model's name on the hub (org/name,
    /// org/name@revision, org/name/file.gguf).
    #[arg(long)]
    base: ModelName,
    /// Directory to write into.
    #[arg(long)]
    out: PathBuf,
    /// Rank of the adapter.
    #[arg(long, default_value_t = 4)]
    rank: usize,
    /// The adapter's scale is alpha / rank.
    #[arg(long, default_value_t = 4.0)]
    alpha: f64,
    /// Seed of all numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Random factors and bias, and half of the tokens unseen, in place of a neutral beginning.
    #[arg(long)]
    random: bool,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let device = device(saffron_examples::device::first())?;
    let checkpoint = Opener::new(device.clone(), ModelOptions::default()).checkpoint(&args.base)?;
    let model = checkpoint.config()?;
    let init = Init { spread_b: 0.1, spread_bias: 0.1, unseen: 0.5, seed: args.seed };
    let init = if args.random { init } else { Init::neutral(args.seed) };
    let targets = ["q_proj", "v_proj"].map(String::from).to_vec();
    let config = AdapterConfig {
        base_model_name_or_path: Some(base_name(&args.base)?),
        ..AdapterConfig::new(args.rank, args.alpha, targets)
    };
    let adapter = init.adapter(&config, &model, &device)?;
    update(&args.out, |dir| {
        adapter.save(dir, &config)?;
        Ok(init.head(model.vocab_size).save_torch(dir)?)
    })
}
