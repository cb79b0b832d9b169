//! Searches side by side. Every search is plain sequential code on a thread of its own, parked
//! whenever it asks a model. The models stay on one thread, which waits until every living search
//! has asked or ended, and then answers all of them in one batch a kind.

mod models;
mod panics;
mod port;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use saffron_core::{ModelError, Outcome, Role, SearchError, SearchErrorKind};

use port::Message;

pub(super) use models::{Models, ModelsAtOnce};
pub(super) use panics::{caught, message, name};
pub(super) use port::{Answer, Ask, Facts, GatheredPort};

/// The searches that are alive, each with a place. Batches are made in the order of the places.
pub(super) struct Live {
    facts: Facts,
    sender: Sender<Message>,
    messages: Receiver<Message>,
    /// Where the answers of each search go.
    answers: BTreeMap<usize, Sender<Answer>>,
    asked: BTreeMap<usize, Ask>,
}

impl Live {
    pub(super) fn new(facts: Facts) -> Self {
        let (sender, messages) = channel();
        Self { facts, sender, messages, answers: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// The port of a search that begins. From now on every round waits for it.
    pub(super) fn join(&mut self, place: usize) -> GatheredPort {
        let (answers, receiver) = channel();
        self.answers.insert(place, answers);
        GatheredPort::new(place, self.facts.clone(), self.sender.clone(), receiver)
    }

    /// Takes back [`join`](Self::join), for a search whose thread could not be started.
    pub(super) fn withdraw(&mut self, place: usize) {
        self.answers.remove(&place);
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    /// Waits for a search to end, and gives its place and result. None as soon as every living
    /// search has asked.
    pub(super) fn next_end(&mut self) -> Option<(usize, Result<Outcome, SearchError>)> {
        while self.asked.len() < self.answers.len() {
            // Never an error: we hold a sender ourselves.
            match self.messages.recv().ok()? {
                Message::Ask(place, ask) => {
                    self.asked.insert(place, ask);
                }
                Message::End(place, result) => {
                    self.answers.remove(&place);
                    return Some((place, *result));
                }
            }
        }
        None
    }

    /// What is asked, by place, and not yet taken.
    pub(super) fn asked(&self) -> &BTreeMap<usize, Ask> {
        &self.asked
    }

    /// Takes what is asked, to be answered.
    pub(super) fn take_asked(&mut self) -> BTreeMap<usize, Ask> {
        std::mem::take(&mut self.asked)
    }

    /// Takes what is asked where both models have something to answer. Where only the policy has, it
    /// takes what the first half of the searches asks: from then on the halves ask in turn.
    pub(super) fn take_for_both(&mut self) -> BTreeMap<usize, Ask> {
        let proposals = self.asked.values().filter(|ask| ask.role() == Role::Policy).count();
        let all_alike = proposals == self.asked.len() && self.facts.scores;
        let first = if all_alike { proposals.div_ceil(2) } else { self.asked.len() };
        match self.asked.keys().nth(first).copied() {
            Some(place) => {
                let later = self.asked.split_off(&place);
                std::mem::replace(&mut self.asked, later)
            }
            None => self.take_asked(),
        }
    }

    /// Answers one search with an error, in place of the models.
    pub(super) fn refuse(&mut self, place: usize, error: ModelError) {
        if let Some(ask) = self.asked.remove(&place) {
            self.reply(place, Answer::failed(ask.role(), error));
        }
    }

    pub(super) fn reply(&self, place: usize, answer: Answer) {
        if let Some(search) = self.answers.get(&place) {
            // A search that no longer listens has ended, and will say so.
            let _ = search.send(answer);
        }
    }
}

/// The result of a search whose thread could not be started.
pub(super) fn no_thread(error: std::io::Error) -> SearchError {
    let source = ModelError::other("starting a thread for a search", error);
    SearchErrorKind::Model { role: Role::Policy, source }.into()
}
