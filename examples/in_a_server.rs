//! Answers many clients with one pair of models, as a server does: deadlines, a full queue.
//!
//! ```text
//! cargo run --example in_a_server -- --policy models/smollm2 --guard models/smollm2 --mrm examples/smollm2/mrm \
//!     --prompt "How do I pick a lock?" --clients 40 --running 8 --queued 24 --deadline 20
//! cargo run --example in_a_server -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain \
//!     --prompt "one question" --prompt "another"
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use saffron_examples::models::PolicyArgs;
use saffron_examples::output::{self, line};
use saffron_examples::rewards::RewardArgs;
use saffron_examples::server::{Reply, ask};
use saffron_search::scheduler::{Limits, Scheduler};
use saffron_search::{Saffron, Searcher};

/// Answers many clients together.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    /// What clients ask, in turn; may be given several times.
    #[arg(long, required = true)]
    prompt: Vec<String>,
    /// Clients that ask at the same time.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Searches that run at the same time.
    #[arg(long, default_value_t = 4)]
    running: usize,
    /// Requests that wait; a client beyond them is told that the server is busy.
    #[arg(long, default_value_t = 8)]
    queued: usize,
    /// Seconds that a client waits.
    #[arg(long, default_value_t = 60)]
    deadline: u64,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 32)]
    max_new_tokens: usize,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let (mut opener, policy) = args.policy.open(&args.reward)?;
    let mrm = args.reward.open_mrm(&mut opener)?;
    let limits = Limits { running: args.running, queued: args.queued };
    let scheduler = Arc::new(Scheduler::with_limits(policy, mrm, limits)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(serve(&args, scheduler))
}

async fn serve(args: &Args, scheduler: Arc<Scheduler>) -> Result<()> {
    let preset = args.reward.preset()?;
    let client = |(place, prompt): (usize, &String)| {
        // Every client has a width of its own.
        let searcher = Searcher::new(Saffron::of(preset, 1 + place % 8)).max_new_tokens(args.max_new_tokens);
        tokio::spawn(ask(scheduler.clone(), searcher, prompt.clone(), Duration::from_secs(args.deadline)))
    };
    let clients: Vec<_> = args.prompt.iter().cycle().take(args.clients).enumerate().map(client).collect();
    for (place, client) in clients.into_iter().enumerate() {
        match client.await?? {
            Reply::Answer(answer) => line(format_args!("client {place}: {:?}", answer.reply(|a| scheduler.text(a))?))?,
            Reply::Late(_) => line(format_args!("client {place} was late"))?,
            Reply::Busy => line(format_args!("client {place}: the server is busy"))?,
        }
    }
    Ok(())
}
