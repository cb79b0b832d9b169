//! Why a recipe cannot be followed.

use std::io;
use std::path::PathBuf;

use saffron_core::{ConfigError, ModelName, VocabularyError};
use saffron_mrm::LoadError;
use saffron_mrm::text::TextError;
use saffron_search::eval::attack::AttackError;
use saffron_search::eval::data::DataError;
use saffron_search::eval::files::FileError;
use saffron_search::eval::inputs::InputError;
use saffron_search::eval::models::OldRunError;

use crate::error::TrainError;
use crate::labels::LabelError;

/// A recipe that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// Training cannot begin or go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Labels cannot be made or written.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A model, tokenizer, layout or question that does not load or fit.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A data file that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that the recipe names, and that no manifest can tell from others.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A run of an earlier version that would go on otherwise.
    #[error(transparent)]
    OldRun(#[from] OldRunError),
    /// A text of the data that cannot be encoded.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Tokens of the data that have no text.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// A data set that cannot be read.
    #[error("the data set {name}")]
    DataSet {
        /// Its name.
        name: String,
        /// Why not.
        source: Box<DataError>,
    },
    /// A data set without a reply to label.
    #[error("the data set {name}: no row of {path} has a reply; [corpus.sampled] has a policy reply", path = .path.display())]
    NoReplies {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Questions to be replied to, and nobody who replies.
    #[error("a policy is to reply to the questions of the corpus: a labelling of them needs a replier")]
    NoReplier,
    /// Contexts that a base has no positions for.
    #[error("max_context: expected 1 to {most}, the base's max_position_embeddings, found {asked}")]
    MaxContext {
        /// The longest context that is asked for, in tokens.
        asked: usize,
        /// The base's.
        most: usize,
    },
    /// A served guard that nobody has said how to ask.
    #[error("guard: {model} is a server: set `question`")]
    ServedGuard {
        /// The guard.
        model: ModelName,
    },
    /// A served guard that is to be asked by a published guard's name, without its tokenizer.
    #[error(
        "guard: {model} is a server, where `question` by name needs its tokenizer: set `served.tokenizer`, or ask in words"
    )]
    ServedByName {
        /// The guard.
        model: ModelName,
    },
    /// A published guard's template that a training objective cannot have.
    #[error(
        "question: {name:?} asks several questions or has a third answer; a guard is trained on one question with two"
    )]
    NotOneQuestion {
        /// The template's name.
        name: String,
    },
    /// A policy that is to draw no token.
    #[error("corpus.sampled: max_new_tokens must be at least 1")]
    NoNewTokens,
    /// A filter that nothing can be drawn with.
    #[error("corpus.sampled.filter")]
    Filter(#[source] ConfigError),
    /// An attack that cannot be made.
    #[error("corpus.sampled.attack")]
    Attack(#[source] AttackError),
    /// An attack that cannot be made upon a question.
    #[error("question {id}")]
    AttackOn {
        /// The id of its row.
        id: String,
        /// Why not.
        source: AttackError,
    },
    /// A guard of its own kind that nobody has said how to ask.
    #[error("{model} is no Llama Guard 3, and a guard that is not is asked in words: set `question`")]
    NeedsQuestion {
        /// The guard.
        model: ModelName,
        /// Why it is none.
        source: Box<LoadError>,
    },
    /// Settings of a new adapter beside one to begin from.
    #[error("adapter.from: rank, alpha, targets and seed are those of the adapter that it names")]
    ContradictoryAdapter,
    /// An adapter to begin from that does not load.
    #[error("{path}", path = .path.display())]
    AdapterFile {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        source: Box<TrainError>,
    },
    /// A new adapter that the model has no layers for.
    #[error("adapter")]
    NewAdapter(#[source] LoadError),
    /// The operating system cannot say where the program runs.
    #[error("the current folder cannot be told")]
    Here(#[source] io::Error),
    /// Prompts or replies of which nothing would be kept.
    #[error("limits: prompt and reply must be at least 1 token, found {prompt} and {reply}")]
    Limits {
        /// The most tokens of a prompt.
        prompt: usize,
        /// The most tokens of a reply.
        reply: usize,
    },
    /// Shares that leave nothing to learn from.
    #[error("held_out and validation: expected shares of less than 1 together, found {found}")]
    Shares {
        /// Both together.
        found: f64,
    },
    /// Data of which nothing can be learnt.
    #[error("there is nothing to learn from: {reason}")]
    NothingToLearn {
        /// Why.
        reason: &'static str,
    },
    /// Data of which nothing is left to judge a guard by.
    #[error("nothing is held out: no row has a label and a reply that training lacks")]
    NothingHeldOut,
    /// Token rewards that cannot be read.
    #[error("{path}", path = .path.display())]
    Labels {
        /// Their file or directory.
        path: PathBuf,
        /// Why not.
        source: Box<LabelError>,
    },
    /// A directory of a labelling that is not done.
    #[error("{path}: no summary.json: `label` has not finished here; the same command goes on", path = .path.display())]
    UnfinishedLabels {
        /// The directory.
        path: PathBuf,
    },
    /// A path that leads to no token rewards.
    #[error("{path}: expected a directory of `label`, or a .parquet file that it wrote", path = .path.display())]
    NoLabels {
        /// The path.
        path: PathBuf,
    },
    /// Token rewards over another vocabulary than the model's.
    #[error("{path}: expected rewards of {expected} token ids, found {found}", path = .path.display())]
    VocabularyOfLabels {
        /// Their file or directory.
        path: PathBuf,
        /// The model's number of ids.
        expected: usize,
        /// The number of ids that they are over.
        found: String,
    },
}
