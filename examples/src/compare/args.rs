//! What the program is told.

use std::path::PathBuf;

use clap::Parser;
use saffron_search::eval::runs::Shard;

use super::LabelArgs;
use crate::device::first;
use crate::models::{MemoryArgs, WaitArgs};

/// Compares strategies over data sets.
#[derive(Clone, Debug, Parser)]
pub struct CompareArgs {
    /// What is compared over what.
    #[arg(long, required_unless_present_any = ["merge", "report", "list_formats"])]
    pub config: Option<PathBuf>,
    /// Directory of the run; of a report, where its summary and pictures go.
    #[arg(long, required_unless_present = "list_formats", default_value = ".", hide_default_value = true)]
    pub out: PathBuf,
    /// Prints the public sets that `format` may name: licence, source, files and columns of each.
    #[arg(long)]
    pub list_formats: bool,
    /// Only a part of the prompts: 0/2 and 1/2 are the halves.
    #[arg(long, default_value_t = Shard::WHOLE, conflicts_with = "merge")]
    pub shard: Shard,
    /// Puts the shards of a run together. A configuration beside it must be theirs, and tells where
    /// its log is.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    pub merge: Vec<PathBuf>,
    /// Reports on a run again: a directory with its manifest and records, or, together with its
    /// configuration, a file of records. They may be zipped, and no model is needed.
    #[arg(long, value_name = "RUN", conflicts_with = "merge")]
    pub report: Option<PathBuf>,
    /// Tries prompts again that have failed.
    #[arg(long)]
    pub retry_failed: bool,
    /// Device to run on.
    #[arg(long, default_value = first())]
    pub device: String,
    /// How long to wait for servers.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Labels by people.
    #[command(flatten)]
    pub labels: LabelArgs,
    /// The memory that models may take.
    #[command(flatten)]
    pub memory: MemoryArgs,
}
