//! Comparisons: failures stay with their prompts, and a run in pieces is the run in one.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use saffron_core::testing::ScriptedReward;
use saffron_core::{
    CandidateFilter, Candidates, ChildScorer, ModelError, NoReward, PlainVocabulary, Policy, PrmScorer, Reply, Session,
    Token, Vocabulary, VocabularyError, VocabularyId, process_reward_fn, with_causes,
};
use saffron_search::eval::harness::{Case, ComparedModels, Contender, Harness, HarnessError, NamedJudge, SearchModels};
use saffron_search::eval::judge::{Asked, Judge, Judgement, RefusalPhrases, RewardJudge};
use saffron_search::eval::runs::{Arm, Ending, Kind, Manifest, Record, RunDir, RunError, Shard, merge, read};
use saffron_search::{BestOfN, Greedy, Saffron, Searcher};
use serde_json::json;

use crate::worlds::scatter;

/// A policy that fails on prompts that begin with 7, and whose numbers shift with every call since it last forgot: what a cache does to
/// floats, made large.
struct Moody {
    calls: u32,
}

impl Policy for Moody {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(40)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        if sessions.iter().any(|session| session.prompt()[0] == 7) {
            return Err(ModelError::other("proposing", "seven is too many"));
        }
        self.calls += 1;
        let row = |session: &Session| {
            let context = [&[self.calls], session.prompt(), session.response()].concat();
            (0..4).map(|token| scatter(&[&context[..], &[token]].concat())).collect::<Vec<f32>>()
        };
        let propose = |(place, session): (usize, &Session)| filter.apply(&row(session), session.response(), place);
        Ok(Reply::free(sessions.iter().enumerate().map(propose).collect::<Result<_, _>>()?, sessions.len()))
    }
}

struct Table {
    policy: Moody,
    reward: Box<dyn ChildScorer>,
    judges: Vec<(String, Box<dyn Judge>)>,
    asked: Asked,
}

impl Table {
    fn new() -> Self {
        let reward = PrmScorer(process_reward_fn(|session| scatter(session.response())));
        let judge = RewardJudge::new(ScriptedReward::new(-1.0).with(vec![1], 1.0), 0.0, "scripted");
        let judges: Vec<(String, Box<dyn Judge>)> =
            vec![("guard".into(), Box::new(judge)), ("phrases".into(), Box::new(RefusalPhrases::default()))];
        Self { policy: Moody { calls: 0 }, reward: Box::new(reward), judges, asked: Asked::default() }
    }
}

impl ComparedModels for Table {
    fn with_reward(&mut self, reward: &str) -> Option<SearchModels<'_>> {
        let judges = self.judges.iter_mut();
        let judges = judges.map(|(name, judge)| NamedJudge { name, asked: self.asked, judge: &mut **judge });
        (reward == "prm").then(|| SearchModels {
            policy: &mut self.policy,
            scorer: &mut *self.reward,
            judges: judges.collect(),
        })
    }

    fn forget(&mut self) {
        self.policy.calls = 0;
    }
}

fn cases(count: u32) -> Vec<Case> {
    let case = |prompt: u32| Case {
        id: format!("q{prompt}"),
        set: String::from("questions"),
        kind: if prompt.is_multiple_of(3) { Kind::Benign } else { Kind::Attacked { attack: String::from("none") } },
        session: Session::new(PlainVocabulary::shared(40), vec![prompt, 1]).unwrap(),
        question: None,
        category: None,
        template: None,
        prompt: None,
    };
    (1..=count).map(case).collect()
}

fn contenders() -> Vec<Contender> {
    let contender = |arm: Arm, searcher: Searcher| Contender {
        arm,
        searcher: searcher.max_new_tokens(4).min_new_tokens(1),
        reward: String::from("prm"),
    };
    vec![
        contender(Arm::new("greedy", 1), Searcher::new(Greedy)),
        contender(Arm::new("best-of-n", 3), Searcher::new(BestOfN::new(3))),
        contender(Arm::new("saffron", 2), Searcher::new(Saffron::paper(2))),
    ]
}

fn manifest(shard: Shard) -> Manifest {
    Manifest::new(json!({ "cases": 10 }), shard)
}

/// Runs ten cases in groups of three.
fn run(dir: &std::path::Path, shard: Shard) -> Result<usize, HarnessError> {
    let (contenders, cases) = (contenders(), cases(10));
    let group = NonZeroUsize::new(3).unwrap();
    let harness = Harness { contenders: &contenders, cases: &cases, group, keep_text: true };
    let mut run = RunDir::open(dir, manifest(shard))?;
    let mut written = 0;
    harness.run(&mut run, &mut Table::new(), &mut |_| written += 1)?;
    Ok(written)
}

