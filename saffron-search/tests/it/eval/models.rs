//! A program's own opener of models.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use saffron_core::{
    CandidateFilter, Candidates, Forget, ModelError, OutcomeRewardModel, PlainVocabulary, Policy, ProcessRewardModel,
    Reply, Session, TextPolicy, Token, Vocabulary, with_causes,
};
use saffron_search::eval::attack::Attack;
use saffron_search::eval::harness::ComparedModels;
use saffron_search::eval::models::{
    ComparedGuard, ComparedPolicy, ComparedScorer, GuardQuestion, GuardSettings, JudgeSettings, ModelOpener,
    MrmSettings, NO_REWARD, NoQuestion, OpenError, OpenedModels, PolicySettings, RewardModelSettings, RewardSettings,
};
use saffron_search::strategy::StrategyConfig;
use serde_json::json;

/// A model of a program's own. It counts how often it forgets.
struct Own(Arc<AtomicUsize>);

impl Forget for Own {
    fn forget(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Policy for Own {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(4)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let one = |session: &Session| filter.apply(&[0.0, 1.0, 2.0, 3.0], session.response(), 0);
        Ok(Reply::free(sessions.iter().map(one).collect::<Result<_, _>>()?, sessions.len()))
    }
}

impl TextPolicy for Own {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        Ok(vec![text.len() as Token % 4])
    }
}

impl ComparedPolicy for Own {
    fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        Ok([session.prompt(), session.response()].concat())
    }
}

impl ProcessRewardModel for Own {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        Ok(Reply::free(vec![1.0; sessions.len()], sessions.len()))
    }
}

impl OutcomeRewardModel for Own {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.process_rewards(sessions)
    }
}

#[derive(Default)]
struct OwnOpener {
    forgotten: Arc<AtomicUsize>,
    opened: Vec<String>,
}

impl ModelOpener for OwnOpener {
    fn policy(&mut self, settings: &PolicySettings) -> Result<Box<dyn ComparedPolicy>, OpenError> {
        self.opened.push(format!("policy {}", settings.model));
        Ok(Box::new(Own(self.forgotten.clone())))
    }

    fn mrm(&mut self, settings: &MrmSettings) -> Result<Box<dyn ComparedScorer>, OpenError> {
        Err(format!("no {} here", settings.base).into())
    }

    fn guard(&mut self, settings: &GuardSettings) -> Result<Box<dyn ComparedGuard>, OpenError> {
        self.opened.push(format!("guard {}", settings.model));
        Ok(Box::new(Own(self.forgotten.clone())))
    }

    fn fingerprints(&self) -> Result<BTreeMap<String, String>, OpenError> {
        Ok(self.opened.iter().map(|name| (name.clone(), String::from("v1"))).collect())
    }
}

fn policy() -> PolicySettings {
    serde_json::from_value(json!({ "model": "mine/policy" })).unwrap()
}

fn guarded() -> Vec<RewardSettings> {
    serde_json::from_value(json!([{ "name": "guard", "model": { "kind": "guard", "model": "mine/guard" } }])).unwrap()
}

fn judges() -> Vec<JudgeSettings> {
    let judges = json!([
        { "name": "judge", "judge": { "kind": "guard", "guard": { "model": "mine/judge" } } },
        { "name": "phrases", "judge": { "kind": "refusal-phrases" } },
    ]);
    serde_json::from_value(judges).unwrap()
}

#[test]
fn a_comparison_takes_models_of_a_programs_own() {
    let mut opener = OwnOpener::default();
    let mut models = OpenedModels::open(&mut opener, &policy(), &guarded(), &judges()).unwrap();
    assert_eq!(opener.opened, ["policy mine/policy", "guard mine/guard", "guard mine/judge"]);
    assert_eq!(models.fingerprints().len(), 3);
    assert_eq!(models.policy().attacked_session("abc", "", 0).unwrap().prompt(), [3]);
    for reward in [NO_REWARD, "guard"] {
        let found = models.with_reward(reward).unwrap();
        let names: Vec<&str> = found.judges.iter().map(|judge| judge.name).collect();
        assert_eq!(names, ["judge", "phrases"]);
    }
    assert!(models.with_reward("another").is_none());
    models.forget();
    assert_eq!(opener.forgotten.load(Ordering::SeqCst), 3, "policy, guard and judge");
}

