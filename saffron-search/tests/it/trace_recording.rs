//! Searches that run again from what the models said.

use std::time::Duration;

use saffron_core::{ChildReward, DirectPort, ModelError, Outcome, Role, SearchErrorKind, StopReason, with_causes};
use saffron_search::trace::TraceError;
use saffron_search::trace::recording::{
    Answer, RecordedCall, Recording, RecordingPort, ReplayError, ReplayPort, Request,
};
use saffron_search::{Greedy, Saffron, Searcher};

use crate::words::{Steady, Words};

fn saffron(strategy: Saffron) -> Searcher {
    Searcher::new(strategy).min_new_tokens(2).max_new_tokens(6)
}

fn without_times(mut outcome: Outcome) -> Outcome {
    outcome.usage.policy.wall = Duration::ZERO;
    outcome.usage.reward.wall = Duration::ZERO;
    outcome
}

fn recorded(searcher: &Searcher) -> (Outcome, Recording) {
    let (mut policy, mut reward) = (Words, Steady);
    let session = policy.session();
    let mut models = DirectPort::new(&mut policy, &mut reward);
    let mut port = RecordingPort::new(&mut models);
    let outcome = searcher.run_port(&session, &mut port, &mut ()).unwrap();
    (without_times(outcome), port.finish())
}

fn reread(recording: &Recording) -> Recording {
    let mut lines = Vec::new();
    recording.write(&mut lines).unwrap();
    Recording::read(&lines[..]).unwrap()
}

/// What a search says when its requests are not the recorded ones.
fn mismatch(recording: &Recording, searcher: &Searcher) -> ReplayError {
    let mut port = ReplayPort::new(recording.clone());
    let session = port.session().unwrap();
    let error = searcher.run_port(&session, &mut port, &mut ()).unwrap_err();
    let SearchErrorKind::Model { source: ModelError::Other { source, .. }, .. } = error.kind() else {
        panic!("{error}")
    };
    source.downcast_ref::<ReplayError>().unwrap().clone()
}

#[test]
fn a_search_on_a_recording_is_the_live_one() {
    let searchers =
        [Searcher::new(Greedy).max_new_tokens(6), saffron(Saffron::paper(3)), saffron(Saffron::reference(3))];
    for searcher in searchers {
        let (live, recording) = recorded(&searcher);
        assert_eq!(reread(&recording), recording, "recordings survive JSON");
        let mut port = ReplayPort::new(reread(&recording));
        let session = port.session().unwrap();
        assert_eq!((session.prompt(), session.prefill()), (&[1, 2, 4, 5, 16, 17][..], &[23][..]));
        let again = searcher.run_port(&session, &mut port, &mut ()).unwrap();
        assert_eq!(without_times(again), live);
        assert_eq!(port.remaining(), 0);
        assert!(recording.calls.len() > 4, "there was something to answer");
    }
}

#[test]
fn another_width_is_found_out() {
    let (_, recording) = recorded(&saffron(Saffron::paper(3)));
    let error = mismatch(&recording, &saffron(Saffron::paper(4)));
    // Policy and reward model at the root are asked the same; then there is one sequence more.
    assert_eq!(error, ReplayError::Sessions { call: 2, expected: 3, found: 4 });
    assert_eq!(error.to_string(), "call 2: expected 3 sessions, found 4");
}

#[test]
fn another_filter_another_model_and_a_longer_search_are_found_out() {
    let (_, recording) = recorded(&saffron(Saffron::paper(3)));
    let error = mismatch(&recording, &saffron(Saffron::paper(3)).top_p(0.7));
    assert!(matches!(&error, ReplayError::Filter { call: 0, expected, found }
        if (expected.top_p, found.top_p) == (0.8, 0.7)));
    let same_filter = Searcher::new(Greedy).filter(saffron(Saffron::paper(3)).settings().filter.clone());
    let error = mismatch(&recording, &same_filter);
    assert_eq!(error, ReplayError::Role { call: 1, expected: Role::Reward, found: Role::Policy });
    let error = mismatch(&recording, &saffron(Saffron::paper(3)).max_new_tokens(7));
    assert_eq!(error, ReplayError::Exhausted { call: 12 });
}

