//! What can go wrong in training.

use std::fmt::Display;
use std::path::PathBuf;

use saffron_core::{ModelError, Token};
use saffron_mrm::LoadError;
use saffron_search::eval::files::FileError;
use saffron_search::eval::runs::RunError;
use saffron_search::eval::stats::MetricError;

/// Training cannot begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A model or adapter that does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A prompt that cannot be encoded in a model's layout.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file of a run that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A run with other settings, say.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Outputs that no statistic can be made of.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A setting with which nothing could be learnt.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A sample whose context, rewards and tokens do not add up.
    #[error(
        "a sample of {tokens} tokens, {context} of them context, has {rewards} rewards; each token after at least one of context has one"
    )]
    SampleLength {
        /// Tokens in all.
        tokens: usize,
        /// Tokens without a reward at its beginning.
        context: usize,
        /// Rewards.
        rewards: usize,
    },
    /// A reward that is no number.
    #[error("reward {position} of a sample is {value}")]
    Reward {
        /// Its place.
        position: usize,
        /// The value.
        value: f32,
    },
    /// A token that the model has no embedding for.
    #[error("token id {token} of sample {sample} lies outside a vocabulary of {size}")]
    Token {
        /// The sample's place: in the batch, or in the corpus of a run.
        sample: usize,
        /// The id.
        token: Token,
        /// Number of ids.
        size: usize,
    },
    /// A sample longer than the model's context.
    #[error("sample {sample} has {length} tokens, the model has room for {limit}")]
    TooLong {
        /// The sample's place: in the batch, or in the corpus of a run.
        sample: usize,
        /// Its length.
        length: usize,
        /// The model's limit.
        limit: usize,
    },
    /// A set of tokens over another vocabulary.
    #[error("a set over {found} tokens, the model has {expected}")]
    Vocabulary {
        /// The model's.
        expected: usize,
        /// The set's.
        found: usize,
    },
    /// A reply to learn from without a token.
    #[error("a reply has no tokens")]
    EmptyReply,
    /// A reply that is to be cut where it cannot be.
    #[error("a reply of {length} tokens cannot be cut after {cut}")]
    Cut {
        /// Where.
        cut: usize,
        /// Tokens of the reply.
        length: usize,
    },
    /// A pair whose replies are not cut alike.
    #[error("a pair's better reply has {left} cuts, the other {right}")]
    PairCuts {
        /// Cuts of the better reply.
        left: usize,
        /// Cuts of the worse.
        right: usize,
    },
    /// A text whose targets are none, or are not tokens behind its first.
    #[error("targets {start}..{end} of a text of {tokens} tokens: at least one is needed, the first at 1 or later")]
    Targets {
        /// The first.
        start: usize,
        /// Behind the last.
        end: usize,
        /// Tokens of the text.
        tokens: usize,
    },
    /// A batch without samples.
    #[error("a batch needs at least one sample")]
    EmptyBatch,
    /// A corpus without samples.
    #[error("the corpus is empty: there is nothing to learn from")]
    EmptyCorpus,
    /// Numbers that are none any more: the learning rate is too high, or a weight is damaged.
    #[error("the {what} of step {step} is {value}")]
    Diverged {
        /// The step, from 0.
        step: u64,
        /// Which number.
        what: &'static str,
        /// The value.
        value: f32,
    },
    /// A checkpoint that is not what was written.
    #[error("{path}: {reason}", path = .path.display())]
    Checkpoint {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run that could not write its files, and is to go on all the same.
    #[error("the files of {dir} lag behind the parameters since something could not be written: open the run again", dir = .dir.display())]
    Behind {
        /// The run.
        dir: PathBuf,
    },
    /// A run that is taken up again to be shorter than it is.
    #[error(
        "the run has taken {taken} steps, its settings ask for {total}: it may be made longer, but not shorter than it is"
    )]
    Shorter {
        /// Steps that were taken.
        taken: u64,
        /// Steps by the settings.
        total: u64,
    },
    /// Something cannot be written as JSON.
    #[error("cannot write {what} as JSON")]
    Json {
        /// What.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
}

impl TrainError {
    pub(crate) fn setting(name: &'static str, expected: &'static str, found: impl Display) -> Self {
        Self::Setting { name, expected, found: found.to_string() }
    }

    /// The error with another place of the sample that it is about.
    pub(crate) fn placed(mut self, place: impl Fn(usize) -> usize) -> Self {
        if let Self::Token { sample, .. } | Self::TooLong { sample, .. } = &mut self {
            *sample = place(*sample);
        }
        self
    }
}