fn records(dir: &std::path::Path) -> Vec<Record> {
    read(dir).unwrap().1.iter().map(Record::without_timings).collect()
}

#[test]
fn every_contender_answers_every_prompt_and_a_failure_stays_with_its_own() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), Shard::WHOLE).unwrap(), 30);
    let records = records(dir.path());
    assert_eq!(records.len(), 30);
    for record in &records {
        match &record.ending {
            Ending::Failed { error } => assert!(record.key.prompt == "q7" && error.contains("seven is too many")),
            Ending::Answered(answer) => {
                assert_ne!(record.key.prompt, "q7");
                let judges: Vec<&str> = answer.judgements.iter().map(|judged| judged.judge.as_str()).collect();
                assert_eq!(judges, ["guard", "phrases"]);
                assert_eq!((answer.refused, answer.usage.judge.calls), (Some(false), 2));
                assert_eq!((answer.empty, answer.is_empty()), (Some(false), Some(false)));
                let words = answer.tokens.iter().filter(|token| **token != 0).count();
                assert_eq!(answer.text.as_ref().unwrap().split(' ').count(), words);
                assert_eq!(answer.judgements[0].safe, answer.tokens == [1]);
            }
        }
    }
    let order: Vec<(&str, usize)> = records.iter().map(|record| (&record.key.strategy[..], record.index)).collect();
    let expected: Vec<(&str, usize)> = ["greedy", "best-of-n", "saffron"]
        .iter()
        .flat_map(|strategy| (0..10).map(move |index| (*strategy, index)))
        .collect();
    assert_eq!(order, expected);
}

#[test]
fn a_run_that_was_killed_anywhere_goes_on_to_the_same_records() {
    let whole = tempfile::tempdir().unwrap();
    run(whole.path(), Shard::WHOLE).unwrap();
    let expected = records(whole.path());
    let file = std::fs::read(whole.path().join("records.jsonl")).unwrap();
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    for kept in 0..lines.len() {
        let dir = tempfile::tempdir().unwrap();
        drop(RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap());
        // Some whole records and a torn one.
        let torn = [&lines[..kept].concat()[..], &lines[kept][..lines[kept].len() / 2]].concat();
        std::fs::write(dir.path().join("records.jsonl"), torn).unwrap();
        assert_eq!(run(dir.path(), Shard::WHOLE).unwrap(), 30 - kept);
        assert_eq!(records(dir.path()), expected, "after {kept} records");
    }
}

#[test]
fn shards_make_the_whole() {
    let whole = tempfile::tempdir().unwrap();
    run(whole.path(), Shard::WHOLE).unwrap();
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    for (index, dir) in dirs.iter().enumerate() {
        run(dir.path(), Shard::new(index, 3).unwrap()).unwrap();
    }
    let out = tempfile::tempdir().unwrap();
    let paths: Vec<_> = dirs.iter().map(|dir| dir.path().to_path_buf()).collect();
    let mut merged = merge(&paths, &out.path().join("all")).unwrap();
    assert!(merged.missing.is_empty());
    let (contenders, cases) = (contenders(), cases(10));
    let group = NonZeroUsize::new(3).unwrap();
    let harness = Harness { contenders: &contenders, cases: &cases, group, keep_text: true };
    merged.run.finish(&harness.plan()).unwrap();
    assert_eq!(records(&out.path().join("all")), records(whole.path()));
}

/// Cannot judge answers that begin with token 1.
struct Squeamish;

impl Judge for Squeamish {
    fn judge(&mut self, sessions: &[Session]) -> Result<Reply<Vec<Judgement>>, ModelError> {
        if sessions.iter().any(|session| session.response()[0] == 1) {
            return Err(ModelError::other("judging", "I would rather not look"));
        }
        let fine = Judgement { safe: true, score: None, refused: None };
        Ok(Reply::free(vec![fine; sessions.len()], sessions.len()))
    }

    fn describe(&self) -> String {
        String::from("squeamish")
    }
}

#[test]
fn an_answer_that_cannot_be_judged_is_a_failure_of_its_prompt() {
    let dir = tempfile::tempdir().unwrap();
    let (contenders, cases) = (contenders(), cases(6));
    let group = NonZeroUsize::new(4).unwrap();
    let harness = Harness { contenders: &contenders[..1], cases: &cases, group, keep_text: false };
    let mut table = Table::new();
    table.judges = vec![(String::from("squeamish"), Box::new(Squeamish))];
    let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
    harness.run(&mut run, &mut table, &mut |_| ()).unwrap();
    let (failed, fine): (Vec<_>, Vec<_>) =
        records(dir.path()).into_iter().partition(|record| record.answer().is_none());
    assert!(!failed.is_empty() && !fine.is_empty(), "{} and {}", failed.len(), fine.len());
    for record in failed {
        assert!(matches!(&record.ending, Ending::Failed { error } if error.contains("judge squeamish failed")));
    }
    assert!(fine.iter().all(|record| record.answer().is_some_and(|answer| answer.text.is_none())));
}

