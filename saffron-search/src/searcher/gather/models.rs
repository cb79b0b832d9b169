//! The models behind a round: what all searches ask in one batch a kind, the answers given back
//! search by search.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ChildScorer, ModelError, Policy, Reply, Role, Session, StopReason, Work,
};

use super::port::{Answer, Ask};

/// The models of a round.
pub(in crate::searcher) struct Models<'a> {
    policy: &'a mut dyn Policy,
    scorer: &'a mut dyn ChildScorer,
    called: Role,
}

/// The sessions of one search, or what belongs to them.
type Shares<T> = Vec<(usize, Vec<T>)>;

impl<'a> Models<'a> {
    pub(in crate::searcher) fn new(policy: &'a mut dyn Policy, scorer: &'a mut dyn ChildScorer) -> Self {
        Self { policy, scorer, called: Role::Policy }
    }

    /// The model that was called last.
    pub(in crate::searcher) fn called(&self) -> Role {
        self.called
    }

    /// The answers of a round, by the places of the searches. Before a model is called for a search
    /// alone, `unwanted` says whether the search has been cancelled.
    pub(in crate::searcher) fn answer(
        &mut self,
        asked: BTreeMap<usize, Ask>,
        unwanted: &dyn Fn(usize) -> bool,
    ) -> Vec<(usize, Answer)> {
        let Parted { proposals, scores } = Parted::of(asked);
        let mut answers = Vec::new();
        for (filter, shares) in proposals {
            self.called = Role::Policy;
            answers.extend(propose(self.policy, &filter, &shares, unwanted));
        }
        if !scores.0.is_empty() {
            self.called = Role::Reward;
        }
        answers.extend(score(self.scorer, &scores.0, &scores.1, unwanted));
        answers
    }
}

/// Models that answer at the same time: policy and rewards on two servers or devices.
pub(in crate::searcher) struct ModelsAtOnce<'a> {
    pub(in crate::searcher) policy: &'a mut (dyn Policy + Send),
    pub(in crate::searcher) scorer: &'a mut (dyn ChildScorer + Send),
}

impl ModelsAtOnce<'_> {
    /// The answers of a round, by the places of the searches.
    pub(in crate::searcher) fn answer(&mut self, asked: BTreeMap<usize, Ask>) -> Vec<(usize, Answer)> {
        let Parted { proposals, scores } = Parted::of(asked);
        let (policy, scorer) = (&mut *self.policy, &mut *self.scorer);
        std::thread::scope(|scope| {
            let scores = &scores;
            let scored = scope.spawn(move || score(scorer, &scores.0, &scores.1, &|_| false));
            let mut answers: Vec<(usize, Answer)> =
                proposals.iter().flat_map(|(filter, shares)| propose(policy, filter, shares, &|_| false)).collect();
            answers.extend(scored.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            answers
        })
    }
}

/// What a round asks of each model.
#[derive(Default)]
struct Parted {
    /// Searches with equal filters share a call.
    proposals: Vec<(CandidateFilter, Shares<Session>)>,
    scores: (Shares<Session>, Shares<Candidates>),
}

impl Parted {
    fn of(asked: BTreeMap<usize, Ask>) -> Self {
        let Self { mut proposals, mut scores } = Self::default();
        for (place, ask) in asked {
            match ask {
                Ask::Propose(sessions, filter) => match proposals.iter_mut().find(|(other, _)| *other == filter) {
                    Some((_, shares)) => shares.push((place, sessions)),
                    None => proposals.push((filter, vec![(place, sessions)])),
                },
                Ask::Score(sessions, candidates) => {
                    scores.0.push((place, sessions));
                    scores.1.push((place, candidates));
                }
            }
        }
        Self { proposals, scores }
    }
}

