//! What `quickstart` does with the demo's models: every strategy over every prompt, one answer with
//! and without the defence, the tree that the defended one was found in.

use anyhow::{Context, Result};
use saffron_core::{Session, Token};
use saffron_search::Searcher;
use saffron_search::eval::harness::ComparedModels;
use saffron_search::eval::models::OpenedModels;
use saffron_search::eval::runs::{Manifest, Record, RunDir, Shard};
use saffron_search::trace::tree::SearchTreeView;
use serde_json::json;

use super::contrast::Contrast;
use crate::output::line;
use crate::progress::bar;
use saffron_search::eval::comparison::Prepared;

/// Every strategy over every prompt, with a progress bar. The records are kept in memory alone.
///
/// # Errors
///
/// Those of the models, and of a temporary folder.
pub fn run(prepared: &Prepared, models: &mut OpenedModels) -> Result<Vec<Record>> {
    let folder = tempfile::tempdir()?;
    let mut run = RunDir::open(folder.path(), Manifest::new(json!({}), Shard::WHOLE))?;
    let harness = prepared.harness();
    let bar = bar(harness.plan().keys(Shard::WHOLE).count() as u64, 0);
    harness.run(&mut run, models, &mut |record| {
        bar.set_message(format!("{} at {}", record.key.strategy, record.key.budget));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    Ok(run.records()?)
}

impl Contrast {
    /// Prints what was asked and forced, and the answers without and with the defence.
    ///
    /// # Errors
    ///
    /// Standard output that cannot be written; tokens without text.
    pub fn show(&self, session: &Session) -> Result<()> {
        line(format_args!("asked      {}", text(session, session.prompt())?))?;
        line(format_args!("forced     {}", text(session, session.prefill())?))?;
        line(format_args!("before    {}", self.before))?;
        line(format_args!("after     {}", self.after))?;
        Ok(())
    }
}

fn text(session: &Session, tokens: &[Token]) -> Result<String> {
    Ok(session.vocabulary().decode(tokens)?)
}

/// A prompt searched again, from models that have forgotten it: the tree of the search.
///
/// # Errors
///
/// A reward model that is not there; those of the models.
pub fn tree(searcher: &Searcher, reward: &str, session: &Session, models: &mut OpenedModels) -> Result<SearchTreeView> {
    models.forget();
    let models = models.with_reward(reward).context("the strategy's reward model is there")?;
    let mut view = SearchTreeView::with_candidates(8);
    searcher.run_observed(session, models.policy, models.scorer, &mut view)?;
    Ok(view.labelled_in(&**session.vocabulary()))
}
