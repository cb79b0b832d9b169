//! Traces: complete, readable again, and the same every time.

use std::ops::ControlFlow;

use saffron_core::testing::ScriptedReward;
use saffron_core::{
    Candidate, Candidates, ChildReward, Coverage, Level, ModelCall, NodeId, Outcome, Policy, SearchObserver,
    SearchStart, Thresholds, TreeChange, with_causes,
};
use saffron_search::trace::{
    JsonlTrace, ScoreSummary, TextTrace, TraceError, TraceEvent, events, read, replay, replay_summaries, report,
};
use saffron_search::{BestOfN, Saffron, Searcher};

use crate::worlds::{scatter, scattered, session, uniform};

/// The levels of a search.
#[derive(Default)]
pub(crate) struct Levels(pub(crate) Vec<Level>);

impl SearchObserver for Levels {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.0.push(level.clone());
        ControlFlow::Continue(())
    }
}

fn trace() -> (Vec<u8>, Vec<Level>) {
    trace_with(JsonlTrace::new(Vec::new()))
}

fn trace_with(trace: JsonlTrace<Vec<u8>>) -> (Vec<u8>, Vec<Level>) {
    let mut policy = uniform();
    let session = session(&policy);
    let mut observer = (trace, Levels::default());
    let searcher = Searcher::new(Saffron::paper(2)).top_p(1.0).min_new_tokens(0).max_new_tokens(3);
    searcher.run_observed(&session, &mut policy, &mut scattered(3, &[0]), &mut observer).unwrap();
    (observer.0.finish().unwrap(), observer.1.0)
}

#[test]
fn a_trace_holds_every_event_and_reads_back() {
    let (bytes, levels) = trace();
    let events = read(&bytes[..]).unwrap();
    assert!(matches!(&events[0], TraceEvent::Start(start) if start.prompt == [1, 2] && start.max_new_tokens == 3));
    assert!(matches!(events.last(), Some(TraceEvent::Finish(outcome)) if outcome.best.tokens.len() <= 3));
    let read: Vec<&Level> = events
        .iter()
        .filter_map(|event| match event {
            TraceEvent::Level(level) => Some(level),
            _ => None,
        })
        .collect();
    assert_eq!(read, levels.iter().collect::<Vec<_>>());
    let calls = events.iter().filter(|event| matches!(event, TraceEvent::Call(_))).count();
    assert_eq!(calls, 2 * (levels.len() - 1), "policy and reward model once a step");
}

#[test]
fn equal_searches_have_equal_traces() {
    assert_eq!(trace().0, trace().0);
}

/// A writer that is full after some bytes.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::Error::from(std::io::ErrorKind::StorageFull))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_trace_that_cannot_be_written_says_so_at_the_end() {
    let mut policy = uniform();
    let session = session(&policy);
    let mut trace = JsonlTrace::new(Full(400));
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3);
    searcher.run_observed(&session, &mut policy, &mut scattered(3, &[0]), &mut trace).unwrap();
    let Err(error) = trace.finish() else { panic!("400 bytes do not hold the trace") };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

/// Everything that an observer is told, as text.
#[derive(Default, PartialEq, Debug)]
struct Told(Vec<String>, Option<usize>);

impl Told {
    fn tell(&mut self, what: impl std::fmt::Debug) {
        self.0.push(format!("{what:?}"));
    }
}

impl SearchObserver for Told {
    fn on_start(&mut self, start: &SearchStart) {
        self.tell(start);
    }

    fn on_call(&mut self, call: &ModelCall) {
        self.tell(call);
    }

    fn on_score(&mut self, node: NodeId, candidates: &Candidates, rewards: &[ChildReward]) {
        self.tell((node, candidates, rewards));
    }

