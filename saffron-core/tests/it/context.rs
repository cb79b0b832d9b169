//! The search context: the only door to the models, and what it refuses.

use saffron_core::testing::{Counting, ScriptedReward, TablePolicy, conformance};
use saffron_core::{
    Budget, CandidateFilter, Candidates, Child, ChildReward, ChildScorer, ConfigError, ContextSettings, DirectPort,
    ModelError, ModelPort, NoReward, NodeId, NodeState, OrmScorer, PlainVocabulary, Policy, PrmScorer, Reply,
    SearchContext, SearchDriver, SearchErrorKind, SearchObserver, Session, StopReason, TreeChange, with_causes,
};

fn settings() -> ContextSettings {
    let filter = CandidateFilter { top_p: 0.9, ..CandidateFilter::default() };
    ContextSettings { filter, max_new_tokens: 3, budget: Budget::default(), seed: 0 }
}

fn child(token: u32) -> Child {
    Child { token, logprob: -0.5, reward: ChildReward::Seen(1.0) }
}

/// Runs a check in a context over the doubles; token 0 ends sequences.
fn with_context(settings: ContextSettings, check: impl FnOnce(&mut SearchContext<'_>)) {
    let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]);
    let mut reward = ScriptedReward::new(0.0);
    let session = policy.session(&[1, 2]).unwrap();
    let mut port = conformance::port(&mut policy, &mut reward);
    let mut observer = ();
    check(SearchDriver::new(&mut port, &mut observer, &session, settings).unwrap().context());
}

#[test]
fn sequences_end_by_token_and_by_length() {
    with_context(settings(), |cx| {
        let a = cx.grow(NodeId::ROOT, child(1)).unwrap();
        let ended = cx.grow(a, child(0)).unwrap();
        assert_eq!(cx.tree().state(ended).unwrap(), NodeState::Ended(StopReason::EndOfSequence(0)));
        let b = cx.grow(a, child(2)).unwrap();
        let full = cx.grow(b, child(2)).unwrap();
        assert_eq!(cx.tree().state(full).unwrap(), NodeState::Ended(StopReason::MaxNewTokens));
        assert_eq!(cx.tree().tokens(full).unwrap(), [1, 2, 2]);
        assert!(cx.open().is_empty());
    });
}

#[test]
fn what_has_ended_or_does_not_exist_cannot_grow() {
    with_context(settings(), |cx| {
        let a = cx.grow(NodeId::ROOT, child(0)).unwrap();
        for error in [cx.grow(a, child(1)).unwrap_err(), cx.propose(&[a]).unwrap_err()] {
            assert!(matches!(error.kind(), SearchErrorKind::NodeClosed { node: 1, .. }), "{error}");
        }
    });
    let mut far = None;
    with_context(settings(), |cx| far = Some(cx.grow(NodeId::ROOT, child(1)).unwrap()));
    with_context(settings(), |cx| {
        let error = cx.extend(far.unwrap(), child(1)).unwrap_err();
        assert!(matches!(error.kind(), SearchErrorKind::UnknownNode { node: 1, size: 1 }), "{error}");
    });
}

#[test]
fn a_spent_budget_halts_before_the_next_call() {
    let budget = Budget { max_policy_calls: Some(1), ..Budget::default() };
    with_context(ContextSettings { budget, ..settings() }, |cx| {
        assert!(cx.propose(&[NodeId::ROOT]).is_ok());
        let error = cx.propose(&[NodeId::ROOT]).unwrap_err();
        assert!(matches!(error.kind(), SearchErrorKind::Halted(StopReason::Budget(_))), "{error}");
        assert_eq!(cx.usage().policy.calls, 1);
    });
}

#[test]
fn no_nodes_no_call() {
    with_context(settings(), |cx| {
        assert!(cx.score_children(&[]).unwrap().is_empty());
        assert_eq!((cx.usage().policy.calls, cx.usage().reward.calls), (0, 0));
    });
}

#[test]
fn random_numbers_depend_on_seed_and_prompt_only() {
    use rand_core::Rng;
    let draw = |seed, prompt: &[u32]| {
        let mut policy = TablePolicy::new(vec![0.0; 9], vec![0]);
        let mut reward = ScriptedReward::new(0.0);
        let session = policy.session(prompt).unwrap();
        let mut port = conformance::port(&mut policy, &mut reward);
        let mut observer = ();
        let settings = ContextSettings { seed, ..settings() };
        SearchDriver::new(&mut port, &mut observer, &session, settings).unwrap().context().rng().next_u64()
    };
    assert_eq!(draw(7, &[1, 2]), draw(7, &[1, 2]));
    assert_ne!(draw(7, &[1, 2]), draw(8, &[1, 2]));
    assert_ne!(draw(7, &[1, 2]), draw(7, &[2, 1]));
}

