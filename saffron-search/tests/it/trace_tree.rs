//! The view of a search's tree: complete, the same live and replayed, and right about why.

use std::ops::ControlFlow;

use saffron_core::testing::ScriptedReward;
use saffron_core::{
    Budget, Candidate, Candidates, ChildReward, ChildScorer, Coverage, Level, Limit, NodeId, Outcome, Policy,
    SearchObserver, Session, StopReason, TreeChange,
};
use saffron_search::trace::tree::{Passed, SearchTreeView, dot, html, outline};
use saffron_search::trace::{JsonlTrace, read, replay_summaries};
use saffron_search::{Greedy, Saffron, Searcher};

use crate::words::{Steady, Words};
use crate::worlds::{scattered, session, set, uniform};

pub(crate) fn view(
    searcher: &Searcher,
    session: &Session,
    policy: &mut dyn Policy,
    reward: &mut dyn ChildScorer,
) -> (SearchTreeView, Outcome) {
    let mut view = SearchTreeView::default();
    let outcome = searcher.run_observed(session, policy, reward, &mut view).unwrap();
    (view, outcome)
}

fn small(strategy: Saffron) -> Searcher {
    Searcher::new(strategy).top_p(1.0).min_new_tokens(0).max_new_tokens(4)
}

#[test]
fn a_view_is_the_same_live_and_from_a_trace() {
    let searchers = [
        Searcher::new(Saffron::paper(5)).min_new_tokens(2).max_new_tokens(8),
        Searcher::new(Saffron::reference(5)).min_new_tokens(2).max_new_tokens(8),
        Searcher::new(Greedy).max_new_tokens(8),
    ];
    for searcher in searchers {
        for (kept, traced) in [(8, 8), (2, 8), (8, 20)] {
            let session = Words.session();
            let trace = JsonlTrace::new(Vec::new()).with_candidates(traced);
            let mut observer = (trace, SearchTreeView::with_candidates(kept));
            searcher.run_observed(&session, &mut Words, &mut Steady, &mut observer).unwrap();
            let (bytes, live) = (observer.0.finish().unwrap(), observer.1);
            let mut replayed = SearchTreeView::with_candidates(kept);
            assert_eq!(replay_summaries(&read(&bytes[..]).unwrap(), &mut replayed), ControlFlow::Continue(()));
            assert_eq!(replayed, live);
            assert_eq!((html(&replayed), dot(&replayed)), (html(&live), dot(&live)));
            assert_eq!(SearchTreeView::of_trace(&read(&bytes[..]).unwrap(), kept), Some(live));
        }
    }
}

#[test]
fn a_view_holds_the_whole_tree_and_the_way_to_the_answer() {
    for strategy in [Saffron::paper(3), Saffron::reference(3)] {
        let mut policy = uniform();
        let session = session(&policy);
        let (view, outcome) = view(&small(strategy), &session, &mut policy, &mut scattered(4, &[2]));
        let tokens: Vec<u32> = view.answer_path().iter().filter_map(|id| view.node(*id)?.token).collect();
        assert_eq!(tokens, outcome.best.tokens);
        for (id, node) in view.nodes() {
            assert_eq!(view.path(id).len(), node.depth + 1);
            assert_eq!(node.parent.is_none(), id == NodeId::ROOT);
            for child in &node.children {
                assert_eq!(view.node(*child).unwrap().parent, Some(id));
            }
            assert!(!node.children.is_empty() || node.stop.is_some(), "every leaf says why it ended");
        }
        assert_eq!(view.nodes().flat_map(|(_, node)| &node.children).count() + 1, view.nodes().count());
        let (_, first) = view.nodes().nth(1).unwrap();
        assert_eq!((first.places[0].level, first.depth), (1, 1));
        assert_eq!(view.levels(), 5);
    }
}