#[test]
fn a_model_that_does_not_open_is_named_with_the_reason() {
    let mrm = json!({ "name": "guide", "model": { "kind": "mrm", "base": "mine/base", "adapter": "x" } });
    let reward: RewardSettings = serde_json::from_value(mrm).unwrap();
    assert!(matches!(reward.model, RewardModelSettings::Mrm(_)));
    let error = OpenedModels::open(&mut OwnOpener::default(), &policy(), &[reward], &judges()).unwrap_err();
    assert_eq!(error.to_string(), "the reward model guide");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no mine/base here");
}

#[test]
fn a_served_guard_without_a_question_says_what_to_set() {
    let guard = json!({ "kind": "guard", "model": "vllm:http://127.0.0.1:1" });
    let reward: RewardSettings = serde_json::from_value(json!({ "name": "guide", "model": guard })).unwrap();
    let judge = json!([{ "name": "judge", "judge": { "kind": "guard", "guard": { "model": "vllm:http://a" } } }]);
    let judge: Vec<JudgeSettings> = serde_json::from_value(judge).unwrap();
    for (rewards, judges, what) in [(vec![reward], judges(), "reward model guide"), (vec![], judge, "judge judge")] {
        let mut opener = OwnOpener::default();
        let error = OpenedModels::open(&mut opener, &policy(), &rewards, &judges).unwrap_err();
        let words = with_causes(&error);
        assert!(words.starts_with(&format!("the {what}: vllm:http://")), "{words}");
        assert!(words.ends_with("is a server, where a guard needs a question in words: set `question`"), "{words}");
        assert!(opener.opened.is_empty(), "nothing was opened");
    }
}

#[test]
fn a_guard_is_asked_by_a_published_name_or_in_words() {
    let guard = |settings: serde_json::Value| serde_json::from_value::<GuardSettings>(settings).unwrap();
    let named = guard(json!({ "model": "a/b", "question": "shieldgemma:hate" }));
    assert_eq!(named.question, Some(GuardQuestion::Named(String::from("shieldgemma:hate"))));
    assert_eq!(serde_json::to_value(&named).unwrap()["question"], "shieldgemma:hate");
    named.check().unwrap();
    let table = json!({ "prefix": "Q", "infix": "A", "suffix": "?", "safe": "yes", "unsafe": "no" });
    let words = guard(json!({ "model": "vllm:http://a", "question": table }));
    assert_eq!(words.question.as_ref().and_then(GuardQuestion::words).unwrap().not_safe, "no");
    assert_eq!(serde_json::to_value(&words).unwrap()["question"], table, "as runs have it");
    words.check().unwrap();
    // By name, a server's guard needs its tokenizer: prompt and answers are ids.
    let served = |served: serde_json::Value| {
        guard(json!({ "model": "vllm:http://a", "question": "qwen3guard", "served": served })).check()
    };
    let error = served(json!({ "top": 3 })).unwrap_err();
    assert!(matches!(&error, NoQuestion::NoTokenizer { model } if model.to_string() == "vllm:http://a"));
    assert!(error.to_string().contains("needs the guard's tokenizer: set `served.tokenizer`, or ask in words"));
    served(json!({ "tokenizer": "org/guard" })).unwrap();
    let error = fault::<GuardSettings>(json!({ "model": "a/b", "question": 3 }));
    let expected = "expected a guard's name, or a table with prefix, infix, suffix, safe and unsafe";
    assert_eq!(error, format!("invalid type: integer `3`, {expected}"));
}

