//! A whole comparison of a program's own models: prepared, run, taken up again, sharded, merged,
//! reported on, logged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, Forget, ModelError, OutcomeRewardModel, PlainVocabulary, Policy, ProcessRewardModel,
    Reply, Session, TextPolicy, Token, Vocabulary, with_causes,
};
use saffron_search::eval::comparison::{
    Comparison, ComparisonConfig, ComparisonError, LoggedRun, Report, UnansweredError, configuration, merge_shards,
    open_run, prepare,
};
use saffron_search::eval::files::Journal;
use saffron_search::eval::inputs::model_files;
use saffron_search::eval::models::{
    ComparedGuard, ComparedPolicy, ComparedScorer, GuardSettings, ModelOpener, MrmSettings, OpenError, OpenedModels,
    PolicySettings,
};
use saffron_search::eval::runs::{Record, RunDir, RunError, Shard, read};
use serde_json::{Value, json};

use crate::worlds::scatter;

/// A policy and guard over a few tokens. It cannot be asked prompts that begin with `!`.
struct Scattered;

impl Policy for Scattered {
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
        if sessions.iter().any(|session| session.prompt_text().is_some_and(|text| text.starts_with('!'))) {
            return Err(ModelError::other("proposing", "not that loud"));
        }
        let row = |session: &Session| {
            let context = [session.prompt(), session.response()].concat();
            (0..4).map(|token| scatter(&[&context[..], &[token]].concat())).collect::<Vec<f32>>()
        };
        let one = |(place, session): (usize, &Session)| filter.apply(&row(session), session.response(), place);
        Ok(Reply::free(sessions.iter().enumerate().map(one).collect::<Result<_, _>>()?, sessions.len()))
    }
}

impl TextPolicy for Scattered {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        Ok(text.bytes().map(|byte| Token::from(byte) % 40).collect())
    }
}

impl Forget for Scattered {
    fn forget(&mut self) {}
}

impl ComparedPolicy for Scattered {
    fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        Ok([session.prompt(), session.prefill(), session.response()].concat())
    }

    fn spelled_marks(&self, prompt: &str) -> Vec<String> {
        ["[A]", "[Q]"].iter().filter(|mark| prompt.contains(**mark)).map(ToString::to_string).collect()
    }
}

impl ProcessRewardModel for Scattered {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        Ok(Reply::free(sessions.iter().map(|session| scatter(session.response())).collect(), sessions.len()))
    }
}

impl OutcomeRewardModel for Scattered {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.process_rewards(sessions)
    }
}

struct Opener;

impl ModelOpener for Opener {
    fn policy(&mut self, _: &PolicySettings) -> Result<Box<dyn ComparedPolicy>, OpenError> {
        Ok(Box::new(Scattered))
    }

    fn mrm(&mut self, settings: &MrmSettings) -> Result<Box<dyn ComparedScorer>, OpenError> {
        Err(format!("no {} here", settings.base).into())
    }

    fn guard(&mut self, _: &GuardSettings) -> Result<Box<dyn ComparedGuard>, OpenError> {
        Ok(Box::new(Scattered))
    }

    fn fingerprints(&self) -> Result<BTreeMap<String, String>, OpenError> {
        Ok([(String::from("mine/policy"), String::from("v1"))].into())
    }
}

/// A configuration over the prompts that [`asked`] writes.
pub(super) fn settings() -> Value {
    json!({
        "max_new_tokens": 4,
        "group": 2,
        "policy": { "model": "mine/policy" },
        "rewards": [{ "name": "guard", "model": { "kind": "guard", "model": "mine/guard" } }],
        "judges": [
            { "name": "guard", "judge": { "kind": "guard", "guard": { "model": "mine/guard" } } },
            { "name": "phrases", "judge": { "kind": "refusal-phrases" } },
        ],
        "data": [
            { "name": "harmful", "path": "asked.jsonl", "format": "prompts" },
            { "name": "harmless", "path": "asked.jsonl", "format": "prompts", "take": 3, "benign": true },
        ],
        "strategies": [
            { "name": "greedy", "strategy": { "kind": "greedy" } },
            { "name": "beam", "strategy": { "kind": "step-beam" }, "reward": "guard", "budgets": [1, 2] },
        ],
    })
}

fn asked(folder: &Path, prompts: &[&str]) {
    let rows = prompts.iter().enumerate();
    let rows = rows.map(|(id, prompt)| format!("{}\n", json!({ "id": format!("q{id}"), "prompt": prompt })));
    fs::write(folder.join("asked.jsonl"), rows.collect::<String>()).unwrap();
}

const PROMPTS: [&str; 5] = ["How so?", "Why?", "Who was it?", "Where is it?", "When?"];

pub(super) struct World {
    folder: tempfile::TempDir,
    pub(super) config: ComparisonConfig,
}