    fn on_change(&mut self, change: &TreeChange) {
        self.tell(change);
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.tell(level);
        if self.1 == Some(level.index) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        let mut outcome = outcome.clone();
        outcome.usage.policy.wall = std::time::Duration::ZERO;
        outcome.usage.reward.wall = std::time::Duration::ZERO;
        self.tell(outcome);
    }
}

#[test]
fn an_observer_is_told_the_same_live_and_from_a_trace() {
    let mut policy = uniform();
    let session = session(&policy);
    // Four candidates at most, so that the summaries hold them all.
    let mut observer = (JsonlTrace::new(Vec::new()), Told::default());
    let searcher = Searcher::new(Saffron::reference(3)).top_p(1.0).min_new_tokens(0).max_new_tokens(4);
    searcher.run_observed(&session, &mut policy, &mut scattered(4, &[0, 2]), &mut observer).unwrap();
    let (trace, live) = (observer.0.finish().unwrap(), observer.1);
    let mut told = Told::default();
    assert_eq!(replay(&read(&trace[..]).unwrap(), &mut told), ControlFlow::Continue(()));
    assert_eq!(told, live);
    assert!(live.0.len() > 30);
}

#[test]
fn an_observer_that_breaks_ends_the_replay() {
    let events = read(&trace().0[..]).unwrap();
    let mut told = Told(Vec::new(), Some(1));
    assert_eq!(replay(&events, &mut told), ControlFlow::Break(()));
    let breaks = events.iter().position(|event| matches!(event, TraceEvent::Level(level) if level.index == 1));
    assert_eq!(told.0.len(), breaks.unwrap() + 1);
}

#[test]
fn a_trace_of_a_replayed_trace_is_that_trace() {
    for k in [1, 3, 8] {
        let (bytes, _) = trace_with(JsonlTrace::new(Vec::new()).with_candidates(k));
        let mut copy = JsonlTrace::new(Vec::new());
        assert_eq!(replay_summaries(&read(&bytes[..]).unwrap(), &mut copy), ControlFlow::Continue(()));
        assert_eq!(copy.finish().unwrap(), bytes);
        // A wider trace holds every narrower one.
        let mut narrow = JsonlTrace::new(Vec::new()).with_candidates(1);
        assert_eq!(replay_summaries(&read(&bytes[..]).unwrap(), &mut narrow), ControlFlow::Continue(()));
        assert_eq!(narrow.finish().unwrap(), trace_with(JsonlTrace::new(Vec::new()).with_candidates(1)).0);
    }
}

fn scores(bytes: &[u8]) -> Vec<ScoreSummary> {
    let events = read(bytes).unwrap().into_iter();
    events.filter_map(|event| if let TraceEvent::Score(summary) = event { Some(summary) } else { None }).collect()
}

#[test]
fn scores_are_summarised_to_the_best_and_the_most_probable() {
    let (bytes, _) = trace_with(JsonlTrace::new(Vec::new()).with_candidates(1));
    let root = &scores(&bytes)[0];
    // All four tokens are equally probable, so the first is token 0, which is unseen.
    assert_eq!((root.node, root.considered, root.unseen, root.mass), (NodeId::ROOT, 4, 1, 1.0));
    let shown: Vec<u32> = root.shown.iter().map(|candidate| candidate.token).collect();
    let best = (1..4).reduce(|a, b| if scatter(&[b]) > scatter(&[a]) { b } else { a }).unwrap();
    assert_eq!(shown, [0, best]);
    assert_eq!(root.by_reward()[0].reward, ChildReward::Seen(scatter(&[best])));
    let (bytes, _) = trace_with(JsonlTrace::new(Vec::new()).with_candidates(0));
    assert!(scores(&bytes).is_empty());
}