#[test]
fn an_answer_of_infinite_reward_is_a_failure_of_its_prompt() {
    let dir = tempfile::tempdir().unwrap();
    let (contenders, cases) = (contenders(), cases(6));
    let group = NonZeroUsize::new(4).unwrap();
    let harness = Harness { contenders: &contenders[2..], cases: &cases, group, keep_text: false };
    let mut table = Table::new();
    table.reward = Box::new(PrmScorer(process_reward_fn(|session| match session.prompt()[0] {
        3 => f32::NEG_INFINITY,
        _ => scatter(session.response()),
    })));
    let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
    harness.run(&mut run, &mut table, &mut |_| ()).unwrap();
    let records = records(dir.path());
    assert_eq!(records.len(), 6);
    for record in records {
        match &record.ending {
            Ending::Failed { error } => assert!(record.key.prompt == "q3" && error.contains("reward"), "{error}"),
            Ending::Answered(_) => assert_ne!(record.key.prompt, "q3"),
        }
    }
}

/// A vocabulary in which no token can be seen.
#[derive(Debug)]
struct Invisible;

impl Vocabulary for Invisible {
    fn id(&self) -> VocabularyId {
        PlainVocabulary::new(40).id()
    }

    fn size(&self) -> usize {
        40
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        Ok("\u{200b} \n".repeat(tokens.len()))
    }
}

/// Thinks that everything is a safe refusal.
struct Trusting;

impl Judge for Trusting {
    fn judge(&mut self, sessions: &[Session]) -> Result<Reply<Vec<Judgement>>, ModelError> {
        let fine = Judgement { safe: true, score: None, refused: Some(true) };
        Ok(Reply::free(vec![fine; sessions.len()], sessions.len()))
    }

    fn describe(&self) -> String {
        String::from("trusting")
    }
}

#[test]
fn an_answer_without_visible_text_is_recorded_as_empty_whatever_judges_say() {
    let dir = tempfile::tempdir().unwrap();
    let (contenders, mut cases) = (contenders(), cases(3));
    let unseen: Arc<dyn Vocabulary> = Arc::new(Invisible);
    cases[1].session = Session::new(unseen, vec![2, 1]).unwrap();
    let harness = Harness { contenders: &contenders[..1], cases: &cases, group: NonZeroUsize::MIN, keep_text: false };
    let mut table = Table::new();
    table.judges = vec![(String::from("trusting"), Box::new(Trusting))];
    let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
    harness.run(&mut run, &mut table, &mut |_| ()).unwrap();
    let answers: Vec<_> = records(dir.path()).iter().map(|record| record.answer().unwrap().clone()).collect();
    let said: Vec<_> =
        answers.iter().map(|answer| (answer.empty, answer.refused, answer.is_safe("trusting"))).collect();
    let (seen, empty) = ((Some(false), Some(true), Some(true)), (Some(true), Some(false), Some(true)));
    assert_eq!(said, [seen, empty, seen]);
}

/// Ends every reply at once.
struct Silent;

impl Policy for Silent {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(40)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let propose = |(place, session): (usize, &Session)| filter.apply(&[9.0, 0.0], session.response(), place);
        Ok(Reply::free(sessions.iter().enumerate().map(propose).collect::<Result<_, _>>()?, sessions.len()))
    }
}

struct SilentModels(Silent, NoReward);

impl ComparedModels for SilentModels {
    fn with_reward(&mut self, _: &str) -> Option<SearchModels<'_>> {
        Some(SearchModels { policy: &mut self.0, scorer: &mut self.1, judges: Vec::new() })
    }

    fn forget(&mut self) {}
}

#[test]
fn the_token_that_ends_a_reply_is_no_word_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let searcher = Searcher::new(Greedy).max_new_tokens(4).min_new_tokens(0);
    let contenders = [Contender { arm: Arm::new("greedy", 1), searcher, reward: String::from("prm") }];
    let cases = cases(2);
    let harness = Harness { contenders: &contenders, cases: &cases, group: NonZeroUsize::MIN, keep_text: true };
    let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
    harness.run(&mut run, &mut SilentModels(Silent, NoReward), &mut |_| ()).unwrap();
    for record in records(dir.path()) {
        let answer = record.answer().unwrap().clone();
        assert_eq!((&answer.tokens[..], answer.text.as_deref(), answer.empty), (&[0][..], Some(""), Some(true)));
    }
}

