//! Rewards of your own: a closure as process reward model, a struct as multifurcation reward model
//! (`custom_reward/word_list.rs`), and a weighted sum of that and a trained one. All guide the same
//! search, so that what each prefers and costs can be compared.
//!
//! ```text
//! cargo run --example custom_reward -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --words sure,step,tool --weight 2
//! cargo run --example custom_reward -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain \
//!     --prompt "one question" --words the,on
//! ```

#[path = "custom_reward/word_list.rs"]
mod word_list;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_core::{ChildScorer, PrmScorer, TextPolicy, WeightedSum, process_reward_fn};
use saffron_examples::output::{self, line};
use saffron_examples::prompt::SearchedArgs;
use saffron_examples::report::Table;
use saffron_search::{Saffron, Searcher};

use word_list::WordList;

/// Runs the same search under a closure, a word list, a reward model, and the sum of the last two.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    searched: SearchedArgs,
    /// Words that the list is against, with commas between; matched anywhere in the text, capitals or not.
    #[arg(long, required = true, value_delimiter = ',')]
    words: Vec<String>,
    /// Weight of the word list beside the reward model.
    #[arg(long, default_value_t = 1.0)]
    weight: f32,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 4)]
    width: usize,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Args { searched, words, weight, width } = Args::parse();
    let (mut opener, mut policy, session) = searched.open()?;
    // Fewer letters are better: a closure sees one whole sequence at a time.
    let short = process_reward_fn(|session| {
        session.vocabulary().decode(session.response()).map_or(f32::NEG_INFINITY, |text| 0.0 - text.len() as f32)
    });
    let list = WordList::new(&words);
    let mut both = WeightedSum { first: searched.reward.open_mrm(&mut opener)?, second: list.clone(), weight };

    let saffron = Saffron::of(searched.reward.preset()?, width);
    let searcher = searched.run.limit(Searcher::new(saffron).min_new_tokens(0));
    let mut table = Table::begin()?;
    let mut run = |name: &str, scorer: &mut dyn ChildScorer| -> Result<()> {
        let outcome = searcher.run(&session, &mut policy, scorer)?;
        table.row(name, &outcome, &policy.text(&outcome.best)?)
    };
    run("closure", &mut PrmScorer(short))?;
    run("word list", &mut list.clone())?;
    run("reward model", &mut both.first)?;
    run("reward model + list", &mut both)?;
    line("Rewards of different rows are on different scales. The closure and the list cost nothing on the meter.")?;
    searched.run.write(&table.into_json())
}
