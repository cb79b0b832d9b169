//! The language model that a search defends.

use std::sync::Arc;

use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::filter::CandidateFilter;
use crate::reply::Reply;
use crate::session::Session;
use crate::token::Token;
use crate::vocabulary::Vocabulary;

/// Proposes next tokens.
///
/// The answer is ranked and possibly truncated candidates rather than logits: the one shape that a local model and a remote
/// top-k engine can both give. Models take a batch and `&mut self` (they keep caches); a call's answers must not depend on
/// what was called before, nor, beyond float noise, on the batch.
///
/// With the feature `testing`, `testing::conformance::policy` checks an implementation.
pub trait Policy {
    /// The vocabulary of the sessions that it takes and of the tokens that it proposes.
    fn vocabulary(&self) -> Arc<dyn Vocabulary>;

    /// Tokens that end a sequence; there may be several.
    fn end_tokens(&self) -> Vec<Token>;

    /// What the policy's layout puts between a prompt and its reply: the ids that open a reply. Empty
    /// where the policy has no layout, or does not know it.
    fn reply_header(&self) -> Vec<Token> {
        Vec::new()
    }

    /// The candidates of each session.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from answering, see [`ModelError`]. The batch fails as a whole.
    fn propose(&mut self, sessions: &[Session], filter: &CandidateFilter)
    -> Result<Reply<Vec<Candidates>>, ModelError>;
}

macro_rules! forward_policy {
    ($($pointer:ty),*) => {$(
        impl<P: Policy + ?Sized> Policy for $pointer {
            fn vocabulary(&self) -> Arc<dyn Vocabulary> {
                (**self).vocabulary()
            }

            fn end_tokens(&self) -> Vec<Token> {
                (**self).end_tokens()
            }

            fn reply_header(&self) -> Vec<Token> {
                (**self).reply_header()
            }

            fn propose(
                &mut self,
                sessions: &[Session],
                filter: &CandidateFilter,
            ) -> Result<Reply<Vec<Candidates>>, ModelError> {
                (**self).propose(sessions, filter)
            }
        }
    )*};
}

forward_policy!(&mut P, Box<P>);
