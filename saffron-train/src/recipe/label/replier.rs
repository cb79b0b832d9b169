//! Who answers the questions of a corpus.

use std::error::Error;

use saffron_core::{CandidateFilter, Forget, Session, Token};
use saffron_search::eval::attack::Attacked;

/// Answers the questions of a corpus whose replies are labelled.
///
/// This crate runs no search: whoever has a policy brings the replies. A reply may be any state
/// that a search has visited, whole or cut short: its prefixes are labelled alike.
///
/// Labels of a run that was killed are those of one that was not, bit for bit. For that, what a
/// replier gives depends on the batch alone once it has [forgotten](Forget::forget) what it has
/// cached: on its questions, their order, and the settings. A labelling has it forget before every
/// group.
///
/// ```
/// use saffron_core::{Forget, PlainVocabulary, Session};
/// use saffron_train::recipe::{PolicyReply, Question, Replier, ReplyError, ReplySettings};
///
/// /// Counts, from the length of the question on.
/// struct Counting;
///
/// impl Forget for Counting {
///     fn forget(&mut self) {}
/// }
///
/// impl Replier for Counting {
///     fn replies(&mut self, questions: &[Question], settings: &ReplySettings) -> Result<Vec<PolicyReply>, ReplyError> {
///         let reply = |question: &Question| {
///             let first = question.attacked.prompt.len() as u32;
///             let session = Session::new(PlainVocabulary::shared(100), [first]);
///             let session = session.map_err(|error| ReplyError::of(question, error))?;
///             Ok(PolicyReply { session, tokens: (first..).take(settings.max_new_tokens).collect() })
///         };
///         questions.iter().map(reply).collect()
///     }
/// }
/// ```
pub trait Replier: Forget {
    /// One reply to each question, in their order. All are the same sample of their questions: the
    /// seed sets it apart from others.
    ///
    /// # Errors
    ///
    /// A question that cannot be asked, a policy that fails.
    fn replies(&mut self, questions: &[Question], settings: &ReplySettings) -> Result<Vec<PolicyReply>, ReplyError>;
}

impl<R: Replier + ?Sized> Replier for Box<R> {
    fn replies(&mut self, questions: &[Question], settings: &ReplySettings) -> Result<Vec<PolicyReply>, ReplyError> {
        (**self).replies(questions, settings)
    }
}

/// A question under attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The id of its row.
    pub id: String,
    /// What the policy is asked, and what its reply is forced to begin with.
    pub attacked: Attacked,
}

/// How replies are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplySettings {
    /// What may be drawn.
    pub filter: CandidateFilter,
    /// Longest reply, in tokens.
    pub max_new_tokens: usize,
    /// Seed of the draw.
    pub seed: u64,
}

/// A reply of a policy.
#[derive(Clone, Debug)]
pub struct PolicyReply {
    /// The question as the policy was asked it, in its own token ids. What the attacker has forced
    /// the reply to begin with is no part of what is labelled.
    pub session: Session,
    /// The reply in the policy's token ids, without an end-of-sequence token.
    pub tokens: Vec<Token>,
}

/// Why questions have no replies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// One question has none.
    #[error("question {id}")]
    Question {
        /// The id of its row.
        id: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A batch of questions has none.
    #[error("a batch of {questions} questions")]
    Batch {
        /// How many.
        questions: usize,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another number of replies than of questions.
    #[error("expected a reply to each of {expected} questions, found {found}")]
    Count {
        /// Questions.
        expected: usize,
        /// Replies.
        found: usize,
    },
}

impl ReplyError {
    /// The error of one question.
    pub fn of(question: &Question, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Question { id: question.id.clone(), source: source.into() }
    }
}
