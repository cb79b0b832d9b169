//! Sequences that are sampled step by step, rewarded after each step, and multiplied or dropped.

use saffron_core::{NodeId, SearchContext, SearchError};

use super::rank::descending_rewards;
use super::steps::prune;
use super::walk::Walk;
use super::{PathRewards, PathScore, Steps};

/// One sequence with the rewards of its steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) walk: Walk,
    pub(super) path: PathRewards,
    /// Which of several independent trees it belongs to.
    pub(super) tree: usize,
}

/// The sequences that are still written, and how many samples have been drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Population {
    pub(super) members: Vec<Member>,
    samples: u64,
}

impl Population {
    /// `count` sequences of no tokens.
    pub(super) fn at_root(cx: &SearchContext<'_>, count: usize) -> Self {
        let mut population = Self::default();
        population.members = (0..count).map(|_| population.sample(cx, NodeId::ROOT)).collect();
        population
    }

    fn sample(&mut self, cx: &SearchContext<'_>, node: NodeId) -> Member {
        self.samples += 1;
        let walk = Walk::new(cx, node, self.samples - 1);
        Member { walk, path: PathRewards::default(), tree: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Every sequence takes a step and is rewarded for it.
    pub(super) fn advance(&mut self, cx: &mut SearchContext<'_>, steps: &Steps) -> Result<(), SearchError> {
        let mut walks: Vec<Walk> = self.members.iter().map(|member| member.walk.clone()).collect();
        steps.advance(cx, &mut walks)?;
        let rewards = cx.rate(&walks.iter().map(|walk| walk.node).collect::<Vec<_>>())?;
        for (member, (walk, reward)) in self.members.iter_mut().zip(walks.into_iter().zip(rewards)) {
            (member.walk, member.path) = (walk, member.path.then(reward));
        }
        Ok(())
    }

    /// Takes out the sequences that have ended.
    pub(super) fn take_finished(&mut self, cx: &SearchContext<'_>) -> Result<Vec<Member>, SearchError> {
        let mut finished = Vec::new();
        for member in std::mem::take(&mut self.members) {
            let list = if member.walk.ended(cx)? { &mut finished } else { &mut self.members };
            list.push(member);
        }
        Ok(finished)
    }

    /// Sorts by falling score; equals keep their order.
    pub(super) fn rank(&mut self, score: PathScore) {
        self.members.sort_by(|a, b| descending_rewards(score.of(&a.path), score.of(&b.path)));
    }

    /// Keeps the first `count` and ends the others.
    pub(super) fn keep(&mut self, cx: &mut SearchContext<'_>, count: usize) -> Result<(), SearchError> {
        self.members.truncate(count);
        prune(cx, &self.members.iter().map(|member| member.walk.node).collect::<Vec<_>>())
    }

    /// Replaces every member by `copies(place)` of it. The first copy goes on with its random numbers, the others have their own.
    pub(super) fn refill(&mut self, cx: &SearchContext<'_>, copies: impl Fn(usize) -> usize) {
        for (place, member) in std::mem::take(&mut self.members).into_iter().enumerate() {
            for copy in 0..copies(place) {
                let walk = if copy == 0 { member.walk.clone() } else { self.sample(cx, member.walk.node).walk };
                self.members.push(Member { walk, ..member.clone() });
            }
        }
    }

    /// Declares the best of the finished and the open sequences the answer, and shows the level: finished ones first.
    pub(super) fn show(
        &self,
        cx: &mut SearchContext<'_>,
        score: PathScore,
        finished: &[Member],
    ) -> Result<(), SearchError> {
        let scored = |member: &Member| (member.walk.node, score.of(&member.path));
        let beam: Vec<(NodeId, Option<f32>)> = finished.iter().chain(&self.members).map(scored).collect();
        let scores: Vec<Option<f32>> = beam.iter().map(|(_, score)| *score).collect();
        if let Some(best) = super::rank::first_best(&scores) {
            cx.answer(beam[best].0)?;
        }
        cx.level(&beam)
    }
}
