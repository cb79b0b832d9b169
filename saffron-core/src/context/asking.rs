//! Asking the policy otherwise than by the search's own prompt, and watching what another strategy is
//! told.

use super::{Children, SearchContext};
use crate::error::{ConfigError, ModelError};
use crate::meter::Role;
use crate::search_error::{SearchError, SearchErrorKind};
use crate::session::Session;
use crate::token::Token;
use crate::tree::NodeId;

impl SearchContext<'_> {
    /// Asks the policy under the prompt and prefill of another session from now on. Reward models
    /// are still asked under the search's own, and random numbers still belong to it.
    ///
    /// # Errors
    ///
    /// A session of another vocabulary than the search's.
    pub fn ask_policy_under(&mut self, session: &Session) -> Result<(), SearchError> {
        let (expected, found) = (self.session.vocabulary().id(), session.vocabulary().id());
        if expected != found {
            return Err(failed(ModelError::VocabularyMismatch { expected, found }));
        }
        self.framed = Some(session.with_run(self.session.run().clone()));
        Ok(())
    }

    /// What the policy is asked about behind a response.
    pub(super) fn policy_session(&self, response: &[Token]) -> Result<Session, SearchError> {
        let response = [self.session.response(), response].concat();
        self.framed.as_ref().unwrap_or(&self.session).with_response(response).map_err(failed)
    }

    /// The ids of a text in the policy's vocabulary. `what` names the text in errors.
    ///
    /// # Errors
    ///
    /// Text that cannot be encoded; a vocabulary that encodes none.
    pub fn encode(&self, what: &'static str, text: &str) -> Result<Vec<Token>, SearchError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let ids = self.session.vocabulary().encode(text);
        let ids = ids.map_err(|error| failed(ModelError::other("encoding a strategy's text", error)))?;
        ids.ok_or_else(|| ConfigError::NoEncoding { what }.into())
    }

    /// The text of tokens.
    ///
    /// # Errors
    ///
    /// Tokens that have none.
    pub fn decode(&self, tokens: &[Token]) -> Result<String, SearchError> {
        let text = self.session.vocabulary().decode(tokens);
        text.map_err(|error| failed(ModelError::other("decoding a strategy's tokens", error)))
    }

    /// What the policy's layout puts between a prompt and its reply; see
    /// [`Policy::reply_header`](crate::Policy::reply_header).
    #[must_use]
    pub fn reply_header(&self) -> Vec<Token> {
        self.port.reply_header()
    }

    /// Keeps scored candidates from now on, for [`take_scored`](Self::take_scored): a strategy that
    /// runs another sees what that one is told.
    pub fn keep_scored(&mut self) {
        self.scored.get_or_insert_default();
    }

    /// The nodes that were scored since this was last asked, with their candidates, in the order of
    /// scoring. None unless they are [kept](Self::keep_scored); what [`rate`](Self::rate) asks for
    /// is not among them.
    pub fn take_scored(&mut self) -> Vec<(NodeId, Children)> {
        self.scored.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

fn failed(source: ModelError) -> SearchError {
    SearchErrorKind::Model { role: Role::Policy, source }.into()
}
