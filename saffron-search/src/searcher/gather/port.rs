//! The port of a search that runs beside others: it asks and waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ChildScorer, ModelError, ModelPort, Outcome, Policy, Reply, Role,
    SearchError, Session, Token, Vocabulary,
};

/// What a search asks of the models.
#[derive(Debug)]
pub(in crate::searcher) enum Ask {
    Propose(Vec<Session>, CandidateFilter),
    Score(Vec<Session>, Vec<Candidates>),
}

impl Ask {
    /// Which model is asked.
    pub(in crate::searcher) fn role(&self) -> Role {
        match self {
            Self::Propose(..) => Role::Policy,
            Self::Score(..) => Role::Reward,
        }
    }
}

/// What it is told, and how long the models took over its share.
#[derive(Debug)]
pub(in crate::searcher) enum Answer {
    Proposed(Result<Reply<Vec<Candidates>>, ModelError>, Duration),
    Scored(Result<Reply<Vec<Vec<ChildReward>>>, ModelError>, Duration),
}

impl Answer {
    /// An error in place of a model's answer. It took no time.
    pub(in crate::searcher) fn failed(role: Role, error: ModelError) -> Self {
        match role {
            Role::Policy => Self::Proposed(Err(error), Duration::ZERO),
            Role::Reward | Role::Judge => Self::Scored(Err(error), Duration::ZERO),
        }
    }
}

/// What a search says, with its place.
pub(super) enum Message {
    Ask(usize, Ask),
    End(usize, Box<Result<Outcome, SearchError>>),
}

/// What does not change while searches run.
#[derive(Clone, Debug)]
pub(in crate::searcher) struct Facts {
    pub(in crate::searcher) vocabulary: Arc<dyn Vocabulary>,
    pub(super) end_tokens: Vec<Token>,
    pub(super) reply_header: Vec<Token>,
    pub(super) rewards: String,
    pub(in crate::searcher) scores: bool,
}

impl Facts {
    pub(in crate::searcher) fn of(policy: &dyn Policy, scorer: &dyn ChildScorer) -> Self {
        Self {
            vocabulary: policy.vocabulary(),
            end_tokens: policy.end_tokens(),
            reply_header: policy.reply_header(),
            rewards: scorer.describe(),
            scores: scorer.scores(),
        }
    }
}

/// A port whose requests are answered together with those of other searches.
pub(in crate::searcher) struct GatheredPort {
    place: usize,
    facts: Facts,
    messages: Sender<Message>,
    answers: Receiver<Answer>,
    wall: Option<Duration>,
}

impl GatheredPort {
    pub(super) fn new(place: usize, facts: Facts, messages: Sender<Message>, answers: Receiver<Answer>) -> Self {
        Self { place, facts, messages, answers, wall: None }
    }

    /// Says that the search is over.
    pub(in crate::searcher) fn end(self, result: Result<Outcome, SearchError>) {
        // When nobody listens any more, the models' thread is unwinding.
        let _ = self.messages.send(Message::End(self.place, Box::new(result)));
    }

    fn ask(&self, ask: Ask) -> Result<Answer, ModelError> {
        let gone = || ModelError::other("asking beside other searches", "the models' thread has gone");
        self.messages.send(Message::Ask(self.place, ask)).map_err(|_| gone())?;
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

    fn reply_header(&self) -> Vec<Token> {
        self.facts.reply_header.clone()
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
        let Answer::Proposed(reply, wall) = self.ask(Ask::Propose(sessions.to_vec(), filter.clone()))? else {
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
        let Answer::Scored(reply, wall) = self.ask(Ask::Score(sessions.to_vec(), candidates.to_vec()))? else {
            return Err(mixed_up());
        };
        self.wall = Some(wall);
        reply
    }
}