#[test]
fn settings_that_cannot_be_run_with_are_refused() {
    let refuse = |settings| {
        let mut policy = TablePolicy::new(vec![0.0; 3], vec![0]);
        let mut reward = ScriptedReward::new(0.0);
        let session = policy.session(&[1]).unwrap();
        let mut port = conformance::port(&mut policy, &mut reward);
        let mut observer = ();
        let error = SearchDriver::new(&mut port, &mut observer, &session, settings).unwrap_err();
        let SearchErrorKind::Config(kind) = error.kind() else { panic!("{error}") };
        kind.clone()
    };
    let zero = ContextSettings { max_new_tokens: 0, ..settings() };
    assert_eq!(refuse(zero), ConfigError::Zero { what: "max_new_tokens" });
    let filter = CandidateFilter { top_p: 1.5, ..CandidateFilter::default() };
    assert_eq!(refuse(ContextSettings { filter, ..settings() }), ConfigError::TopP { found: 1.5 });
}

/// A scorer that answers wrongly in one of several ways.
struct Broken(&'static str);

impl ChildScorer for Broken {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let whole = |reward| candidates.iter().map(|list| vec![ChildReward::Seen(reward); list.len()]).collect();
        let value: Vec<Vec<ChildReward>> = match self.0 {
            "NaN" => whole(f32::NAN),
            "no sessions" => Vec::new(),
            _ => vec![Vec::new(); sessions.len()],
        };
        Ok(Reply::free(value, sessions.len()))
    }

    fn describe(&self) -> String {
        String::from("broken")
    }
}

#[test]
fn wrong_answers_of_a_model_are_errors_not_panics() {
    for (fault, says) in [("NaN", "must not be NaN"), ("no sessions", "answers of a batch"), ("short", "of a session")]
    {
        let (mut policy, mut scorer) = (TablePolicy::new(vec![0.0, 1.0], vec![0]), Broken(fault));
        let session = policy.session(&[1]).unwrap();
        let mut port = conformance::port(&mut policy, &mut scorer);
        let mut observer = ();
        let mut driver = SearchDriver::new(&mut port, &mut observer, &session, settings()).unwrap();
        let cx = driver.context();
        let error = cx.score_children(&[NodeId::ROOT]).unwrap_err();
        assert!(with_causes(&error).contains(says), "{error:?}");
    }
}

/// A policy and a scorer whose replies have one entry of work too many or too few.
struct Miscounting {
    policy: TablePolicy,
    extra: bool,
}

fn miscounted<T>(mut reply: Reply<T>, extra: bool) -> Reply<T> {
    if extra {
        reply.work.push(saffron_core::Work::default());
    } else {
        reply.work.pop();
    }
    reply
}

impl Policy for Miscounting {
    fn vocabulary(&self) -> std::sync::Arc<dyn saffron_core::Vocabulary> {
        self.policy.vocabulary()
    }

    fn end_tokens(&self) -> Vec<saffron_core::Token> {
        self.policy.end_tokens()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        Ok(miscounted(self.policy.propose(sessions, filter)?, self.extra))
    }
}

impl ChildScorer for Miscounting {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        Ok(miscounted(ScriptedReward::new(0.0).score_children(sessions, candidates)?, self.extra))
    }

    fn describe(&self) -> String {
        String::from("miscounting")
    }
}

#[test]
fn a_port_refuses_a_reply_without_one_entry_of_work_a_session() {
    let table = TablePolicy::new(vec![0.0, 1.0], vec![0]);
    let session = table.session(&[1]).unwrap();
    let sessions = [session.clone(), session];
    let candidates = table.clone().propose(&sessions, &CandidateFilter::default()).unwrap().value;
    for (extra, entries) in [(true, 3), (false, 1)] {
        let mut policy = Miscounting { policy: table.clone(), extra };
        let mut scorer = Miscounting { policy: table.clone(), extra };
        let mut port = DirectPort::new(&mut policy, &mut scorer);
        let proposed = port.propose(&sessions, &CandidateFilter::default()).map(drop);
        for refused in [proposed, port.score(&sessions, &candidates).map(drop)] {
            let error = refused.unwrap_err();
            let ModelError::BatchMismatch { what, expected, found } = error else { panic!("{error}") };
            assert_eq!((what, expected, found), ("work entries of a batch", 2, entries));
        }
    }
}

