//! Answers one prompt: with a Saffron search if a reward model is given, else greedily.
//!
//! ```text
//! cargo run --release --example decode -- --policy models/smollm2 --prompt "What is the capital of France?"
//! cargo run --release --example decode -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --width 16
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::DType;
use clap::{Parser, ValueEnum};
use saffron_core::{Hypothesis, NoReward, Outcome, RoleUsage, SearchError, SearchObserver, Session};
use saffron_examples::device::{device, first};
use saffron_examples::progress::Progress;
use saffron_kvtrie::Reuse;
use saffron_mrm::checkpoint::peft::base_of_adapter;
use saffron_mrm::engine::Merge;
use saffron_mrm::text::{LAYOUT_NAMES, layout};
use saffron_mrm::{Base, LmPolicy, ModelOptions, Mrm, MrmInput};
use saffron_search::trace::JsonlTrace;
use saffron_search::{Greedy, Preset, Saffron, Searcher};
use serde_json::json;

#[derive(Clone, Copy, ValueEnum)]
enum PresetName {
    Paper,
    Reference,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StrategyName {
    Saffron,
    Greedy,
}

#[derive(Clone, Copy, ValueEnum)]
enum TypeName {
    F32,
    F16,
    Bf16,
}

/// Answers one prompt under Saffron's guard.
#[derive(Parser)]
struct Args {
    /// Directory of the policy.
    #[arg(long)]
    policy: PathBuf,
    /// Directory of the multifurcation reward model: adapter, bias, mask.
    #[arg(long)]
    mrm: Option<PathBuf>,
    /// Directory of the model that the adapter sits on; by default the one that the adapter names.
    #[arg(long)]
    guard: Option<PathBuf>,
    /// What the user asks.
    #[arg(long)]
    prompt: String,
    /// A text that the reply is forced to begin with.
    #[arg(long, default_value = "")]
    prefill: String,
    /// How many of its tokens; all by default.
    #[arg(long)]
    prefill_len: Option<usize>,
    /// saffron needs --mrm and is the default with it; greedy needs no reward model.
    #[arg(long)]
    strategy: Option<StrategyName>,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 16)]
    width: usize,
    /// Mass of the nucleus.
    #[arg(long, default_value_t = 0.8)]
    top_p: f32,
    /// No end of sequence before this many tokens [default: 16 for saffron, 0 for greedy].
    #[arg(long)]
    min_new_tokens: Option<usize>,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 32)]
    max_new_tokens: usize,
    /// Rules of the search and of the reward model's input.
    #[arg(long, default_value = "paper")]
    preset: PresetName,
    /// The policy's prompt layout; by default what its special tokens speak for.
    #[arg(long, value_parser = LAYOUT_NAMES)]
    layout: Option<String>,
    /// The reward model's prompt layout.
    #[arg(long, value_parser = LAYOUT_NAMES, default_value = "mrm")]
    mrm_layout: String,
    /// Device to run on.
    #[arg(long, default_value = first())]
    device: String,
    /// Type of weights and activations.
    #[arg(long, default_value = "f32")]
    dtype: TypeName,
    /// Megabytes of keys and values per model.
    #[arg(long, default_value_t = 1024)]
    cache_mb: u64,
    /// Compute every context from its first token.
    #[arg(long)]
    no_cache: bool,
    /// Keep the adapter beside the weights.
    #[arg(long)]
    unmerged: bool,
    /// Write the outcome as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a trace of the search, one JSON object a line.
    #[arg(long)]
    trace: Option<PathBuf>,
}

impl Args {
    fn preset(&self) -> Preset {
        match self.preset {
            PresetName::Paper => Preset::Paper,
            PresetName::Reference => Preset::Reference,
        }
    }

    fn strategy(&self) -> StrategyName {
        let default = if self.mrm.is_some() { StrategyName::Saffron } else { StrategyName::Greedy };
        self.strategy.unwrap_or(default)
    }

    fn options(&self) -> ModelOptions {
        ModelOptions {
            dtype: match self.dtype {
                TypeName::F32 => DType::F32,
                TypeName::F16 => DType::F16,
                TypeName::Bf16 => DType::BF16,
            },
            cache_bytes: self.cache_mb << 20,
            reuse: if self.no_cache { Reuse::Nothing } else { Reuse::Cached },
            ..ModelOptions::default()
        }
    }

    fn open_policy(&self, base: &Base) -> Result<LmPolicy> {
        let mut policy = LmPolicy::on(base, self.options())?;
        if let Some(name) = &self.layout {
            let layout = layout(name, policy.tokenizer())?;
            policy = policy.with_layout(layout);
        }
        // The reference knows one end-of-sequence token: the tokenizer's.
        match (self.preset(), policy.tokenizer().eos()) {
            (Preset::Reference, Some(end)) => Ok(policy.with_end_tokens(vec![end])),
            _ => Ok(policy),
        }
    }

