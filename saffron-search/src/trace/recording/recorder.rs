//! Listening to a port.

use std::sync::Arc;
use std::time::Duration;

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ModelError, ModelPort, Reply, Session, Token, Vocabulary, with_causes,
};

use super::{Answer, AskedSession, Models, Prompt, RecordedCall, Recording, Request};

/// A port that passes everything on and keeps it. Failures of the models are kept too.
pub struct RecordingPort<'a> {
    inner: &'a mut dyn ModelPort,
    recording: Recording,
}

impl std::fmt::Debug for RecordingPort<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordingPort").field("calls", &self.recording.calls.len()).finish_non_exhaustive()
    }
}

impl<'a> RecordingPort<'a> {
    /// A recording of what passes through `inner` from now on.
    pub fn new(inner: &'a mut dyn ModelPort) -> Self {
        let models = Models {
            vocabulary: inner.vocabulary().size(),
            end_tokens: inner.end_tokens(),
            reply_header: inner.reply_header(),
            rewards: inner.describe_rewards(),
        };
        Self { inner, recording: Recording { models, ..Recording::default() } }
    }

    /// What has been recorded.
    #[must_use]
    pub fn finish(self) -> Recording {
        self.recording
    }

    fn record(&mut self, sessions: &[Session], request: Request, answer: Answer) {
        let sessions = sessions.iter().map(|session| self.asked(session)).collect();
        self.recording.calls.push(RecordedCall { sessions, request, answer });
    }

    fn asked(&mut self, session: &Session) -> AskedSession {
        let prompts = &mut self.recording.prompts;
        let same = |prompt: &Prompt| prompt.prompt == session.prompt() && prompt.prefill == session.prefill();
        let place = prompts.iter().position(same).unwrap_or_else(|| {
            prompts.push(Prompt { prompt: session.prompt().to_vec(), prefill: session.prefill().to_vec() });
            prompts.len() - 1
        });
        AskedSession { prompt: place, response: session.response().to_vec() }
    }
}

impl ModelPort for RecordingPort<'_> {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.inner.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.inner.end_tokens()
    }

    fn reply_header(&self) -> Vec<Token> {
        self.inner.reply_header()
    }

    fn describe_rewards(&self) -> String {
        self.inner.describe_rewards()
    }

    fn scores(&self) -> bool {
        self.inner.scores()
    }

    fn wall(&self) -> Option<Duration> {
        self.inner.wall()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let reply = self.inner.propose(sessions, filter);
        let answer = answer(&reply, |value, work| Answer::Candidates { value, work });
        self.record(sessions, Request::Propose { filter: filter.clone() }, answer);
        reply
    }

    fn score(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let reply = self.inner.score(sessions, candidates);
        let answer = answer(&reply, |value, work| Answer::Rewards { value, work });
        let tokens = candidates.iter().map(|list| list.tokens().collect()).collect();
        self.record(sessions, Request::Score { candidates: tokens }, answer);
        reply
    }
}

fn answer<T: Clone>(
    reply: &Result<Reply<T>, ModelError>,
    given: impl FnOnce(T, Vec<saffron_core::Work>) -> Answer,
) -> Answer {
    match reply {
        Ok(reply) => given(reply.value.clone(), reply.work.clone()),
        Err(error) => Answer::Failed { message: with_causes(&error) },
    }
}
