//! Rewards of one's own: a closure as process reward model, a struct as multifurcation reward model, and a weighted sum of that and a real
//! one. All guide the same search, so that what each prefers and costs can be compared.
//!
//! ```text
//! cargo run --example custom_reward -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --words sure,step,tool --weight 2
//! cargo run --example custom_reward -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain \
//!     --prompt "one question" --words the,on
//! ```

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_core::{
    Candidates, ChildReward, ChildScorer, ModelError, MultifurcationRewardModel, PrmScorer, Reply, Session, TextPolicy,
    Token, Work, process_reward_fn,
};
use saffron_examples::models::PolicyArgs;
use saffron_examples::output::{self, line};
use saffron_examples::prompt::{PromptArgs, RunArgs};
use saffron_examples::report;
use saffron_examples::rewards::RewardArgs;
use saffron_search::{Saffron, Searcher};
use serde_json::{Value, json};

/// Rewards a response by the listed words in it: each counts −1. Asks no model, so that it costs nothing on the meter.
#[derive(Clone, Debug)]
pub(crate) struct WordList {
    words: Vec<String>,
}

impl WordList {
    pub(crate) fn new(words: &[String]) -> Self {
        Self { words: words.iter().map(|word| word.to_lowercase()).collect() }
    }

    fn reward(&self, session: &Session, response: &[Token]) -> Result<f32, ModelError> {
        let text = session.vocabulary().decode(response);
        let text = text.map_err(|error| ModelError::other("reading a response", error))?.to_lowercase();
        let found: usize = self.words.iter().map(|word| text.matches(word.as_str()).count()).sum();
        Ok(0.0 - found as f32)
    }

    /// One reward a candidate: that of the response with the candidate appended.
    fn children(&self, session: &Session, candidates: &Candidates) -> Result<Vec<ChildReward>, ModelError> {
        let child = |token| self.reward(session, &[session.response(), &[token]].concat()).map(ChildReward::Seen);
        candidates.tokens().map(child).collect()
    }
}

impl MultifurcationRewardModel for WordList {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let pairs = sessions.iter().zip(candidates);
        let rewards = pairs.map(|(session, candidates)| self.children(session, candidates));
        Ok(Reply::free(rewards.collect::<Result<_, _>>()?, sessions.len()))
    }

    fn describe(&self) -> String {
        format!("−1 for each of {}", self.words.join(", "))
    }
}

/// Two reward models as one: `first + weight · second`. A token that either has not seen is unseen.
#[derive(Clone, Debug)]
pub(crate) struct WeightedSum<A, B> {
    pub(crate) first: A,
    pub(crate) second: B,
    pub(crate) weight: f32,
}

impl<A: MultifurcationRewardModel, B: MultifurcationRewardModel> MultifurcationRewardModel for WeightedSum<A, B> {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let first = self.first.child_rewards(sessions, candidates)?;
        let second = self.second.child_rewards(sessions, candidates)?;
        let lists = first.value.iter().zip(&second.value);
        let value = lists.map(|(one, other)| sum(one, other, self.weight)).collect();
        let work = first.work.into_iter().zip(second.work);
        Ok(Reply { value, work: work.map(|(one, other)| [one, other].into_iter().sum::<Work>()).collect() })
    }

    fn describe(&self) -> String {
        format!("{} + {} × ({})", self.first.describe(), self.weight, self.second.describe())
    }
}

fn sum(first: &[ChildReward], second: &[ChildReward], weight: f32) -> Vec<ChildReward> {
    let one = |(first, second): (&ChildReward, &ChildReward)| match (first.seen(), second.seen()) {
        (Some(first), Some(second)) => ChildReward::Seen(first + weight * second),
        _ => ChildReward::Unseen,
    };
    first.iter().zip(second).map(one).collect()
}

/// Runs the same search under a closure, a word list, a reward model, and the sum of the last two.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// Words that the list is against, with commas between; matched anywhere in the text, capitals or not.
    #[arg(long, required = true, value_delimiter = ',')]
    words: Vec<String>,
    /// Weight of the word list beside the reward model.
    #[arg(long, default_value_t = 1.0)]
    weight: f32,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 4)]
    width: usize,
    #[command(flatten)]
    run: RunArgs,
}

impl Args {
    fn searcher(&self) -> Searcher {
        let searcher = Searcher::new(Saffron::of(self.reward.preset()?, self.width)).min_new_tokens(0);
        searcher.max_new_tokens(self.run.max_new_tokens).seed(self.run.seed)
    }
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let (mut opener, mut policy) = args.policy.open(&args.reward)?;
    let session = args.prompt.session(&policy)?;
    let mrm = args.reward.open_mrm(&mut opener)?;
    let list = WordList::new(&args.words);
    // Fewer letters are better: a closure sees one whole sequence at a time.
    let short = process_reward_fn(|session| {
        session.vocabulary().decode(session.response()).map_or(f32::NEG_INFINITY, |text| 0.0 - text.len() as f32)
    });
    let mut both = WeightedSum { first: mrm, second: list.clone(), weight: args.weight };
    let mut found: Vec<Value> = Vec::new();
    line(report::HEADER)?;
    let mut run = |name: &str, scorer: &mut dyn ChildScorer| -> Result<()> {
        let outcome = args.searcher().run(&session, &mut policy, scorer)?;
        let text = policy.text(&outcome.best)?;
        line(report::row(name, &outcome, &text))?;
        found.push(json!({ "name": name, "text": text, "outcome": outcome }));
        Ok(())
    };
    run("closure", &mut PrmScorer(short))?;
    run("word list", &mut list.clone())?;
    run("reward model", &mut both.first)?;
    run("reward model + list", &mut both)?;
    line("Rewards of different rows are on different scales. The closure and the list cost nothing on the meter.")?;
    args.run.write(&Value::Array(found))
}
