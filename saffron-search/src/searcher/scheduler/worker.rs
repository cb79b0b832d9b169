//! The thread that owns the models and answers the running searches, round by round.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{Builder, JoinHandle};

use saffron_core::{ChildScorer, ModelError, Policy, Role, StopReason};

use super::shared::{Queued, SearchResult, Shared};
use crate::searcher::gather::{Answer, Ask, Facts, Live, Models, caught, message, name, no_thread};

/// How often a round tells a cancelled search to end. It asks once more for its verdict, and a
/// strategy may ask again in vain; one that does not stop asking must not hold up the others.
const PATIENCE: usize = 4;

pub(super) struct Worker {
    shared: Arc<Shared>,
    policy: Box<dyn Policy + Send>,
    scorer: Box<dyn ChildScorer + Send>,
    live: Live,
    running: BTreeMap<usize, Running>,
    /// What a model said when it panicked. No model is called after that.
    panic: Option<String>,
    /// Whether requests that there are places for were left waiting in the last round.
    held_back: bool,
}

struct Running {
    thread: JoinHandle<()>,
    result: Sender<SearchResult>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        policy: Box<dyn Policy + Send>,
        scorer: Box<dyn ChildScorer + Send>,
        facts: Facts,
    ) -> Self {
        let (live, running) = (Live::new(facts), BTreeMap::new());
        Self { shared, policy, scorer, live, running, panic: None, held_back: false }
    }

    /// Runs what is asked for until no more can be.
    pub(super) fn run(mut self) {
        while !self.running.is_empty() || self.shared.wait_for_request() {
            self.round();
        }
    }

    /// One call of the models for all that run, and for those that join.
    fn round(&mut self) {
        self.wait_for_asks();
        if self.may_begin() {
            while let Some(queued) = self.shared.begin_next() {
                self.begin(queued);
            }
            self.wait_for_asks();
        }
        self.answer();
    }

    /// Waits until every search that runs has asked. Those that are cancelled end before the
    /// models go on.
    fn wait_for_asks(&mut self) {
        self.deliver_ended();
        for _ in 0..PATIENCE {
            if !self.halt_cancelled() {
                break;
            }
            self.deliver_ended();
        }
    }

    /// Tells the cancelled searches that have asked to end. Whether there was one.
    fn halt_cancelled(&mut self) -> bool {
        let asked = self.live.asked().keys().copied();
        let cancelled: Vec<usize> = asked.filter(|id| self.shared.is_cancelled(*id)).collect();
        for id in &cancelled {
            self.live.refuse(*id, ModelError::Halted(StopReason::Cancelled));
        }
        !cancelled.is_empty()
    }

    /// Delivers the results of searches that end, until all others have asked.
    fn deliver_ended(&mut self) {
        while let Some((id, result)) = self.live.next_end() {
            let Some(Running { thread, result: receiver }) = self.running.remove(&id) else { continue };
            // To say that it ends was the last thing it did; a panic was caught before.
            let _ = thread.join();
            self.shared.end(id, &receiver, result);
        }
    }

    /// Whether searches join in this round. A search begins with its policy, so it joins when the
    /// others ask theirs: all share one batch, in this round and the next ones. It waits for that
    /// one round at most.
    fn may_begin(&mut self) -> bool {
        let asked = self.live.asked();
        let in_step = asked.is_empty() || asked.values().any(|ask| matches!(ask, Ask::Propose(..)));
        self.held_back = !in_step && !self.held_back && self.shared.could_begin();
        !self.held_back
    }

    fn begin(&mut self, queued: Queued) {
        let Queued { id, request, result } = queued;
        let mut port = self.live.join(id);
        let search = move || {
            let name = name(&*request.searcher.strategy);
            let result = caught(name, || request.run(&mut port));
            port.end(result);
        };
        match Builder::new().name(format!("search {id}")).spawn(search) {
            Ok(thread) => {
                self.running.insert(id, Running { thread, result });
            }
            Err(error) => {
                self.live.withdraw(id);
                self.shared.end(id, &result, Err(no_thread(error)));
            }
        }
    }

    /// Has the models answer what is asked.
    fn answer(&mut self) {
        self.halt_cancelled();
        let asked = self.live.take_asked();
        if asked.is_empty() {
            return;
        }
        let roles: Vec<(usize, Role)> = asked.iter().map(|(id, ask)| (*id, ask.role())).collect();
        match self.ask_models(asked) {
            Ok(answers) => answers.into_iter().for_each(|(id, answer)| self.live.reply(id, answer)),
            Err(message) => {
                for (id, role) in roles {
                    let error = ModelError::Panicked { message: message.clone() };
                    self.live.reply(id, Answer::failed(role, error));
                }
            }
        }
    }

    /// The models' answers, or what one of them said when it panicked.
    fn ask_models(&mut self, asked: BTreeMap<usize, Ask>) -> Result<Vec<(usize, Answer)>, String> {
        if let Some(message) = &self.panic {
            return Err(message.clone());
        }
        let mut models = Models::new(&mut *self.policy, &mut *self.scorer);
        let unwanted = |id| self.shared.is_cancelled(id);
        catch_unwind(AssertUnwindSafe(|| models.answer(asked, &unwanted))).map_err(|panic| {
            let message = message(&*panic);
            self.shared.break_down(models.called(), &message);
            self.panic = Some(message.clone());
            message
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.finish();
    }
}