fn propose(
    policy: &mut dyn Policy,
    filter: &CandidateFilter,
    shares: &Shares<Session>,
    unwanted: &dyn Fn(usize) -> bool,
) -> Vec<(usize, Answer)> {
    let counts = counts(shares);
    let all: Vec<Session> = shares.iter().flat_map(|(_, sessions)| sessions).cloned().collect();
    let (reply, wall) = timed(|| policy.propose(&all, filter));
    if let [(place, sessions)] = &shares[..] {
        let reply = reply.and_then(|reply| reply.with_work_of(sessions.len()));
        return vec![(*place, Answer::Proposed(reply, wall))];
    }
    if let Some(parts) = reply.ok().and_then(|reply| parts(reply, &counts)) {
        return answers(shares, parts, wall, Answer::Proposed);
    }
    // One of them makes the batch fail: alone, only that one does.
    let alone = shares.iter().map(|(place, sessions)| {
        if unwanted(*place) {
            return (*place, cancelled(Role::Policy));
        }
        let (reply, wall) = timed(|| policy.propose(sessions, filter)?.with_work_of(sessions.len()));
        (*place, Answer::Proposed(reply, wall))
    });
    alone.collect()
}

fn score(
    scorer: &mut dyn ChildScorer,
    shares: &Shares<Session>,
    candidates: &Shares<Candidates>,
    unwanted: &dyn Fn(usize) -> bool,
) -> Vec<(usize, Answer)> {
    if shares.is_empty() {
        return Vec::new();
    }
    let counts = counts(shares);
    let all: Vec<Session> = shares.iter().flat_map(|(_, sessions)| sessions).cloned().collect();
    let lists: Vec<Candidates> = candidates.iter().flat_map(|(_, lists)| lists).cloned().collect();
    let (reply, wall) = timed(|| scorer.score_children(&all, &lists));
    if let [(place, sessions)] = &shares[..] {
        let reply = reply.and_then(|reply| reply.with_work_of(sessions.len()));
        return vec![(*place, Answer::Scored(reply, wall))];
    }
    if let Some(parts) = reply.ok().and_then(|reply| parts(reply, &counts)) {
        return answers(shares, parts, wall, Answer::Scored);
    }
    let alone = shares.iter().zip(candidates).map(|((place, sessions), (_, lists))| {
        if unwanted(*place) {
            return (*place, cancelled(Role::Reward));
        }
        let (reply, wall): (Result<Reply<Vec<Vec<ChildReward>>>, ModelError>, _) =
            timed(|| scorer.score_children(sessions, lists)?.with_work_of(sessions.len()));
        (*place, Answer::Scored(reply, wall))
    });
    alone.collect()
}

fn cancelled(role: Role) -> Answer {
    Answer::failed(role, ModelError::Halted(StopReason::Cancelled))
}

fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let value = call();
    (value, begun.elapsed())
}

fn counts<T>(shares: &Shares<T>) -> Vec<usize> {
    shares.iter().map(|(_, sessions)| sessions.len()).collect()
}

/// A reply cut into those of the searches; none when it does not have as many entries as were asked for.
fn parts<T>(reply: Reply<Vec<T>>, counts: &[usize]) -> Option<Vec<Reply<Vec<T>>>> {
    let total: usize = counts.iter().sum();
    if (reply.value.len(), reply.work.len()) != (total, total) {
        return None;
    }
    let (mut value, mut work) = (reply.value.into_iter(), reply.work.into_iter());
    let part = |count: &usize| Reply {
        value: value.by_ref().take(*count).collect(),
        work: work.by_ref().take(*count).collect(),
    };
    Some(counts.iter().map(part).collect())
}

/// The parts with their share of the time: by the FLOPs that ran for each, or evenly where none were counted.
fn answers<T>(
    shares: &Shares<Session>,
    parts: Vec<Reply<Vec<T>>>,
    wall: Duration,
    answer: impl Fn(Result<Reply<Vec<T>>, ModelError>, Duration) -> Answer,
) -> Vec<(usize, Answer)> {
    let flops = |part: &Reply<Vec<T>>| part.work.iter().copied().sum::<Work>().computed.flops as f64;
    let total: f64 = parts.iter().map(&flops).sum();
    let even = 1.0 / parts.len().max(1) as f64;
    let share = |part: &Reply<Vec<T>>| if total > 0.0 { flops(part) / total } else { even };
    let timed = parts.into_iter().map(|part| (wall.mul_f64(share(&part)), part));
    shares.iter().zip(timed).map(|((place, _), (wall, part))| (*place, answer(Ok(part), wall))).collect()
}