#[test]
fn every_kind_of_reward_model_gives_the_same_children() {
    let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]);
    let session = [policy.session(&[1, 2]).unwrap()];
    let candidates = policy.propose(&session, &CandidateFilter::default()).unwrap().value;
    let rewards = ScriptedReward::new(0.5).with(vec![1], -1.0).with(vec![2], 3.0);
    let mut mrm = rewards.clone();
    let by_mrm = mrm.score_children(&session, &candidates).unwrap();
    let by_prm = PrmScorer(rewards.clone()).score_children(&session, &candidates).unwrap();
    let by_orm = OrmScorer(rewards).score_children(&session, &candidates).unwrap();
    assert_eq!(by_mrm.value, by_prm.value);
    assert_eq!(by_mrm.value, by_orm.value);
    assert!(by_prm.total().computed.tokens > 3 * by_mrm.total().computed.tokens, "a child costs a forward pass");
}

#[test]
fn the_doubles_keep_to_the_contracts() {
    let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0, -1.0], vec![0]).with_row(vec![2], vec![3.0, 0.0, 0.0, 0.0]);
    let session = policy.session(&[1, 2]).unwrap();
    let sessions = [session.clone(), session.with_response(vec![2]).unwrap()];
    conformance::policy(&mut policy, &sessions);
    let candidates = policy.propose(&sessions, &CandidateFilter::default()).unwrap().value;
    let mut rewards = ScriptedReward::new(0.5).with(vec![1], -1.0);
    conformance::child_scorer(&mut rewards, &sessions, &candidates);
    conformance::child_scorer(&mut PrmScorer(rewards.clone()), &sessions, &candidates);
    conformance::process_reward(&mut rewards, &sessions);
}

#[test]
fn sessions_refuse_what_lies_outside_their_vocabulary() {
    let vocabulary = PlainVocabulary::shared(4);
    assert!(matches!(Session::new(vocabulary.clone(), vec![]), Err(ModelError::EmptyPrompt)));
    let error = Session::new(vocabulary.clone(), vec![4]).unwrap_err();
    assert!(matches!(error, ModelError::TokenOutOfRange { token: 4, size: 4 }), "{error}");
    let session = Session::new(vocabulary, vec![1]).unwrap();
    assert!(session.with_response(vec![9]).is_err());
    assert!(session.with_prefill(vec![9]).is_err());
}

#[test]
fn ports_hand_on_what_models_say() {
    let (mut policy, mut reward) = (TablePolicy::new(vec![0.0, 1.0], vec![1]), ScriptedReward::new(0.0));
    let port = conformance::port(&mut policy, &mut reward);
    assert_eq!((port.end_tokens(), port.vocabulary().size()), (vec![1], 2));
    assert_eq!(port.describe_rewards(), "scripted rewards");
    assert!(port.scores());
    assert!(!conformance::port(&mut policy, &mut NoReward).scores());
}

fn unrated(token: u32) -> Child {
    Child { token, logprob: -0.5, reward: ChildReward::Unseen }
}

/// Runs a check in a context over the doubles with a reward model that is watched.
fn with_rewards(reward: ScriptedReward, check: impl FnOnce(&mut SearchContext<'_>)) -> Counting<ScriptedReward> {
    let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]);
    let mut reward = Counting::new(reward);
    let session = policy.session(&[1, 2]).unwrap();
    let mut port = conformance::port(&mut policy, &mut reward);
    let mut observer = ();
    check(SearchDriver::new(&mut port, &mut observer, &session, settings()).unwrap().context());
    reward
}

#[test]
fn nodes_are_rated_as_children_all_of_a_parent_in_one_session_and_only_once() {
    let rewards = ScriptedReward::new(0.0).with(vec![1], 1.0).with(vec![2], 2.0).with(vec![1, 2], 3.0);
    let counted = with_rewards(rewards, |cx| {
        let one = cx.grow(NodeId::ROOT, unrated(1)).unwrap();
        let two = cx.grow(NodeId::ROOT, unrated(2)).unwrap();
        // A second sample of the same token.
        let twin = cx.grow(NodeId::ROOT, unrated(2)).unwrap();
        let deep = cx.grow(one, unrated(2)).unwrap();
        let found = cx.rate(&[deep, two, one, twin, two, NodeId::ROOT]).unwrap();
        assert_eq!(found, [Some(3.0), Some(2.0), Some(1.0), Some(2.0), Some(2.0), None]);
        assert_eq!(cx.rate(&[two, deep]).unwrap(), [Some(2.0), Some(3.0)]);
        assert_eq!(cx.tree().reward(twin).unwrap(), Some(2.0));
    });
    assert_eq!((counted.calls, counted.sessions), (1, 2), "two parents");
}

#[test]
fn an_unseen_end_is_rated_by_what_stands_before_it_and_other_unseen_tokens_are_not() {
    let mut unseen = saffron_core::TokenSet::new(3);
    assert!(unseen.insert(0) && unseen.insert(1));
    let rewards = ScriptedReward::new(0.0).with(vec![2], 2.0).with_unseen(unseen);
    with_rewards(rewards, |cx| {
        let seen = cx.grow(NodeId::ROOT, unrated(2)).unwrap();
        let end = cx.grow(seen, unrated(0)).unwrap();
        let lost = cx.grow(seen, unrated(1)).unwrap();
        let bare = cx.grow(NodeId::ROOT, unrated(0)).unwrap();
        assert_eq!(cx.rate(&[end, lost, bare]).unwrap(), [Some(2.0), None, None]);
    });
}

