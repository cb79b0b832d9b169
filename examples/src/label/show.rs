//! What is printed of a labelling.

use std::path::Path;

use anyhow::{Result, anyhow};
use saffron_train::labels::LabelSummary;

use crate::output::line;

/// Prints what came of a labelling, and the files that it left in a directory.
///
/// # Errors
///
/// Labels without a reward, standard output that cannot be written.
pub fn show(summary: &LabelSummary, out: &Path) -> Result<()> {
    let LabelSummary { items, labelled, skipped_empty, skipped_no_room, cut_replies, tokens, cut_tokens, .. } = summary;
    line(format_args!(
        "{labelled} of {items} replies labelled, {skipped_empty} were empty, {skipped_no_room} found no room behind \
         their prompts"
    ))?;
    line(format_args!(
        "{tokens} rewards; {cut_tokens} tokens of {cut_replies} replies and of those without room were cut off"
    ))?;
    let rewards = summary.rewards.ok_or_else(|| anyhow!("no reply has a token that could be labelled"))?;
    let below = 100.0 * rewards.below_zero;
    line(format_args!(
        "rewards from {:.3} to {:.3}, {:.3} in the mean, {below:.1} % below 0",
        rewards.min, rewards.max, rewards.mean
    ))?;
    for name in ["labels.jsonl", "labels.parquet", "summary.json"] {
        line(out.join(name).display())?;
    }
    Ok(())
}
