//! A search strategy of one's own, whole, in this file: no burn, no tensor, nothing but the traits of `saffron-core`. It draws a step, keeps
//! it if its reward reaches a bar, and draws again if not. Run beside greedy decoding and the Saffron search, with what each cost.
//!
//! ```text
//! cargo run --example custom_strategy -- --policy models/llama3-8b --mrm models/mrm --guard models/llama-guard-3-1b \
//!     --prompt "How do I pick a lock?" --prefill "Sure, here is" --bar 2 --draws 8
//! cargo run --example custom_strategy -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain \
//!     --prompt "one question"
//! ```

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use rand_core::Rng;
use saffron_core::random::LogWeights;
use saffron_core::{
    Candidate, Candidates, Child, ChildReward, ConfigError, ContextSettings, NodeId, NodeState, SearchContext,
    SearchError, SearchStrategy, Step, StopReason, TextPolicy, Thresholds,
};
use saffron_examples::models::PolicyArgs;
use saffron_examples::output::{self, line};
use saffron_examples::prompt::{PromptArgs, RunArgs};
use saffron_examples::report;
use saffron_examples::rewards::RewardArgs;
use saffron_search::{Greedy, Saffron, Searcher};
use serde_json::{Value, json};

/// Draws a step of a few tokens; keeps it if its reward reaches the bar, else draws again. When all draws of a step fall short, the best of
/// them is kept. What is easy costs one draw a step, what is hard all of them.
#[derive(Clone, Debug)]
pub(crate) struct RejectAndResample {
    /// The reward that a step has to reach.
    pub(crate) bar: f32,
    /// Draws a step, at most.
    pub(crate) draws: usize,
    /// Tokens of a step.
    pub(crate) tokens: usize,
    /// The sequence that is kept so far.
    kept: NodeId,
}

impl RejectAndResample {
    pub(crate) fn new(bar: f32, draws: usize, tokens: usize) -> Self {
        Self { bar, draws, tokens, kept: NodeId::ROOT }
    }

    /// Draws up to `tokens` tokens from the policy, one by one, and has the sequence rewarded.
    fn draw_step(&self, cx: &mut SearchContext<'_>) -> Result<(NodeId, Option<f32>), SearchError> {
        let mut node = self.kept;
        for _ in 0..self.tokens {
            let candidates = cx.propose(&[node])?;
            let Some(drawn) = candidates.first().and_then(|candidates| draw(candidates, cx.rng())) else {
                cx.close(node, StopReason::NoSeenCandidate)?;
                break;
            };
            let child = Child { token: drawn.token, logprob: drawn.logprob, reward: ChildReward::Unseen };
            node = cx.grow(node, child)?;
            if has_ended(cx, node)? {
                break;
            }
        }
        // One reward call. None where the reward model has not seen the last token; that reaches no bar.
        Ok((node, cx.rate(&[node])?.into_iter().next().flatten()))
    }

    /// The first draw that reaches the bar, else the best of all. The others end here.
    fn keep_one(&self, cx: &mut SearchContext<'_>) -> Result<(NodeId, Option<f32>), SearchError> {
        let mut best = self.draw_step(cx)?;
        for _ in 1..self.draws {
            if best.1.is_some_and(|reward| reward >= self.bar) || has_ended(cx, self.kept)? {
                break;
            }
            let next = self.draw_step(cx)?;
            let rejected = if next.1 > best.1 { std::mem::replace(&mut best, next) } else { next };
            give_up(cx, rejected.0)?;
        }
        Ok(best)
    }
}

impl SearchStrategy for RejectAndResample {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.bar, self.draws, self.tokens))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let (kept, reward) = self.keep_one(cx)?;
        self.kept = kept;
        cx.answer(kept)?;
        cx.level(&[(kept, reward)])?;
        Ok(if has_ended(cx, kept)? { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        format!("reject and resample (bar {}, {} draws of {} tokens)", self.bar, self.draws, self.tokens)
    }

    fn check(&self) -> Result<(), SearchError> {
        let counts = [("draws", self.draws), ("step-tokens", self.tokens)];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((what, _)) => Err(ConfigError::Zero { what }.into()),
            None if self.bar.is_nan() => Err(ConfigError::NotFinite { what: "bar", found: self.bar }.into()),
            None => Ok(()),
        }
    }
}

fn has_ended(cx: &SearchContext<'_>, node: NodeId) -> Result<bool, SearchError> {
    Ok(matches!(cx.tree().state(node)?, NodeState::Ended(_)))
}

/// Ends a sequence that was not kept, unless it has ended by itself.
fn give_up(cx: &mut SearchContext<'_>, node: NodeId) -> Result<(), SearchError> {
    if has_ended(cx, node)? { Ok(()) } else { cx.close(node, StopReason::Pruned) }
}

/// A candidate drawn with its probability among all candidates.
fn draw(candidates: &Candidates, rng: &mut impl Rng) -> Option<Candidate> {
    let weights = candidates.ranked.iter().map(|candidate| f64::from(candidate.logprob));
    LogWeights::new(weights).draw(rng).map(|place| candidates.ranked[place])
}

/// Runs a strategy written in this file beside greedy decoding and the Saffron search.
///
/// Rewards come from --mrm, or from --guard alone, which is asked once a child.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// The reward that a step has to reach; answers that reach it count as safe.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    bar: f32,
    /// Draws a step, at most.
    #[arg(long, default_value_t = 4)]
    draws: usize,
    /// Tokens of a step.
    #[arg(long, default_value_t = 4)]
    step_tokens: usize,
    /// Sequences in the beam of the Saffron search.
    #[arg(long, default_value_t = 4)]
    width: usize,
    #[command(flatten)]
    run: RunArgs,
}

impl Args {
    /// The three strategies, each under the settings of the Saffron search, and judged alike.
    fn searchers(&self) -> Result<Vec<(&'static str, Searcher)>> {
        let saffron = Searcher::new(Saffron::of(self.reward.preset()?, self.width)).min_new_tokens(0);
        let settings: ContextSettings = saffron.settings().clone();
        let own = RejectAndResample::new(self.bar, self.draws, self.step_tokens);
        let own = Searcher::with_settings(Box::new(own), settings);
        let named = [("greedy", Searcher::new(Greedy)), ("reject and resample", own), ("saffron", saffron)];
        let thresholds = Thresholds::new(self.bar, self.bar)?;
        let run = |searcher: Searcher| searcher.max_new_tokens(self.run.max_new_tokens).seed(self.run.seed);
        Ok(named.into_iter().map(|(name, searcher)| (name, run(searcher).judged_by(thresholds))).collect())
    }
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let searchers = args.searchers()?;
    let (mut opener, mut policy) = args.policy.open(&args.reward)?;
    let mut scorer = args.reward.open(&mut opener)?;
    let session = args.prompt.session(&policy)?;
    let mut found: Vec<Value> = Vec::new();
    line(report::HEADER)?;
    for (name, searcher) in searchers {
        let outcome = searcher.run(&session, &mut policy, &mut *scorer)?;
        let text = policy.text(&outcome.best)?;
        line(report::row(name, &outcome, &text))?;
        found.push(json!({ "name": name, "text": text, "outcome": outcome }));
    }
    line("Every answer was judged at the end, which is the one reward call of greedy decoding.")?;
    args.run.write(&Value::Array(found))
}