#[test]
fn what_was_passed_over_says_why() {
    // [1] and [2] fill the beam; [3] has too little, token 0 is unseen.
    let mut reward = ScriptedReward::new(-1.0).with(vec![1], 2.0).with(vec![2], 0.4).with(vec![3], -1.2);
    reward = reward.with(vec![1, 1], 5.0).with(vec![1, 2], 4.0).with_unseen(set(&[0]));
    let mut policy = uniform();
    let session = session(&policy);
    let (view, _) = view(&small(Saffron::paper(2)).max_new_tokens(2), &session, &mut policy, &mut reward);
    let passed: Vec<(u32, String)> =
        view.passed_over(NodeId::ROOT).iter().map(|passed| (passed.candidate.token, passed.why.to_string())).collect();
    let expected = [(3, "reward −1.2 below the beam's cut 0.4"), (0, "unseen by the reward model")];
    assert_eq!(passed, expected.map(|(token, why)| (token, why.to_owned())));
    assert_eq!(view.cut(1), Some(0.4));
    // [2] came into the beam and had no child that could stay.
    let (pruned, node) = view.nodes().find(|(_, node)| node.token == Some(2)).unwrap();
    assert_eq!(node.stop, Some(StopReason::Pruned));
    // Its unseen end of sequence scores what it scored itself, which is below the cut too; the summary shows the seen ones.
    let why = view.why_ended(pruned).unwrap();
    assert_eq!(why, "pruned: best of 4 candidates has reward −1 below the beam's cut 4");
    assert!(view.passed_over(pruned).iter().any(|passed| passed.why == Passed::BelowCut { reward: -1.0, cut: 4.0 }));
    assert_eq!(view.why_ended(NodeId::ROOT), None);
    assert_eq!(view.why_ended(view.answer().unwrap()).unwrap(), "maximum of new tokens");
}

#[test]
fn candidates_that_tie_with_the_cut_or_have_no_cut_say_so() {
    let mut policy = uniform();
    let session = session(&policy);
    let (tied, _) = view(&small(Saffron::paper(2)), &session, &mut policy, &mut ScriptedReward::new(1.0));
    assert_eq!(tied.passed_over(NodeId::ROOT).len(), 2);
    assert!(tied.passed_over(NodeId::ROOT).iter().all(|passed| passed.why == Passed::AtCut { reward: 1.0 }));
    let mut scored = SearchTreeView::default();
    let candidates =
        Candidates { ranked: vec![Candidate { token: 3, logprob: -1.0 }], mass: 0.4, coverage: Coverage::Full };
    scored.on_score(NodeId::ROOT, &candidates, &[ChildReward::Seen(2.5)]);
    assert_eq!(scored.passed_over(NodeId::ROOT)[0].why.to_string(), "reward 2.5, not taken by the strategy");
    // Asked again about fewer candidates, the view keeps what it had.
    scored.on_score(NodeId::ROOT, &Candidates { ranked: Vec::new(), mass: 0.0, ..candidates }, &[]);
    assert_eq!(scored.node(NodeId::ROOT).unwrap().scored.as_ref().unwrap().considered, 1);
}

/// Ends a search at its first level.
struct AtOnce;

impl SearchObserver for AtOnce {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        if level.index == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_search_that_an_observer_ends_leaves_open_nodes_that_say_so() {
    let mut policy = uniform();
    let session = session(&policy);
    let mut observer = (SearchTreeView::default(), AtOnce);
    let searcher = small(Saffron::paper(2));
    searcher.run_observed(&session, &mut policy, &mut scattered(4, &[0]), &mut observer).unwrap();
    let (open, _) = observer.0.nodes().nth(1).unwrap();
    assert_eq!(observer.0.why_ended(open).unwrap(), "still open when the search ended: stopped by an observer");
}

#[test]
fn a_spent_budget_leaves_open_nodes_that_say_so() {
    let budget = Budget { max_reward_calls: Some(2), ..Budget::default() };
    let mut policy = uniform();
    let session = session(&policy);
    let (view, outcome) = view(&small(Saffron::paper(2)).budget(budget), &session, &mut policy, &mut scattered(4, &[]));
    assert_eq!(outcome.stop, StopReason::Budget(Limit::RewardCalls));
    let whys: Vec<String> = view.nodes().filter_map(|(id, _)| view.why_ended(id)).collect();
    assert!(whys.iter().any(|why| why == "still open when the search ended: budget spent: reward calls"), "{whys:?}");
}

#[test]
fn a_new_search_begins_a_new_tree() {
    let session = Words.session();
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3);
    let mut twice = SearchTreeView::default();
    searcher.run_observed(&session, &mut Words, &mut Steady, &mut twice).unwrap();
    let once = twice.clone();
    searcher.run_observed(&session, &mut Words, &mut Steady, &mut twice).unwrap();
    assert_eq!(twice, once);
}

