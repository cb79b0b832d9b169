//! A conversation in the terminal under Saffron's guard: tokens are shown as soon as they are
//! certain, Ctrl-C ends an answer and keeps the best so far.
//!
//! ```text
//! cargo run --example chat -- --policy HuggingFaceTB/SmolLM2-135M-Instruct
//! cargo run --example chat -- --policy models/smollm2 --mrm examples/smollm2/mrm --guard models/smollm2 --width 4
//! cargo run --example chat -- --policy llamacpp:http://127.0.0.1:8080 --tokenizer models/smollm2
//! ```
//!
//! Questions are lines of standard input; it ends the conversation, and so does Ctrl-C while
//! nothing is answered. A question that cannot be answered is reported on standard error, and the
//! conversation goes on as if it had not been asked. The exit code is 0 if the last question was
//! answered, else 1.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use saffron_core::TextPolicy;
use saffron_examples::chat::{Interrupt, Screen, listen, talk, while_answering};
use saffron_examples::models::{NamedPolicy, PolicyArgs};
use saffron_examples::output;
use saffron_examples::rewards::RewardArgs;
use saffron_examples::search::{NamedSearch, SearchArgs};
use saffron_mrm::text::Conversation;
use saffron_search::stream::CertainText;

/// Talks with a model under Saffron's guard.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    search: SearchArgs,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 128)]
    max_new_tokens: usize,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Args { policy: named, reward, search, max_new_tokens } = Args::parse();
    ensure!(
        reward.layout()? == "mrm",
        "a conversation is put before a reward model in the layout mrm: --mrm-layout mrm overrules its card"
    );
    let (mut opener, mut policy) = named.open(&reward)?;
    let template = named.chat_template(&mut opener)?;
    let template = template.context("the policy has no chat template; one that is served needs --tokenizer")?;
    let mut search = search.open(&reward, &mut opener, max_new_tokens)?;
    let mut conversation = Conversation::new(template, named.system.as_deref());
    listen()?;
    let answered = talk(|question| answer(question, &mut conversation, &mut policy, &mut search))?;
    ensure!(answered, "the last question was not answered");
    Ok(())
}

/// Answers a question, and adds both to the conversation. Where that fails, nothing is added.
fn answer(question: &str, said: &mut Conversation, policy: &mut NamedPolicy, search: &mut NamedSearch) -> Result<()> {
    let tokenizer = policy.tokenizer().context("the policy's tokenizer")?.clone();
    policy.set_layout(said.layout(&tokenizer).context("the policy's chat template")?);
    search.hear(said)?;
    let session = policy.session(question)?;
    let mut screen = Screen::default();
    let mut observers = (CertainText::new(tokenizer, |text: &str| screen.show(text)), Interrupt);
    let found = while_answering(|| search.run(&session, policy, &mut observers));
    let shown = observers.0.into_text();
    let (screen, outcome) = screen.kept(found)?;
    let text = policy.text(&outcome.best)?;
    screen.end(&shown, &text, outcome.stop)?;
    said.add(question, &text);
    Ok(())
}