#[test]
fn equal_rewards_are_ordered_by_probability_then_token() {
    let ranked = [(5, -1.0), (2, -2.0), (4, -2.0), (9, -3.0)].map(|(token, logprob)| Candidate { token, logprob });
    let candidates = Candidates { ranked: ranked.to_vec(), mass: 0.7, coverage: Coverage::Truncated };
    let rewards = [ChildReward::Unseen, ChildReward::Seen(0.0), ChildReward::Seen(-0.0), ChildReward::Seen(1.0)];
    let summary = ScoreSummary::new(NodeId::ROOT, &candidates, &rewards, 4);
    let order: Vec<u32> = summary.by_reward().iter().map(|candidate| candidate.token).collect();
    assert_eq!(order, [9, 2, 4, 5]);
    let narrow: Vec<u32> = summary.narrowed(2).shown.iter().map(|candidate| candidate.token).collect();
    assert_eq!(narrow, [5, 2, 9]);
    assert_eq!(summary.narrowed(2), ScoreSummary::new(NodeId::ROOT, &candidates, &rewards, 2));
}

#[test]
fn rewards_without_a_number_in_json_survive_it() {
    let ranked: Vec<Candidate> = (0..4).map(|token| Candidate { token, logprob: -1.0 }).collect();
    let candidates = Candidates { ranked, mass: 1.0, coverage: Coverage::Full };
    let rewards = [f32::INFINITY, f32::NEG_INFINITY, 0.1].map(ChildReward::Seen);
    let rewards = [&rewards[..], &[ChildReward::Unseen]].concat();
    let summary = ScoreSummary::new(NodeId::ROOT, &candidates, &rewards, 4);
    let text = serde_json::to_string(&TraceEvent::Score(summary.clone())).unwrap();
    assert!(text.contains(r#""reward":"-inf""#) && text.contains(r#""reward":0.1"#), "{text}");
    assert_eq!(read(text.as_bytes()).unwrap(), [TraceEvent::Score(summary)]);
    let wrong = text.replace("-inf", "low");
    assert!(with_causes(&read(wrong.as_bytes()).unwrap_err()).contains("found \"low\""));
    let odd = text.replace("\"-inf\"", "true");
    let found = with_causes(&read(odd.as_bytes()).unwrap_err());
    assert!(
        found.contains("boolean `true`, expected a number, \"unseen\", \"inf\"") && !found.contains("untagged"),
        "{found}"
    );
    let found = with_causes(&read(&b"3\n"[..]).unwrap_err());
    assert!(found.contains("expected an object whose `event` says what it is"), "{found}");
}

#[test]
fn traces_without_scores_and_changes_still_read() {
    let old = concat!(
        r#"{"event":"start","strategy":"greedy","reward":"none","prompt":[1],"prefill":[],"max_new_tokens":2}"#,
        "\n",
        r#"{"event":"level","index":0,"beam":[{"node":0,"tokens":[],"reward":null,"stop":null}]}"#,
        "\n",
    );
    let events = read(old.as_bytes()).unwrap();
    assert!(matches!(&events[..], [TraceEvent::Start(_), TraceEvent::Level(level)] if level.beam.len() == 1));
}

#[test]
fn a_torn_and_a_foreign_line_name_their_number() {
    let (bytes, _) = trace();
    let whole = String::from_utf8(bytes).unwrap();
    let torn = &whole[..whole.len() - 10];
    let last = whole.lines().count();
    assert!(matches!(read(torn.as_bytes()), Err(TraceError::Torn { line, .. }) if line == last));
    let foreign = whole.replacen("\"event\":\"call\"", "\"event\":\"cell\"", 1);
    let error = read(foreign.as_bytes()).unwrap_err();
    let line = 1 + foreign.lines().position(|line| line.contains("cell")).unwrap();
    assert!(
        with_causes(&error).starts_with(&format!("line {line} is no event of a trace: unknown variant `cell`")),
        "{error:?}"
    );
    assert!(matches!(read(&b"{}\n"[..]), Err(TraceError::Foreign { line: 1, .. })));
    assert!(matches!(read(&b"\xff\n"[..]), Err(TraceError::Read { line: 1, .. })));
    // What comes after a bad line can still be read.
    let good = events(foreign.as_bytes()).filter(Result::is_ok).count();
    assert_eq!(good, last - 1);
}

/// A reader that fails for ever after its first line.
struct Broken(bool);

impl std::io::Read for Broken {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if std::mem::replace(&mut self.0, true) {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        bytes[..3].copy_from_slice(b"{}\n");
        Ok(3)
    }
}

#[test]
fn a_reader_that_fails_ends_the_events() {
    let found: Vec<_> = events(std::io::BufReader::new(Broken(false))).collect();
    assert!(matches!(found[..], [Err(TraceError::Foreign { line: 1, .. }), Err(TraceError::Read { line: 2, .. })]));
}

#[test]
fn infinite_rewards_are_read_back_as_they_were() {
    let mut policy = uniform();
    let session = session(&policy);
    let mut rewards = ScriptedReward::new(f32::NEG_INFINITY).with(vec![1], f32::INFINITY);
    for searcher in [Searcher::new(BestOfN::new(3)), Searcher::new(Saffron::paper(3)).min_new_tokens(0)] {
        let searcher = searcher.max_new_tokens(2).judged_by(Thresholds::new(0.0, 0.0).unwrap());
        let mut trace = JsonlTrace::new(Vec::new());
        let outcome = searcher.run_observed(&session, &mut policy, &mut rewards, &mut trace).unwrap();
        let events = read(&trace.finish().unwrap()[..]).unwrap();
        let Some(TraceEvent::Finish(read)) = events.last() else { panic!("a trace ends with its outcome") };
        assert!(read.best.reward.is_some_and(f32::is_infinite));
        assert_eq!((&read.best, &read.beam, read.verdict), (&outcome.best, &outcome.beam, outcome.verdict));
    }
}

#[test]
fn a_text_trace_is_the_same_live_and_replayed_and_names_every_sequence() {
    let mut policy = uniform();
    let session = session(&policy);
    let text = |vocabulary| TextTrace::new(Vec::new(), vocabulary);
    let mut observer = (JsonlTrace::new(Vec::new()), (text(policy.vocabulary()), Levels::default()));
    let searcher = Searcher::new(Saffron::paper(2)).top_p(1.0).min_new_tokens(0).max_new_tokens(3);
    searcher.run_observed(&session, &mut policy, &mut scattered(3, &[0]), &mut observer).unwrap();
    let (jsonl, (live, Levels(levels))) = observer;
    let live = String::from_utf8(live.finish().unwrap()).unwrap();
    let mut replayed = text(policy.vocabulary());
    assert!(replay(&read(&jsonl.finish().unwrap()[..]).unwrap(), &mut replayed).is_continue());
    assert_eq!(String::from_utf8(replayed.finish().unwrap()).unwrap(), live);
    let sequences: usize = levels.iter().map(|level| level.beam.len()).sum();
    assert_eq!(live.lines().count(), 2 + levels.len() + sequences, "{live}");
    let last = levels.last().unwrap().beam.first().unwrap();
    let text = policy.vocabulary().decode(&last.tokens).unwrap();
    assert!(live.contains(&format!("\n  {}  {text:?}", report::reward(last.reward))), "{live}");
}

#[test]
fn a_text_trace_that_cannot_be_written_ends_the_search_and_says_why() {
    let mut policy = uniform();
    let session = session(&policy);
    let mut trace = TextTrace::new(Full(0), policy.vocabulary());
    let searcher = Searcher::new(Saffron::paper(2)).top_p(1.0).min_new_tokens(0).max_new_tokens(3);
    let outcome = searcher.run_observed(&session, &mut policy, &mut scattered(3, &[0]), &mut trace).unwrap();
    assert_eq!(outcome.stop, saffron_core::StopReason::Observer);
    assert_eq!(trace.finish().err().map(|error| error.kind()), Some(std::io::ErrorKind::StorageFull));
}