impl World {
    pub(super) fn new(settings: Value, prompts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        asked(folder.path(), prompts);
        let config: ComparisonConfig = serde_json::from_value(settings).unwrap();
        let config = config.settled(folder.path()).unwrap();
        Self { folder, config }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn models(&self) -> OpenedModels {
        self.config.open(&mut Opener).unwrap()
    }

    /// Runs what is not done yet of a shard, and hears of at most `records` records.
    pub(super) fn run(&self, name: &str, shard: Shard) -> Result<(RunDir, Report), ComparisonError> {
        let mut models = self.models();
        let mut comparison = Comparison::prepare(&self.config, self.folder.path(), &mut models).unwrap();
        let manifest = comparison.manifest(shard, &|path| Ok(model_files(path)?))?;
        let mut run = open_run(&self.at(name), manifest)?;
        let (before, mut heard) = (run.len(), 0);
        let report = comparison.run(&mut run, &mut |_| heard += 1)?;
        assert_eq!(before + heard, comparison.size(shard));
        Ok((run, report))
    }
}

pub(super) fn timeless(records: &[Record]) -> Vec<Record> {
    records.iter().map(Record::without_timings).collect()
}

#[test]
fn a_comparison_is_run_reported_on_and_taken_up_again() {
    let world = World::new(settings(), &PROMPTS);
    let (run, report) = world.run("run", Shard::WHOLE).unwrap();
    assert_eq!(report.records.len(), 3 * 8);
    assert_eq!((report.results.rows.len(), report.failures()), (2 * 3, 0));
    report.check_answered().unwrap();
    let manifest = run.manifest();
    assert_eq!(manifest.settings["data"][0]["path"], "asked.jsonl");
    assert!(manifest.fingerprints["data[0].path"].starts_with("crc32 "));
    assert_eq!(manifest.fingerprints["mine/policy"], "v1");
    report.write(run.path()).unwrap();
    let written: Value = serde_json::from_slice(&fs::read(run.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!(written, serde_json::to_value(&report.results).unwrap());
    drop(run);

    // A kill after five records: the rest is run, and the same comes of it.
    let records = world.at("run").join("records.jsonl");
    let lines = fs::read_to_string(&records).unwrap();
    fs::write(&records, lines.lines().take(5).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let (_, again) = world.run("run", Shard::WHOLE).unwrap();
    assert_eq!(timeless(&again.records), timeless(&report.records));

    let of_run = Report::of_run(&world.at("run")).unwrap();
    assert_eq!(timeless(&of_run.records), timeless(&report.records));
    let of_records = Report::of_records(world.config.clone(), &records).unwrap();
    assert_eq!(serde_json::to_value(&of_records.results).unwrap(), serde_json::to_value(&of_run.results).unwrap());
}

#[test]
fn a_run_with_other_settings_or_data_is_refused_and_nothing_of_it_is_changed() {
    let mut world = World::new(settings(), &PROMPTS);
    drop(world.run("run", Shard::WHOLE).unwrap());
    let before = fs::read(world.at("run").join("records.jsonl")).unwrap();
    world.config.seed = 7;
    let error = world.run("run", Shard::WHOLE).unwrap_err();
    assert!(matches!(&error, ComparisonError::Run(RunError::OtherSettings { .. })), "{error}");
    assert!(error.to_string().ends_with("seed: 7 here, 0 in the run"), "{error}");
    world.config.seed = 0;
    asked(world.folder.path(), &["How so?", "Why?", "Who was it?", "Where is it?", "Never?"]);
    let error = world.run("run", Shard::WHOLE).unwrap_err();
    assert!(error.to_string().contains("fingerprints.data[0].path"), "{error}");
    assert_eq!(fs::read(world.at("run").join("records.jsonl")).unwrap(), before);
}

#[test]
fn shards_are_merged_into_the_whole_if_all_are_given() {
    let mut world = World::new(settings(), &PROMPTS);
    let (_, whole) = world.run("whole", Shard::WHOLE).unwrap();
    let parts: Vec<PathBuf> = ["0/2", "1/2"]
        .map(|shard| {
            let name = shard.replace('/', "-");
            drop(world.run(&name, shard.parse().unwrap()).unwrap());
            world.at(&name)
        })
        .to_vec();
    let error = merge_shards(&parts[..1], &world.at("half"), None).unwrap_err();
    assert_eq!(error.to_string(), "shards are missing: 1/2");
    assert!(!world.at("half").exists(), "nothing was written");
    let (_, merged) = merge_shards(&parts, &world.at("merged"), None).unwrap();
    assert_eq!(timeless(&merged.records), timeless(&whole.records));
    assert_eq!(merged.config.data[0].path, Path::new("asked.jsonl"), "as the manifest has it");

    let given = (world.config.clone(), world.folder.path());
    let (_, merged) = merge_shards(&parts, &world.at("again"), Some(given)).unwrap();
    assert_eq!(merged.config.data[0].path, world.at("asked.jsonl"));
    world.config.max_new_tokens = 5;
    let given = (world.config.clone(), world.folder.path());
    let error = merge_shards(&parts, &world.at("other"), Some(given)).unwrap_err();
    assert!(matches!(&error, ComparisonError::OtherConfig { shard } if *shard == parts[0]), "{error}");
    assert!(!world.at("other").exists());
}

#[test]
fn strategies_without_an_answer_are_named_with_what_failed() {
    let world = World::new(settings(), &["!", "!!", "!!!", "!!!!", "!!!!!"]);
    let (_, report) = world.run("run", Shard::WHOLE).unwrap();
    assert_eq!(report.failures(), 3 * 8);
    let UnansweredError::Strategies { unanswered } = report.check_answered().unwrap_err() else { panic!("strategies") };
    assert_eq!(unanswered.len(), 2 * 3);
    let error = unanswered[0].to_string();
    let begin = "greedy at 1 has no answer on harmful: all 5 prompts failed, the first with: ";
    assert!(error.starts_with(begin) && error.ends_with("not that loud"), "{error}");
    let none = Report::new(world.config.clone(), Vec::new());
    assert_eq!(none.check_answered(), Err(UnansweredError::NoRecords));
}

#[test]
fn prompts_that_spell_the_policys_marks_are_counted() {
    let models = World::new(settings(), &PROMPTS);
    assert_eq!(prepare(&models.config, models.models().policy()).unwrap().marks(), None);
    let spelling = ["[A] How so?", "Why?", "Who [Q] was [A] it?", "[Q]", "[Q]!"];
    let world = World::new(settings(), &spelling);
    let note = prepare(&world.config, world.models().policy()).unwrap().marks().unwrap();
    // Four of five harmful prompts and two of three harmless ones.
    assert_eq!((note.prompts, &note.marks[..]), (6, &["[A]".to_owned(), "[Q]".to_owned()][..]));
    assert_eq!(note.first, ["harmful/q0", "harmful/q2", "harmful/q3"]);
    let words = "6 prompts (harmful/q0, harmful/q2, harmful/q3, …) spell [A], [Q], which the policy's layout writes as \
                 plain text: to the model a turn begins or ends there";
    assert_eq!(note.to_string(), words);
}

#[test]
fn a_run_is_logged_once_unless_something_is_new() {
    let mut settings = settings();
    settings["log"] = json!("log.jsonl");
    let world = World::new(settings, &PROMPTS);
    let (run, report) = world.run("run", Shard::WHOLE).unwrap();
    let log = |new| report.log(Path::new("mine.toml"), run.path(), run.manifest(), new).unwrap();
    log(true);
    log(false);
    let lines = || Journal::<LoggedRun>::read(&world.at("log.jsonl")).unwrap();
    let [line] = &lines()[..] else { panic!("one line") };
    assert_eq!((line.config.as_str(), line.outcomes.len()), ("mine.toml", 2 * 3));
    let (manifest, _) = read(run.path()).unwrap();
    assert_eq!(line.configuration, configuration(&manifest).unwrap());
    log(true);
    assert_eq!(lines().len(), 2);
}

#[test]
fn data_that_gives_no_prompts_is_named_with_its_set() {
    let why = |change: &dyn Fn(&mut Value)| {
        let mut settings = settings();
        change(&mut settings["data"][0]);
        let world = World::new(settings, &PROMPTS);
        let error = prepare(&world.config, world.models().policy()).unwrap_err();
        with_causes(&error)
    };
    assert_eq!(why(&|data| data["skip"] = json!(99)), "the data set harmful: no prompt is left after the first 99");
    let groups = why(&|data| data["groups"] = json!(["cooking"]));
    assert_eq!(groups, "the data set harmful: no prompt is of the groups [\"cooking\"]");
    let missing = why(&|data| data["path"] = json!("nothing.jsonl"));
    assert!(missing.starts_with("the data set harmful: ") && missing.contains("nothing.jsonl"), "{missing}");
    let reply = why(&|data| data["attack"] = json!({ "kind": "prefill", "tokens": 2 }));
    assert_eq!(reply, "the data set harmful: item `q0` has no reply to prefill with");
}

#[test]
fn a_run_of_something_else_is_not_reported_on() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = saffron_search::eval::runs::Manifest::new(json!({ "items": 3 }), Shard::WHOLE);
    drop(RunDir::open(folder.path(), manifest).unwrap());
    let error = Report::of_run(folder.path()).unwrap_err();
    assert!(matches!(error, ComparisonError::NotAComparison { .. }), "{error}");
}
