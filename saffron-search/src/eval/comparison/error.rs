//! What can be wrong with a comparison's configuration, its data, its records.

use std::error::Error;
use std::path::PathBuf;

use saffron_core::ModelError;

use super::PublishedError;
use crate::eval::attack::AttackError;
use crate::eval::data::DataError;
use crate::eval::files::FileError;
use crate::eval::harness::HarnessError;
use crate::eval::inputs::InputError;
use crate::eval::models::{NO_REWARD, OldRunError};
use crate::eval::runs::{RunError, Shard};

/// The longest name, in bytes: names are parts of file names.
pub(super) const LONGEST_NAME: usize = 100;

/// A configuration that no comparison can run with, or that would measure nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComparisonConfigError {
    /// A number of the wrong size.
    #[error("{field} must be {expected}, found {found}")]
    OutOfRange {
        /// Which, with the part of the configuration that it belongs to.
        field: String,
        /// What would do.
        expected: &'static str,
        /// The number.
        found: String,
    },
    /// Something that a comparison needs is left out.
    #[error("a comparison needs {what}")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// A name that cannot be part of a file's name.
    #[error(
        "{field}: expected 1 to {LONGEST_NAME} bytes without slashes and control characters, found {beginning:?} of \
         {bytes} bytes"
    )]
    Name {
        /// Where it stands, as `data[0].name`.
        field: String,
        /// How it begins.
        beginning: String,
        /// Its length.
        bytes: usize,
    },
    /// Two parts of one name.
    #[error("two {what} are called {name}")]
    NameTwice {
        /// What they are.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A data set and a judge whose names, put together, are those of another data set and judge.
    #[error("the data set {set} and the judge {judge} would share a picture with others: rename one")]
    SharedPicture {
        /// The data set.
        set: String,
        /// The judge.
        judge: String,
    },
    /// A reward model with the name of no reward model.
    #[error("a reward model is called {NO_REWARD}, the name for no reward model: give it another name")]
    ReservedName,
    /// A column of templates without a file of them.
    #[error("the data set {set} has template_column, and no templates")]
    ColumnOfNothing {
        /// The data set.
        set: String,
    },
    /// A public set of harmful prompts that is said to be harmless, or the other way round.
    #[error("the data set {set}: the prompts of format {format:?} are {}", kind_of(*.benign))]
    OtherKind {
        /// The data set.
        set: String,
        /// The public set.
        format: &'static str,
        /// Whether the public set's prompts are harmless.
        benign: bool,
    },
    /// A judge that finds nothing in any answer.
    #[error("the judge {judge}: {reason}")]
    BlindJudge {
        /// The judge.
        judge: String,
        /// Why it finds nothing.
        reason: &'static str,
    },
    /// A strategy names a reward model that is not there.
    #[error("the strategy {strategy} wants the reward model {reward}, which the file does not have")]
    UnknownReward {
        /// The strategy.
        strategy: String,
        /// The name.
        reward: String,
    },
    /// A strategy that needs a reward model names none.
    #[error(
        "the strategy {strategy} at {budget} needs a reward model: name one of [[rewards]] as `reward = \"…\"`; without \
         rewards it would choose nothing"
    )]
    NeedsReward {
        /// The strategy.
        strategy: String,
        /// Its budget.
        budget: u64,
    },
    /// Budgets that a strategy cannot have.
    #[error("the strategy {strategy} has {fault}")]
    Budgets {
        /// The strategy.
        strategy: String,
        /// What is wrong with them.
        fault: String,
    },
    /// A part that refuses its own settings.
    #[error("{part}")]
    Part {
        /// Which part.
        part: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A published number that cannot be.
    #[error(transparent)]
    Published(#[from] PublishedError),
}

/// Prompts that cannot be made of a comparison's data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// A data set does not give prompts.
    #[error("the data set {set}")]
    DataSet {
        /// The data set.
        set: String,
        /// Why not.
        source: Box<DataSetError>,
    },
    /// No prompt may run at a time.
    #[error("group must be at least 1")]
    NoGroup,
}

/// A data set that gives no prompts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataSetError {
    /// Its rows, or its templates, cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file cannot be read again for its checksum.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its choice leaves no prompt.
    #[error("{}", nothing_left(.groups.as_deref(), *.skip))]
    NothingLeft {
        /// The groups that were asked for.
        groups: Option<Vec<String>>,
        /// How many prompts were left out.
        skip: usize,
    },
    /// A template of a file cannot be used.
    #[error("{path}", path = .path.display())]
    Templates {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: AttackError,
    },
    /// The attack cannot be made.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// A prompt that the policy cannot be asked.
    #[error("prompt {id}")]
    Prompt {
        /// The item.
        id: String,
        /// Why not.
        source: ModelError,
    },
}

fn kind_of(benign: bool) -> &'static str {
    if benign { "harmless: set benign = true" } else { "harmful: leave benign out" }
}

fn nothing_left(groups: Option<&[String]>, skip: usize) -> String {
    match groups {
        Some(names) if skip == 0 => format!("no prompt is of the groups {names:?}"),
        Some(names) => format!("no prompt is of the groups {names:?}, or none is left after the first {skip}"),
        None => format!("no prompt is left after the first {skip}"),
    }
}

/// A comparison that cannot be begun, gone on with, merged or reported on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComparisonError {
    /// Its directory or its records.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Records that do not lie in a run's directory, or the log.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files that its configuration names.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A run that an earlier version began.
    #[error(transparent)]
    OldRun(#[from] OldRunError),
    /// A search that cannot be run.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A run of something else than a comparison.
    #[error("the run was not written by this program")]
    NotAComparison {
        /// What of its settings is no configuration's.
        source: serde_json::Error,
    },
    /// Shards without the others of their run.
    #[error("shards are missing: {}", .missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    ShardsMissing {
        /// The others.
        missing: Vec<Shard>,
    },
    /// A shard that was begun with another configuration than the one given.
    #[error("{shard} is not of a run by the configuration given", shard = .shard.display())]
    OtherConfig {
        /// The shard's directory.
        shard: PathBuf,
    },
    /// A clock before 1970.
    #[error("the clock is before 1970")]
    Clock,
    /// Settings that JSON cannot hold.
    #[error("the run's settings cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
}