    /// The reward model; where its base is the policy's, it shares the weights.
    fn open_mrm(&self, dir: &Path, policy: &Base) -> Result<Mrm> {
        let guard = self.guard.clone().map_or_else(|| base_of_adapter(dir), Ok)?;
        let merge = if self.unmerged { Merge::Beside } else { Merge::IntoWeights };
        let mrm = if guard.canonicalize().ok() == policy.dir().canonicalize().ok() {
            Mrm::on(policy, self.options())?
        } else {
            Mrm::open_with(guard, &policy.decoder().device(), self.options())?
        };
        let mrm = mrm.with_adapter_as(dir, merge)?;
        let layout = layout(&self.mrm_layout, mrm.tokenizer())?;
        let input = match self.preset() {
            Preset::Paper => MrmInput::paper(),
            Preset::Reference => MrmInput::reference(),
        };
        Ok(mrm.with_layout(layout).with_input(input))
    }

    fn searcher(&self) -> Searcher {
        let searcher = match self.strategy() {
            StrategyName::Greedy => Searcher::new(Greedy).min_new_tokens(self.min_new_tokens.unwrap_or(0)),
            StrategyName::Saffron => Searcher::new(Saffron::new(self.preset(), self.width))
                .top_p(self.top_p)
                .min_new_tokens(self.min_new_tokens.unwrap_or(16)),
        };
        searcher.max_new_tokens(self.max_new_tokens)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = device(&args.device)?;
    eprintln!("device {}, {:?}", args.device, args.options().dtype);
    let base = Base::open(&args.policy, &device, args.options().dtype)?;
    let mut policy = args.open_policy(&base)?;
    let prefill_len = args.prefill_len.unwrap_or(usize::MAX);
    let session = policy.attacked_session(&args.prompt, &args.prefill, prefill_len)?;
    let trace = args.trace.as_deref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let mut trace = trace.transpose()?.map(|file| JsonlTrace::new(BufWriter::new(file)));
    let found = search(&args, &session, &mut policy, &base, &mut (Progress::default(), trace.as_mut()));
    if let Some(trace) = trace {
        trace.finish().context("writing the trace")?;
    }
    match found {
        Ok(outcome) => deliver(&args, &policy, &outcome),
        Err(error) => {
            // A search that fails half-way still has something to show.
            if let Some(outcome) = error.downcast_ref::<SearchError>().and_then(SearchError::partial) {
                deliver(&args, &policy, outcome)?;
            }
            Err(error)
        }
    }
}

/// Prints the outcome and, if asked to, writes it.
fn deliver(args: &Args, policy: &LmPolicy, outcome: &Outcome) -> Result<()> {
    report(policy, outcome)?;
    let Some(path) = &args.json else { return Ok(()) };
    let text = policy.text(&outcome.best)?;
    let value = json!({ "text": text, "outcome": outcome, "preset": args.preset().to_string() });
    std::fs::write(path, serde_json::to_string_pretty(&value)?).with_context(|| path.display().to_string())
}

fn search(
    args: &Args,
    session: &Session,
    policy: &mut LmPolicy,
    base: &Base,
    observer: &mut dyn SearchObserver,
) -> Result<Outcome> {
    let searcher = args.searcher();
    if args.strategy() == StrategyName::Greedy {
        return Ok(searcher.run_observed(session, policy, &mut NoReward, observer)?);
    }
    let dir = args.mrm.as_deref().context("--strategy saffron needs --mrm")?;
    let mut mrm = args.open_mrm(dir, base)?;
    Ok(searcher.run_observed(session, policy, &mut mrm, observer)?)
}

/// The answer, why the search ended, the beam, what it cost.
fn report(policy: &LmPolicy, outcome: &Outcome) -> Result<()> {
    println!("{}", policy.text(&outcome.best)?);
    println!();
    println!("stopped: {}", outcome.stop);
    println!("search:  {}", outcome.strategy);
    println!("reward:  {}", outcome.reward);
    println!("beam:");
    for hypothesis in &outcome.beam {
        println!("  {}", line(policy, hypothesis)?);
    }
    println!("compute: {}", outcome.usage);
    print_role("policy", &outcome.usage.policy);
    print_role("reward", &outcome.usage.reward);
    Ok(())
}

fn line(policy: &LmPolicy, hypothesis: &Hypothesis) -> Result<String> {
    let reward = hypothesis.reward.map_or_else(|| String::from("      –"), |reward| format!("{reward:7.3}"));
    Ok(format!("{reward}  {:8.3}  {:?}", hypothesis.logprob, policy.text(hypothesis)?))
}

fn print_role(name: &str, usage: &RoleUsage) {
    println!(
        "  {name}: {} calls, {} tokens asked for, {} from the cache, {} computed ({:.4} TFLOP), {:.2} s",
        usage.calls,
        usage.asked,
        usage.cached,
        usage.computed.tokens,
        usage.computed.flops as f64 / 1e12,
        usage.wall.as_secs_f64(),
    );
}