#[test]
fn a_node_below_one_that_was_closed_is_rated_and_only_what_was_closed_cannot_go_on() {
    let rewards = ScriptedReward::new(0.0).with(vec![1, 2], 3.0).with(vec![1, 2, 1], 4.0).with(vec![1], 1.0);
    let counted = with_rewards(rewards, |cx| {
        let parent = cx.grow(NodeId::ROOT, unrated(1)).unwrap();
        let node = cx.grow(parent, unrated(2)).unwrap();
        let deep = cx.grow(node, unrated(1)).unwrap();
        cx.close(parent, StopReason::Pruned).unwrap();
        cx.close(node, StopReason::Pruned).unwrap();
        assert_eq!(cx.rate(&[node, deep, parent]).unwrap(), [Some(3.0), Some(4.0), Some(1.0)]);
        assert_eq!(cx.tree().state(parent).unwrap(), NodeState::Ended(StopReason::Pruned));
        let error = cx.propose(&[node]).unwrap_err();
        assert!(matches!(error.kind(), SearchErrorKind::NodeClosed { node: 2, .. }), "{error}");
    });
    assert_eq!((counted.calls, counted.sessions), (1, 3));
}

#[test]
fn an_unseen_end_below_a_closed_node_is_rated_by_what_stands_before_it() {
    let mut unseen = saffron_core::TokenSet::new(3);
    assert!(unseen.insert(0));
    let rewards = ScriptedReward::new(0.0).with(vec![1, 2], 2.0).with_unseen(unseen);
    with_rewards(rewards, |cx| {
        let parent = cx.grow(NodeId::ROOT, unrated(1)).unwrap();
        let node = cx.grow(parent, unrated(2)).unwrap();
        let end = cx.grow(node, unrated(0)).unwrap();
        cx.close(parent, StopReason::Pruned).unwrap();
        assert_eq!(cx.rate(&[end]).unwrap(), [Some(2.0)]);
    });
}

#[test]
fn streams_of_random_numbers_are_those_of_the_prompt_and_differ() {
    with_context(settings(), |cx| {
        use rand_core::Rng;
        let first = |stream: u64| cx.stream(stream).next_u64();
        let numbers = [first(0), first(1), first(2)];
        assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2]);
        assert_eq!([first(0), first(1), first(2)], numbers, "a stream begins the same every time");
        assert_eq!(cx.rng().next_u64(), numbers[0], "stream 0 is the prompt's own");
    });
}

/// Writes down what changed.
#[derive(Default)]
struct Changes(Vec<TreeChange>);

impl SearchObserver for Changes {
    fn on_change(&mut self, change: &TreeChange) {
        self.0.push(*change);
    }
}

#[test]
fn observers_see_every_change_of_the_tree() {
    let (mut policy, mut reward) = (TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]), ScriptedReward::new(4.0));
    let session = policy.session(&[1, 2]).unwrap();
    let mut port = conformance::port(&mut policy, &mut reward);
    let mut observer = (Changes::default(), Some(Changes::default()));
    let mut driver = SearchDriver::new(&mut port, &mut observer, &session, settings()).unwrap();
    let cx = driver.context();
    let node = cx.grow(NodeId::ROOT, unrated(0)).unwrap();
    cx.rate(&[node]).unwrap();
    drop(driver);
    let stop = StopReason::EndOfSequence(0);
    let grown = TreeChange::Grown { node, parent: NodeId::ROOT, token: 0, logprob: -0.5, reward: None };
    let expected = [grown, TreeChange::Ended { node, stop }, TreeChange::Rated { node, reward: 4.0 }];
    assert_eq!(observer.0.0, expected);
    assert_eq!(observer.1.unwrap().0, expected);
}

#[test]
fn a_session_of_another_vocabulary_is_refused_before_any_call() {
    let (mut policy, mut reward) = (Counting::new(TablePolicy::new(vec![0.0; 3], vec![0])), ScriptedReward::new(0.0));
    let session = Session::new(PlainVocabulary::shared(4), vec![1]).unwrap();
    let mut port = conformance::port(&mut policy, &mut reward);
    let mut observer = ();
    let error = SearchDriver::new(&mut port, &mut observer, &session, settings()).unwrap_err();
    assert!(with_causes(&error).contains("mean nothing to a model of vocabulary"), "{error:?}");
    assert_eq!(policy.calls, 0);
}
