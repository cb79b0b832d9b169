//! Errors of searches.

use std::error::Error;
use std::fmt;

use crate::error::{ConfigError, ModelError};
use crate::meter::Role;
use crate::outcome::Outcome;
use crate::stop::StopReason;
use crate::verdict::Verdict;

/// A search failed. What it had found until then is not lost: see [`SearchError::partial`].
#[derive(Debug)]
pub struct SearchError {
    kind: SearchErrorKind,
    partial: Option<Box<Outcome>>,
}

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchErrorKind {
    /// A model could not answer.
    #[error("the {role} model failed")]
    Model {
        /// Which of them.
        role: Role,
        /// Why.
        source: ModelError,
    },
    /// Settings that cannot be run with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A strategy's step neither grew the tree nor ended, so that it would never end.
    #[error("step {step} of strategy {strategy} changed nothing")]
    Stalled {
        /// The strategy's name.
        strategy: String,
        /// Index of the step.
        step: usize,
    },
    /// A strategy named a node that the tree does not have.
    #[error("node {node} is not in the tree of {size} nodes")]
    UnknownNode {
        /// Index of the node.
        node: usize,
        /// Number of nodes.
        size: usize,
    },
    /// A strategy wanted to continue a sequence that has ended.
    #[error("node {node} is not open: it ended with {stop}")]
    NodeClosed {
        /// Index of the node.
        node: usize,
        /// How it ended.
        stop: StopReason,
    },
    /// The best answer found is not safe to show, and the caller wants an error then. The answer is
    /// in [`partial`](SearchError::partial).
    #[error("the best answer found is {0}")]
    Refused(Verdict),
    /// A strategy panicked. Other searches that run beside it go on.
    #[error("strategy {strategy} panicked: {message}")]
    Panicked {
        /// The strategy's name.
        strategy: String,
        /// What it said.
        message: String,
    },
    /// The search is over: a budget is spent, an observer asked to stop, or it was cancelled. The
    /// searcher turns it into an outcome; a strategy passes it on with `?`. A search that is
    /// cancelled before it begins has no outcome and ends with this error.
    #[error("the search was halted: {0}")]
    Halted(StopReason),
}

impl SearchError {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &SearchErrorKind {
        &self.kind
    }

    /// The best result so far, when the failure came after a search had begun.
    #[must_use]
    pub fn partial(&self) -> Option<&Outcome> {
        self.partial.as_deref()
    }

    /// The error with the best result so far.
    #[must_use]
    pub fn with_partial(mut self, outcome: Outcome) -> Self {
        self.partial = Some(Box::new(outcome));
        self
    }
}

impl From<SearchErrorKind> for SearchError {
    fn from(kind: SearchErrorKind) -> Self {
        Self { kind, partial: None }
    }
}

impl From<ConfigError> for SearchError {
    fn from(error: ConfigError) -> Self {
        SearchErrorKind::Config(error).into()
    }
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match &self.partial {
            Some(outcome) => write!(f, " (best so far: {} tokens)", outcome.best.tokens.len()),
            None => Ok(()),
        }
    }
}

impl Error for SearchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}