/// What is wrong with settings, by the field.
fn fault<T: serde::de::DeserializeOwned>(settings: serde_json::Value) -> String {
    serde_json::from_value::<T>(settings).err().unwrap().to_string()
}

#[test]
fn faults_of_settings_name_the_field_what_was_expected_and_what_was_found() {
    let judge = |judge| fault::<JudgeSettings>(json!({ "name": "j", "judge": judge }));
    let expected = "expected a table whose `kind` says what it is";
    assert_eq!(judge(json!("phrases")), format!("invalid type: string \"phrases\", {expected}"));
    assert_eq!(
        judge(json!({ "kind": "phrases" })),
        "kind: unknown variant `phrases`, expected one of `guard`, `refusal-phrases`, `words`"
    );
    assert_eq!(
        judge(json!({ "kind": "guard", "guard": { "model": "a/b" }, "threshold": "high" })),
        "threshold: invalid type: string \"high\", expected f32"
    );
    assert_eq!(
        judge(json!({ "kind": "guard", "guard": { "model": "a/b", "question": { "prefix": 1 } } })),
        "guard.question.prefix: invalid type: integer `1`, expected a string"
    );
    assert_eq!(judge(json!({ "kind": "guard" })), "missing field `guard`");
    let reward = |model| fault::<RewardSettings>(json!({ "name": "r", "model": model }));
    assert!(
        reward(json!({ "kind": "mrm", "base": "a/b", "adapter": "x", "bias": 3 })).starts_with("bias: invalid type")
    );
    assert!(
        reward(json!({ "kind": "mrm", "base": "a/b", "adapter": "x", "bia": true })).contains("unknown field `bia`")
    );
    let attack = |attack| fault::<Attack>(attack);
    assert_eq!(attack(json!([])), format!("invalid type: sequence, {expected}"));
    assert_eq!(
        attack(json!({ "kind": "then", "attacks": [{ "kind": "suffix", "text": 3 }] })),
        "attacks[0]: text: invalid type: integer `3`, expected a string"
    );
    assert_eq!(
        attack(json!({ "kind": "prefill", "tokens": -1 })),
        "tokens: invalid value: integer `-1`, expected usize"
    );
    assert_eq!(
        attack(json!({ "kind": "prefill", "tokens": 1, "text": 7 })),
        "text: invalid type: integer `7`, expected a name, or a table of one name"
    );
    let strategy = |strategy| fault::<StrategyConfig>(strategy);
    assert_eq!(
        strategy(json!({ "kind": "rebase", "steps": { "tokens": "four" } })),
        "steps.tokens: invalid type: string \"four\", expected usize"
    );
    assert!(strategy(json!({ "kind": "greedy", "width": 4 })).starts_with("unknown field `width`"));
}

#[test]
fn settings_by_kind_are_written_as_they_are_read() {
    let attack = json!({ "kind": "then", "attacks": [
        { "kind": "none" }, { "kind": "suffix", "text": "!" },
        { "kind": "prefill", "tokens": 3, "text": { "pattern": "So" } },
    ] });
    let read: Attack = serde_json::from_value(attack.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), attack);
    assert_eq!(serde_json::from_str::<Attack>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
    let strategy = json!({ "kind": "rebase", "temperature": 0.25, "steps": { "tokens": 4, "ends": [7] } });
    let read: StrategyConfig = serde_json::from_value(strategy.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), strategy);
}

#[test]
fn settings_that_are_left_out_are_not_written() {
    let written = serde_json::to_value(policy()).unwrap();
    assert_eq!(written, json!({ "model": "mine/policy", "layout": null }));
    for unknown in
        [json!({ "model": "a/b", "layot": "plain" }), json!({ "model": "a/b", "served": { "tokeniser": "c" } })]
    {
        assert!(serde_json::from_value::<PolicySettings>(unknown).unwrap_err().to_string().contains("unknown field"));
    }
}
