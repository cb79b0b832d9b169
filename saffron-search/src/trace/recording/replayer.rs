//! Answering from a recording.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ModelError, ModelPort, PlainVocabulary, Reply, Role, Session, Token,
    Vocabulary,
};

use super::{Answer, RecordedCall, Recording, ReplayError, Request};

/// A port without models. Each request must be the one that was recorded in its place; then its answer is the recorded one, and costs
/// what it cost.
#[derive(Debug)]
pub struct ReplayPort {
    recording: Recording,
    vocabulary: Arc<dyn Vocabulary>,
    next: usize,
}

impl ReplayPort {
    /// A port that answers from a recording. Its vocabulary has the recorded size and no text.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        let vocabulary = PlainVocabulary::shared(recording.models.vocabulary);
        Self { recording, vocabulary, next: 0 }
    }

    /// Another vocabulary, one that knows the text of tokens.
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: Arc<dyn Vocabulary>) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// A session of the first recorded prompt, with nothing answered yet.
    ///
    /// # Errors
    ///
    /// A recording without a prompt, or tokens outside the vocabulary.
    pub fn session(&self) -> Result<Session, ModelError> {
        let prompt = self.recording.prompts.first().ok_or(ModelError::EmptyPrompt)?;
        Session::new(self.vocabulary.clone(), prompt.prompt.clone())?.with_prefill(prompt.prefill.clone())
    }

    /// Number of recorded calls that have not been asked for.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.recording.calls.len() - self.next
    }

    /// The answer to the next call, if that is the one recorded.
    fn answer(
        &mut self,
        role: Role,
        sessions: &[Session],
        check: impl FnOnce(usize, &Request) -> Result<(), ReplayError>,
    ) -> Result<Answer, ReplayError> {
        let call = self.next;
        let recorded = self.recording.calls.get(call).ok_or(ReplayError::Exhausted { call })?;
        let expected = recorded.request.role();
        if expected != role {
            return Err(ReplayError::Role { call, expected, found: role });
        }
        self.check_sessions(call, recorded, sessions)?;
        check(call, &recorded.request)?;
        if let Answer::Failed { message } = &recorded.answer {
            return Err(ReplayError::Failed { call, message: message.clone() });
        }
        self.next += 1;
        Ok(recorded.answer.clone())
    }

    fn check_sessions(&self, call: usize, recorded: &RecordedCall, found: &[Session]) -> Result<(), ReplayError> {
        if recorded.sessions.len() != found.len() {
            return Err(ReplayError::Sessions { call, expected: recorded.sessions.len(), found: found.len() });
        }
        for (place, (asked, session)) in recorded.sessions.iter().zip(found).enumerate() {
            if let Some(prompt) = self.recording.prompts.get(asked.prompt) {
                same_tokens(call, place, "prompt", &prompt.prompt, session.prompt())?;
                same_tokens(call, place, "prefill", &prompt.prefill, session.prefill())?;
            }
            same_tokens(call, place, "response", &asked.response, session.response())?;
        }
        Ok(())
    }
}

fn same_tokens(
    call: usize,
    session: usize,
    what: &'static str,
    expected: &[Token],
    found: &[Token],
) -> Result<(), ReplayError> {
    if expected == found {
        return Ok(());
    }
    Err(ReplayError::Tokens { call, session, what, expected: expected.to_vec(), found: found.to_vec() })
}

fn same_filter(call: usize, request: &Request, found: &CandidateFilter) -> Result<(), ReplayError> {
    match request {
        Request::Propose { filter } if filter != found => {
            Err(ReplayError::Filter { call, expected: Box::new(filter.clone()), found: Box::new(found.clone()) })
        }
        _ => Ok(()),
    }
}

fn same_candidates(call: usize, request: &Request, found: &[Candidates]) -> Result<(), ReplayError> {
    let Request::Score { candidates } = request else { return Ok(()) };
    for (session, (expected, found)) in candidates.iter().zip(found).enumerate() {
        same_tokens(call, session, "candidates", expected, &found.tokens().collect::<Vec<_>>())?;
    }
    Ok(())
}

impl ModelPort for ReplayPort {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.recording.models.end_tokens.clone()
    }

    fn reply_header(&self) -> Vec<Token> {
        self.recording.models.reply_header.clone()
    }

    fn describe_rewards(&self) -> String {
        self.recording.models.rewards.clone()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let call = self.next;
        match self.answer(Role::Policy, sessions, |call, request| same_filter(call, request, filter))? {
            Answer::Candidates { value, work } => Ok(Reply { value, work }),
            Answer::Rewards { .. } | Answer::Failed { .. } => Err(ReplayError::Answer { call }.into()),
        }
    }

    fn score(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let call = self.next;
        match self.answer(Role::Reward, sessions, |call, request| same_candidates(call, request, candidates))? {
            Answer::Rewards { value, work } => Ok(Reply { value, work }),
            Answer::Candidates { .. } | Answer::Failed { .. } => Err(ReplayError::Answer { call }.into()),
        }
    }
}
