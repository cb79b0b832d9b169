//! A conversation in the terminal under Saffron's guard: tokens are shown as soon as they are certain, Ctrl-C ends an answer and keeps the best so far.
//!
//! ```text
//! cargo run --example chat -- --policy HuggingFaceTB/SmolLM2-135M-Instruct
//! cargo run --example chat -- --policy models/smollm2 --mrm examples/smollm2/mrm --guard models/smollm2 --width 4
//! cargo run --example chat -- --policy llamacpp:http://127.0.0.1:8080 --tokenizer models/smollm2
//! ```
//!
//! Questions are lines of standard input; it ends the conversation, and so does Ctrl-C while nothing is being answered.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use saffron_core::{Level, Outcome, SearchError, SearchObserver, StopReason, TextPolicy, Vocabulary};
use saffron_examples::conversation::Conversation;
use saffron_examples::models::{NamedPolicy, PolicyArgs};
use saffron_examples::rewards::RewardArgs;
use saffron_examples::search::{NamedSearch, SearchArgs};
use saffron_search::stream::CertainTokens;

/// Whether an answer is being looked for.
static ANSWERING: AtomicBool = AtomicBool::new(false);
/// Whether it is to end.
static ENOUGH: AtomicBool = AtomicBool::new(false);

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

/// Ends a search when it is told to.
struct Enough;

impl SearchObserver for Enough {
    fn on_level(&mut self, _level: &Level) -> ControlFlow<()> {
        if ENOUGH.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Text that is shown bit by bit. Bytes of a character whose others are still to come are held back.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn more(&mut self, text: &str) {
        let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        if let Some(rest) = whole.strip_prefix(&self.0[..]) {
            print!("{rest}");
            // A closed pipe ends the program at the next line.
            std::io::stdout().flush().ok();
            self.0 = whole.to_owned();
        }
    }

    /// The rest, and the end of the line.
    fn end(&self, text: &str) {
        match text.strip_prefix(&self.0[..]) {
            Some(rest) => println!("{rest}"),
            None => println!("\n{text}"),
        }
    }
}

/// Who talks with whom.
struct Chat {
    policy: NamedPolicy,
    search: NamedSearch,
    conversation: Conversation,
}

impl Chat {
    fn open(args: &Args) -> Result<Self> {
        ensure!(
            args.reward.mrm_layout == "mrm",
            "a conversation is put before a reward model in the layout mrm and no other"
        );
        let (mut opener, policy) = args.policy.open(args.reward.preset())?;
        let template = args.policy.chat_template(&mut opener)?;
        let template = template.context("the policy has no chat template; one that is served needs --tokenizer")?;
        let search = args.search.open(&args.reward, &mut opener, args.max_new_tokens)?;
        Ok(Self { policy, search, conversation: Conversation::new(template, args.policy.system.as_deref()) })
    }

    /// Answers a question, showing what is certain.
    fn answer(mut self, question: &str) -> Result<Self> {
        let tokenizer = self.policy.tokenizer().context("the policy's tokenizer")?.clone();
        let layout = self.conversation.layout(&tokenizer)?;
        self.policy = self.policy.with_layout(layout);
        self.search.hear(&self.conversation)?;
        let session = self.policy.session(question)?;
        let mut shown = Shown::default();
        let certain = CertainTokens::new(|tokens: &[u32]| {
            if let Ok(text) = tokenizer.decode(tokens) {
                shown.more(&text);
            }
        });
        ENOUGH.store(false, Ordering::Relaxed);
        ANSWERING.store(true, Ordering::Relaxed);
        let found = self.search.run(&session, &mut self.policy, &mut (certain, Enough));
        ANSWERING.store(false, Ordering::Relaxed);
        let outcome = kept(found)?;
        let text = self.policy.text(&outcome.best)?;
        shown.end(&text);
        if outcome.stop == StopReason::Observer {
            eprintln!("(ended early)");
        }
        self.conversation.add(question, &text);
        Ok(self)
    }
}

/// What was found; of a search that failed half-way the best so far, if there is any, with the error shown.
fn kept(found: Result<Outcome>) -> Result<Outcome> {
    found.or_else(|error| match error.downcast_ref::<SearchError>().and_then(SearchError::partial) {
        Some(outcome) if !outcome.best.tokens.is_empty() => {
            eprintln!("\n{error:#}");
            Ok(outcome.clone())
        }
        _ => Err(error),
    })
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut chat = Chat::open(&args)?;
    ctrlc::set_handler(|| {
        // The second one is for a model that does not come back.
        if !ANSWERING.load(Ordering::Relaxed) || ENOUGH.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    let stdin = std::io::stdin();
    let ask = || {
        if stdin.is_terminal() {
            eprint!("> ");
        }
    };
    ask();
    for question in stdin.lock().lines() {
        let question = question?;
        if !question.trim().is_empty() {
            chat = chat.answer(&question)?;
        }
        ask();
    }
    Ok(())
}