#[test]
fn changes_that_belong_to_no_tree_are_passed_over() {
    let mut view = SearchTreeView::default();
    let node = |index: usize| serde_json::from_value::<NodeId>(index.into()).unwrap();
    let grown = |id, parent, token| TreeChange::Grown {
        node: node(id),
        parent: node(parent),
        token,
        logprob: -1.0,
        reward: None,
    };
    for change in [
        grown(1, 2, 1),
        grown(0, 0, 1),
        grown(usize::MAX, 0, 2),
        grown(usize::MAX, 0, 3),
        grown(5, usize::MAX, 4),
        TreeChange::Ended { node: node(77), stop: StopReason::Pruned },
        TreeChange::Rated { node: node(78), reward: 1.0 },
    ] {
        view.on_change(&change);
    }
    let found: Vec<(usize, Option<u32>, usize)> =
        view.nodes().map(|(id, node)| (id.index(), node.token, node.depth)).collect();
    assert_eq!(found, [(0, None, 0), (5, Some(4), 2), (usize::MAX, Some(2), 1)]);
    assert!(html(&view).contains("3 nodes") && dot(&view).contains("n0 -> n"));
}

#[test]
fn labels_stand_for_ids() {
    let session = Words.session();
    let (view, outcome) = view(&Searcher::new(Saffron::paper(2)).max_new_tokens(3), &session, &mut Words, &mut Steady);
    let answer = view.answer().unwrap();
    assert_eq!(view.token_text(answer), outcome.best.tokens.last().map(ToString::to_string));
    let named = view.labelled(|token| format!("w{token}"));
    assert_eq!(named.token_text(answer), outcome.best.tokens.last().map(|token| format!("w{token}")));
    assert_eq!(named.token_text(NodeId::ROOT), None);
}

#[test]
fn an_unseen_end_of_sequence_shows_the_reward_that_was_kept_for_it() {
    let mut reward = ScriptedReward::new(1.0).with(vec![2], 5.0).with_unseen(set(&[0, 1, 3]));
    let mut policy = uniform();
    let session = session(&policy);
    let (view, outcome) = view(&small(Saffron::paper(4)), &session, &mut policy, &mut reward);
    assert_eq!(outcome.best.tokens, [2, 0]);
    let answer = view.node(view.answer().unwrap()).unwrap();
    assert_eq!((answer.reward, answer.shown_reward()), (None, Some(5.0)));
}

#[test]
fn a_trace_without_a_beginning_has_no_view() {
    assert_eq!(SearchTreeView::of_trace(&[], 8), None);
}

#[test]
fn an_outline_names_the_best_that_was_passed_over_at_every_node_of_the_answer() {
    let mut reward = ScriptedReward::new(-1.0).with(vec![1], 2.0).with(vec![2], 0.4);
    let mut policy = uniform();
    let session = session(&policy);
    let (view, _) = view(&small(Saffron::paper(1)), &session, &mut policy, &mut reward);
    let view = view.labelled_in(&*policy.vocabulary());
    let lines = outline(&view);
    let mut lines = lines.lines();
    // Token 0 ends the answer: of continuations with equal rewards it has the lowest id.
    assert_eq!(lines.next(), Some("3 nodes over 3 levels, 0 given up"));
    assert_eq!(lines.next(), Some("answer: \"10\""));
    assert!(lines.next().unwrap().starts_with("  after \"the prompt\", \"2\" was passed over: "));
    assert!(lines.next().unwrap().starts_with("  after \"1\", \""));
    assert_eq!(lines.next(), None, "the last node has no candidates");
}
