//! The port of a search that runs beside others: it asks and waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ModelError, ModelPort, Outcome, Reply, SearchError, Session, Token,
    Vocabulary,
};

/// What a search wants to know.
#[derive(Debug)]
pub(super) enum Request {
    Propose(Vec<Session>, CandidateFilter),
    Score(Vec<Session>, Vec<Candidates>),
}

/// What it is told, and how long the models took over its share.
#[derive(Debug)]
pub(super) enum Answer {
    Proposed(Result<Reply<Vec<Candidates>>, ModelError>, Duration),
    Scored(Result<Reply<Vec<Vec<ChildReward>>>, ModelError>, Duration),
}

/// What a search says, with its place.
pub(super) enum Message {
    Ask(usize, Request),
    End(usize, Box<Result<Outcome, SearchError>>),
}

/// What does not change while searches run.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) vocabulary: Arc<dyn Vocabulary>,
    pub(super) end_tokens: Vec<Token>,
    pub(super) rewards: String,
    pub(super) scores: bool,
}

/// A port whose requests are answered together with those of other searches.
pub(super) struct GatheredPort {
    place: usize,
    facts: Facts,
    requests: Sender<Message>,
    answers: Receiver<Answer>,
    wall: Option<Duration>,
}

impl GatheredPort {
    pub(super) fn new(place: usize, facts: Facts, requests: Sender<Message>, answers: Receiver<Answer>) -> Self {
        Self { place, facts, requests, answers, wall: None }
    }

    /// Says that the search is over.
    pub(super) fn end(self, result: Result<Outcome, SearchError>) {
        // When nobody listens any more, the caller is unwinding.
        let _ = self.requests.send(Message::End(self.place, Box::new(result)));
    }

    fn ask(&self, request: Request) -> Result<Answer, ModelError> {
        let gone = || ModelError::other("asking beside other searches", "the caller's thread has gone");
        self.requests.send(Message::Ask(self.place, request)).map_err(|_| gone())?;
        self.answers.recv().map_err(|_| gone())
    }
}

fn mixed_up() -> ModelError {
    ModelError::other("asking beside other searches", "the answer is to another question")
}

impl ModelPort for GatheredPort {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.facts.vocabulary.clone()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.facts.end_tokens.clone()
    }

    fn describe_rewards(&self) -> String {
        self.facts.rewards.clone()
    }

    fn scores(&self) -> bool {
        self.facts.scores
    }

    fn wall(&self) -> Option<Duration> {
        self.wall
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let Answer::Proposed(reply, wall) = self.ask(Request::Propose(sessions.to_vec(), filter.clone()))? else {
            return Err(mixed_up());
        };
        self.wall = Some(wall);
        reply
    }

    fn score(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let Answer::Scored(reply, wall) = self.ask(Request::Score(sessions.to_vec(), candidates.to_vec()))? else {
            return Err(mixed_up());
        };
        self.wall = Some(wall);
        reply
    }
}