#[test]
fn other_tokens_are_found_out() {
    let (_, recording) = recorded(&saffron(Saffron::paper(3)));
    let searcher = saffron(Saffron::paper(3));
    let mut other = recording.clone();
    other.calls[2].sessions[1].response = vec![9];
    let error = mismatch(&other, &searcher);
    assert!(matches!(&error, ReplayError::Tokens { call: 2, session: 1, what: "response", expected, found }
        if expected == &[9] && found == &recording.calls[2].sessions[1].response));
    let mut other = recording.clone();
    let Request::Score { candidates } = &mut other.calls[1].request else { panic!("rewards come second") };
    candidates[0].pop();
    assert!(matches!(mismatch(&other, &searcher), ReplayError::Tokens { call: 1, what: "candidates", .. }));

    let mut port = ReplayPort::new(recording);
    let session = port.session().unwrap().with_prefill(vec![]).unwrap();
    let error = searcher.run_port(&session, &mut port, &mut ()).unwrap_err();
    assert!(with_causes(&error).contains("expected the prefill [23], found []"), "{error:?}");
}

#[test]
fn a_recorded_failure_fails_again() {
    let (_, mut recording) = recorded(&saffron(Saffron::paper(3)));
    recording.calls[3].answer = Answer::Failed { message: String::from("no room") };
    let error = mismatch(&reread(&recording), &saffron(Saffron::paper(3)));
    assert_eq!(error, ReplayError::Failed { call: 3, message: String::from("no room") });
    // An answer of the wrong kind is no panic either.
    recording.calls[3].answer = Answer::Candidates { value: Vec::new(), work: Vec::new() };
    assert_eq!(mismatch(&recording, &saffron(Saffron::paper(3))), ReplayError::Answer { call: 3 });
}

#[test]
fn a_failing_model_is_recorded() {
    let (mut policy, mut reward) = (Words, Steady);
    let session = policy.session();
    let mut models = DirectPort::new(&mut policy, &mut reward);
    let mut port = RecordingPort::new(&mut models);
    let all: Vec<u32> = (0..24).collect();
    let filter = saffron_core::CandidateFilter { banned: all, ..Default::default() };
    let searcher = saffron(Saffron::paper(2)).filter(filter);
    let error = searcher.run_port(&session, &mut port, &mut ()).unwrap_err();
    assert_eq!(error.partial().unwrap().stop, StopReason::Strategy);
    let recording = port.finish();
    let Answer::Failed { message } = &recording.calls[0].answer else { panic!("nothing can come next") };
    assert!(message.starts_with("no next token is possible"), "{message}");
}

#[test]
fn rewards_come_back_bit_for_bit() {
    // Multiples of an odd number scatter over all bit patterns.
    let bits = (0..200_000u32).map(|step| step.wrapping_mul(2_654_435_761).wrapping_add(12_345));
    let mut rewards: Vec<ChildReward> =
        bits.map(f32::from_bits).filter(|value| !value.is_nan()).map(ChildReward::Seen).collect();
    rewards.extend([ChildReward::Unseen, ChildReward::Seen(f32::INFINITY), ChildReward::Seen(-0.0)]);
    let call = RecordedCall {
        sessions: Vec::new(),
        request: Request::Score { candidates: Vec::new() },
        answer: Answer::Rewards { value: vec![rewards], work: Vec::new() },
    };
    let recording = Recording { calls: vec![call], ..Recording::default() };
    let bits = |recording: &Recording| -> Vec<Option<u32>> {
        let Answer::Rewards { value, .. } = &recording.calls[0].answer else { panic!("rewards were recorded") };
        value[0].iter().map(|reward| reward.seen().map(f32::to_bits)).collect()
    };
    assert_eq!(bits(&reread(&recording)), bits(&recording));
}

#[test]
fn lines_of_a_recording_out_of_place_name_their_number() {
    let (_, recording) = recorded(&saffron(Saffron::paper(2)));
    let mut bytes = Vec::new();
    recording.write(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let read = |lines: &[&str]| Recording::read(lines.join("\n").as_bytes()).unwrap_err();
    let cases = [
        (read(&[]), "line 1: expected the models, found no line"),
        (read(&lines[1..]), "line 1: expected the models, found a prompt"),
        (read(&[lines[0], lines[0]]), "line 2: expected a prompt or a call, found the models again"),
        (read(&[lines[0], lines[2]]), "line 2: expected sessions of prompts that came before, found prompt 0 of 0"),
    ];
    for (error, expected) in cases {
        assert!(matches!(error, TraceError::Misplaced { .. }));
        assert_eq!(error.to_string(), expected);
    }
    assert!(matches!(read(&[lines[0], "{}"]), TraceError::Foreign { line: 2, .. }));
    assert!(matches!(read(&[lines[0], lines[1], &lines[2][..40]]), TraceError::Torn { line: 3, .. }));
}