#[test]
fn what_is_planned_twice_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (contenders, mut cases) = (contenders(), cases(4));
    cases[3].id = String::from("q1");
    let harness = Harness { contenders: &contenders, cases: &cases, group: NonZeroUsize::MIN, keep_text: false };
    let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
    let error = harness.run(&mut run, &mut Table::new(), &mut |_| panic!("nothing is to run")).unwrap_err();
    assert!(matches!(error, HarnessError::Run(RunError::PlannedTwice { .. })), "{error}");
}

#[test]
fn contenders_that_cannot_run_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases(2);
    let refused = |contender: Contender| {
        let contenders = [contender];
        let harness = Harness { contenders: &contenders, cases: &cases, group: NonZeroUsize::MIN, keep_text: false };
        let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
        with_causes(&harness.run(&mut run, &mut Table::new(), &mut |_| ()).unwrap_err())
    };
    let arm = || Arm::new("odd", 0);
    let nothing = Contender { arm: arm(), searcher: Searcher::new(BestOfN::new(0)), reward: String::from("prm") };
    assert_eq!(refused(nothing), "odd at 0 cannot be run: samples must be at least 1, found 0");
    let nobody = Contender { arm: arm(), searcher: Searcher::new(Greedy), reward: String::from("oracle") };
    assert_eq!(refused(nobody), "odd wants the reward model oracle, which is not there");
}

#[test]
fn nothing_is_begun_unless_all_contenders_can_run() {
    let dir = tempfile::tempdir().unwrap();
    let (mut contenders, cases) = (contenders(), cases(3));
    let run = |contenders: &[Contender], table: &mut Table| {
        let harness = Harness { contenders, cases: &cases, group: NonZeroUsize::MIN, keep_text: false };
        let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
        with_causes(&harness.run(&mut run, table, &mut |_| panic!("nothing is to run")).unwrap_err())
    };
    let mut table = Table::new();
    table.reward = Box::new(NoReward);
    let error = run(&contenders, &mut table);
    assert_eq!(error, "best-of-n at 3 cannot be run: best-of-n (n 3) needs a reward model, found none");
    let searcher = Searcher::new(Saffron::paper(2)).top_p(80.0);
    contenders[2] = Contender { arm: Arm::new("saffron", 2), searcher, reward: String::from("prm") };
    let error = run(&contenders, &mut Table::new());
    assert_eq!(error, "saffron at 2 cannot be run: top_p must lie in (0, 1], found 80");
    assert_eq!(table.policy.calls, 0);
}

/// Writes down what it is asked about.
struct Listening(Arc<Mutex<Vec<Session>>>);

impl Judge for Listening {
    fn judge(&mut self, sessions: &[Session]) -> Result<Reply<Vec<Judgement>>, ModelError> {
        self.0.lock().unwrap().extend_from_slice(sessions);
        let fine = Judgement { safe: true, score: None, refused: None };
        Ok(Reply::free(vec![fine; sessions.len()], sessions.len()))
    }

    fn describe(&self) -> String {
        String::from("listening")
    }
}

#[test]
fn a_judge_is_asked_about_the_items_own_question_unless_it_is_said_otherwise() {
    let contenders = contenders();
    let mut cases = cases(3);
    let question = |tokens: &[Token]| Session::new(PlainVocabulary::shared(40), tokens.to_vec()).unwrap();
    // The first two stand in a template, the third is asked as it is.
    cases[0].question = Some(question(&[31]));
    cases[1].question = Some(question(&[32]));
    cases[0].session = cases[0].session.clone().with_prefill(vec![5]).unwrap();
    let group = NonZeroUsize::new(2).unwrap();
    let harness = Harness { contenders: &contenders[..1], cases: &cases, group, keep_text: false };
    for (asked, prompts) in
        [(Asked::Question, [vec![31], vec![32], vec![3, 1]]), (Asked::Prompt, [1, 2, 3].map(|n| vec![n, 1]))]
    {
        let dir = tempfile::tempdir().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut table = Table::new();
        table.judges = vec![(String::from("listening"), Box::new(Listening(heard.clone())))];
        table.asked = asked;
        let mut run = RunDir::open(dir.path(), manifest(Shard::WHOLE)).unwrap();
        harness.run(&mut run, &mut table, &mut |_| ()).unwrap();
        let mut heard = heard.lock().unwrap().clone();
        heard.sort_by_key(|session| session.prompt().to_vec());
        let mut expected = prompts.to_vec();
        expected.sort();
        assert_eq!(heard.iter().map(|session| session.prompt().to_vec()).collect::<Vec<_>>(), expected);
        let answers: Vec<Vec<Token>> =
            records(dir.path()).iter().map(|record| record.answer().unwrap().tokens.clone()).collect();
        for session in &heard {
            assert!(answers.contains(&session.response().to_vec()), "the answer is the same");
        }
    }
}
