//! A conversation in the terminal under Saffron's guard: tokens are shown as soon as they are certain, Ctrl-C ends an answer and keeps the best so far.
//!
//! ```text
//! cargo run --example chat -- --policy HuggingFaceTB/SmolLM2-135M-Instruct
//! cargo run --example chat -- --policy models/smollm2 --mrm examples/smollm2/mrm --guard models/smollm2 --width 4
//! cargo run --example chat -- --policy llamacpp:http://127.0.0.1:8080 --tokenizer models/smollm2
//! ```
//!
//! Questions are lines of standard input; it ends the conversation, and so does Ctrl-C while nothing is being answered.
//!
//! A line that is too long or no text is refused, and so is a question that cannot be answered,
//! such as one for which the context has no room: standard error says why, and the conversation
//! goes on as if it had not been asked. It ends with an error where the model itself is gone. At
//! the end of the questions the exit code is 0 if the last one was answered, else 1.

use std::io::{BufRead, IsTerminal};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Error, Result, ensure};
use clap::Parser;
use saffron_core::{Level, Outcome, SearchError, SearchObserver, StopReason, TextPolicy, Vocabulary};
use saffron_examples::conversation::Conversation;
use saffron_examples::models::{NamedPolicy, PolicyArgs};
use saffron_examples::output::{self, OutputError, chain, hint, line, piece, reader_is_gone, say};
use saffron_examples::questions::Questions;
use saffron_examples::rewards::RewardArgs;
use saffron_examples::search::{NamedSearch, SearchArgs};
use saffron_search::remote::{AnswerProblem, RemoteError};
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

/// Ends a search when it is told to, or when nobody reads the answer any more.
struct Enough;

impl SearchObserver for Enough {
    fn on_level(&mut self, _level: &Level) -> ControlFlow<()> {
        let over = ENOUGH.load(Ordering::Relaxed) || reader_is_gone();
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Text that is shown bit by bit. Bytes of a character whose others are still to come are held back.
#[derive(Default)]
struct Shown {
    text: String,
    failed: Option<OutputError>,
}

impl Shown {
    fn more(&mut self, text: &str) {
        let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        if let Some(rest) = whole.strip_prefix(&self.text[..])
            && self.failed.is_none()
        {
            self.failed = piece(rest).err();
            self.text = whole.to_owned();
        }
    }

    /// The rest, and the end of the line.
    fn end(self, text: &str) -> Result<(), OutputError> {
        match (self.failed, text.strip_prefix(&self.text[..])) {
            (Some(error), _) => Err(error),
            (None, Some(rest)) => line(rest),
            (None, None) => line(format_args!("\n{text}")),
        }
    }

    /// The end of the line of an answer that broke off, if it had begun.
    fn break_off(self) -> Result<(), OutputError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.text.is_empty() => Ok(()),
            None => line(""),
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
            args.reward.layout()? == "mrm",
            "a conversation is put before a reward model in the layout mrm and no other"
        );
        let (mut opener, policy) = args.policy.open(&args.reward)?;
        let template = args.policy.chat_template(&mut opener)?;
        let template = template.context("the policy has no chat template; one that is served needs --tokenizer")?;
        let search = args.search.open(&args.reward, &mut opener, args.max_new_tokens)?;
        Ok(Self { policy, search, conversation: Conversation::new(template, args.policy.system.as_deref()) })
    }

    /// Answers a question, showing what is certain. Where that fails, the conversation is as
    /// before.
    fn answer(self, question: &str) -> (Self, Result<()>) {
        let layout = self.policy.tokenizer().context("the policy's tokenizer");
        let layout = match layout.and_then(|tokenizer| self.conversation.layout(tokenizer)) {
            Ok(layout) => layout,
            Err(error) => return (self, Err(error)),
        };
        let mut chat = Self { policy: self.policy.with_layout(layout), ..self };
        let answered = chat.reply(question);
        (chat, answered)
    }

    fn reply(&mut self, question: &str) -> Result<()> {
        let tokenizer = self.policy.tokenizer().context("the policy's tokenizer")?.clone();
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
        let outcome = match kept(found) {
            Ok(outcome) => outcome,
            Err(error) => {
                shown.break_off()?;
                return Err(error);
            }
        };
        let text = self.policy.text(&outcome.best)?;
        shown.end(&text)?;
        if outcome.stop == StopReason::Observer && !reader_is_gone() {
            say("(ended early)");
        }
        self.conversation.add(question, &text);
        Ok(())
    }
}

/// What was found; of a search that failed half-way the best so far, if there is any, with the error shown.
fn kept(found: Result<Outcome>) -> Result<Outcome> {
    found.or_else(|error| match error.downcast_ref::<SearchError>().and_then(SearchError::partial) {
        Some(outcome) if !outcome.best.tokens.is_empty() => {
            say(format_args!("\n{}", chain(&error)));
            Ok(outcome.clone())
        }
        _ => Err(error),
    })
}

/// Answers questions; says whether the last of them was answered. What refuses one is said, and
/// the next one is answered.
fn talk(mut chat: Chat, questions: Questions<impl BufRead>, ask: impl Fn()) -> Result<bool> {
    let mut answered = true;
    ask();
    for question in questions {
        let answer = match question.context("reading the questions")? {
            Ok(question) if question.trim().is_empty() => Ok(answered),
            Ok(question) => {
                let (after, answer) = chat.answer(&question);
                chat = after;
                answer.map(|()| true)
            }
            Err(refused) => Err(refused.into()),
        };
        answered = match answer {
            Ok(answered) => answered,
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => {
                say(format_args!("not answered, and the conversation goes on without it: {}", chain(&error)));
                false
            }
        };
        if reader_is_gone() {
            return Ok(true);
        }
        ask();
    }
    Ok(answered)
}

/// Whether no question will be answered any more: the model is gone, or nothing can be shown.
fn is_final(error: &Error) -> bool {
    error.chain().any(|cause| {
        let gone = |error: &RemoteError| match error {
            RemoteError::Unreachable { .. } => true,
            RemoteError::Answer { problem, .. } => matches!(problem, AnswerProblem::OtherModel { .. }),
            _ => false,
        };
        cause.is::<OutputError>() || cause.downcast_ref().is_some_and(gone)
    })
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let chat = Chat::open(&args)?;
    ctrlc::set_handler(|| {
        // The second one is for a model that does not come back.
        if !ANSWERING.load(Ordering::Relaxed) || ENOUGH.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    let stdin = std::io::stdin();
    let terminal = stdin.is_terminal();
    let ask = || {
        if terminal {
            hint("> ");
        }
    };
    let answered = talk(chat, Questions::new(stdin.lock()), ask)?;
    ensure!(answered, "the last question was not answered");
    Ok(())
}
