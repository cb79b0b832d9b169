//! Two searches that should be the same, and whether they part where float noise may decide.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;

use saffron_core::{
    BeamEntry, Candidates, ChildReward, ChildScorer, Level, ModelError, Reply, SearchObserver, Session, Token,
};
use saffron_examples::cases::Node;

/// Decisions closer than this may fall either way.
pub(crate) const TIE: f32 = 2e-5;

/// Sends the beam of every level, as cases have it.
pub(crate) struct Levels(pub(crate) Sender<Vec<Node>>);

impl SearchObserver for Levels {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        let node = |entry: &BeamEntry| Node { tokens: entry.tokens.clone(), reward: entry.reward };
        let _ = self.0.send(level.beam.iter().map(node).collect());
        ControlFlow::Continue(())
    }
}

/// A scorer that remembers what it was asked and what it said.
pub(crate) struct Witness<'a> {
    scorer: &'a mut dyn ChildScorer,
    said: BTreeMap<Vec<Token>, (Candidates, Vec<ChildReward>)>,
}

/// What a search showed and answered.
#[derive(Clone, Copy)]
pub(crate) struct Trail<'a> {
    pub(crate) levels: &'a [Vec<Node>],
    pub(crate) output: &'a [Token],
}

/// Where two searches part.
#[derive(Debug)]
pub(crate) struct Parting {
    #[allow(dead_code, reason = "told by a test that fails")]
    pub(crate) what: String,
    /// How much would have had to change for them to agree; infinite where no small change explains it.
    pub(crate) margin: f32,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(scorer: &'a mut dyn ChildScorer) -> Self {
        Self { scorer, said: BTreeMap::new() }
    }

    /// Where the search that it served parts from another, if it does.
    pub(crate) fn parting(&self, found: Trail<'_>, expected: Trail<'_>, top_p: f32) -> Option<Parting> {
        let fault = |what: String| Some(Parting { what, margin: f32::INFINITY });
        for (level, (ours, theirs)) in found.levels.iter().zip(expected.levels).enumerate() {
            if let Some((ours, theirs)) = ours.iter().zip(theirs).find(|(a, b)| a.tokens != b.tokens) {
                let what = format!("level {level}: {ours:?} for {theirs:?}");
                return Some(Parting { what, margin: self.margin(ours, &theirs.tokens, top_p) });
            }
            if ours.len() != theirs.len() {
                return fault(format!("level {level}: {} sequences for {}", ours.len(), theirs.len()));
            }
            if let Some(pair) = ours.iter().zip(theirs).find(|(a, b)| !same_reward(a.reward, b.reward)) {
                return fault(format!("level {level}: rewards of {pair:?}"));
            }
        }
        if found.levels.len() != expected.levels.len() {
            return fault(format!("{} levels for {}", found.levels.len(), expected.levels.len()));
        }
        let reward = |tokens: &[Token]| {
            let last = found.levels.last()?;
            last.iter().find(|node| node.tokens == tokens)?.reward
        };
        let margin = match (reward(found.output), reward(expected.output)) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs(),
            _ => f32::INFINITY,
        };
        let what = format!("output {:?} for {:?}", found.output, expected.output);
        (found.output != expected.output).then_some(Parting { what, margin })
    }

    /// The least change that lets another sequence stand where one stands: of rewards, or of mass at a nucleus' edge.
    fn margin(&self, ours: &Node, theirs: &[Token], top_p: f32) -> f32 {
        let edges = self.edge(&ours.tokens, top_p).min(self.edge(theirs, top_p));
        match (self.reward(&ours.tokens).or(ours.reward), self.reward(theirs)) {
            (Some(ours), Some(theirs)) => edges.min((ours - theirs).abs()),
            _ => edges,
        }
    }

    fn reward(&self, tokens: &[Token]) -> Option<f32> {
        let (token, parent) = tokens.split_last()?;
        let (candidates, rewards) = self.said.get(parent)?;
        candidates.tokens().position(|candidate| candidate == *token).and_then(|place| rewards[place].seen())
    }

    /// How far a sequence's last token is from leaving its nucleus. One that was never in it may be anywhere: no excuse. And where all mass is
    /// wanted, there is no edge.
    fn edge(&self, tokens: &[Token], top_p: f32) -> f32 {
        let Some((token, parent)) = tokens.split_last() else { return f32::INFINITY };
        let Some((candidates, _)) = self.said.get(parent) else { return f32::INFINITY };
        if top_p >= 1.0 || candidates.tokens().all(|candidate| candidate != *token) {
            return f32::INFINITY;
        }
        let before = candidates.ranked.iter().take_while(|candidate| candidate.token != *token);
        let mass: f32 = before.map(|candidate| candidate.logprob.exp()).sum();
        (mass - top_p).abs()
    }
}

fn same_reward(a: Option<f32>, b: Option<f32>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-3,
        (a, b) => a == b,
    }
}

impl ChildScorer for Witness<'_> {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let reply = self.scorer.score_children(sessions, candidates)?;
        for ((session, candidates), rewards) in sessions.iter().zip(candidates).zip(&reply.value) {
            self.said.insert(session.response().to_vec(), (candidates.clone(), rewards.clone()));
        }
        Ok(reply)
    }

    fn describe(&self) -> String {
        self.scorer.describe()
    }
}

#[test]
fn only_near_ties_are_excused() {
    use saffron_core::testing::{ScriptedReward, TablePolicy};
    use saffron_core::{CandidateFilter, Policy};
    let mut policy = TablePolicy::new(vec![0.0, 1.0, 1.5], vec![0]);
    let session = policy.session(&[1]).unwrap();
    let candidates = policy.propose(std::slice::from_ref(&session), &CandidateFilter::default()).unwrap().value;
    let mut reward = ScriptedReward::new(-1.0).with(vec![1], 2.0).with(vec![2], 2.000_001).with(vec![0], 1.5);
    let mut witness = Witness::new(&mut reward);
    witness.score_children(&[session], &candidates).unwrap();
    let level = |tokens: &[Token]| -> Vec<Node> {
        tokens.iter().map(|token| Node { tokens: vec![*token], reward: None }).collect()
    };
    let margin = |ours: &[Token], theirs: &[Token]| {
        let (ours, theirs) = (vec![level(ours)], vec![level(theirs)]);
        let trail = |levels| Trail { levels, output: &[1] };
        witness.parting(trail(&ours), trail(&theirs), 1.0).map(|parting| parting.margin)
    };
    assert!(margin(&[1, 2], &[1, 2]).is_none());
    assert!(margin(&[1, 2], &[2, 1]).unwrap() < TIE);
    assert!(margin(&[1, 2], &[1, 0]).unwrap() > 0.1, "neither rewards nor masses are close");
    assert!(margin(&[1, 2], &[1]).unwrap() > 0.1, "a sequence is missing");
    assert!(margin(&[1, 2], &[1, 7]).unwrap() > 0.1, "a token that was no candidate");
}
