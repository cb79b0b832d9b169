//! Replies that somebody brings: what is asked of whom, when it forgets, what is refused.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use saffron_core::{Forget, ModelError, PlainVocabulary, ProcessRewardModel, Reply, Session};
use saffron_search::eval::attack::Attacked;
use saffron_search::eval::runs::Shard;
use saffron_train::labels::{LabelError, LabelSummary, read};
use saffron_train::recipe::{
    LabelCorpus, LabelRecipe, Labelling, PolicyReply, Question, RecipeError, Replier, ReplyError, ReplySettings,
    RunOrigin,
};
use serde_json::{Value, json};

use super::label::asked;
use super::told;
use crate::labels::{fast_dir, lines};

/// What happened, in order.
type Events = Rc<RefCell<Vec<String>>>;

/// Replies that depend on question, seed, and what was asked since the last time it forgot.
struct Counting {
    events: Events,
    asked: u32,
    /// Replies that it gives too few.
    missing: usize,
}

impl Forget for Counting {
    fn forget(&mut self) {
        self.events.borrow_mut().push(String::from("forgets"));
        self.asked = 0;
    }
}

impl Replier for Counting {
    fn replies(&mut self, questions: &[Question], settings: &ReplySettings) -> Result<Vec<PolicyReply>, ReplyError> {
        let ids: Vec<&str> = questions.iter().map(|question| &question.id[..]).collect();
        self.events.borrow_mut().push(format!("{} by {}", ids.join(" "), settings.seed));
        let reply = |question: &Question| {
            if question.id == "bad" {
                return Err(ReplyError::of(question, "nobody knows"));
            }
            self.asked += 1;
            let first = question.attacked.prompt.len() as u32;
            let session = Session::new(PlainVocabulary::shared(200), [first, 1]).unwrap();
            let tokens = [first, self.asked, settings.seed as u32].into_iter().cycle();
            Ok(PolicyReply { session, tokens: tokens.take(settings.max_new_tokens).collect() })
        };
        questions.iter().skip(self.missing).map(reply).collect()
    }
}

/// Rewards a reply by its last token.
struct Last;

impl ProcessRewardModel for Last {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let last = |session: &Session| session.response().last().map_or(0.0, |last| *last as f32);
        Ok(Reply::free(sessions.iter().map(last).collect(), sessions.len()))
    }
}

impl Forget for Last {
    fn forget(&mut self) {}
}

/// Three questions, each asked twice, five replies a group.
fn recipe(dir: &Path, ids: [&str; 3]) -> LabelRecipe {
    let rows = ids.map(|id| json!({ "id": id, "prompt": format!("how {id}") }).to_string());
    let path = dir.join("asked.jsonl");
    std::fs::write(&path, rows.join("\n")).unwrap();
    let sampled: Value = json!({
        "policy": { "model": "org/policy" }, "samples": 2, "max_new_tokens": 3,
        "attack": { "kind": "suffix", "text": "!" },
    });
    let mut recipe = asked(&path, &sampled);
    recipe.annotate.group = 5.try_into().unwrap();
    recipe
}

fn labelling(recipe: &LabelRecipe, missing: usize) -> (Labelling, Events) {
    let corpus = LabelCorpus::read(recipe).unwrap();
    let attacked = Attacked { prompt: "how a !".into(), prefill: String::new(), prefill_tokens: 0 };
    let first = &corpus.questions()[0];
    assert!(first.id == "bad" || *first == Question { id: "a".into(), attacked });
    let events = Events::default();
    let replier = Counting { events: events.clone(), asked: 0, missing };
    let labelling = Labelling::new(corpus, Box::new(Last), PlainVocabulary::shared(200));
    (labelling.with_replier(Box::new(replier)), events)
}

fn labelled(recipe: &LabelRecipe, out: &Path, shard: Shard, missing: usize) -> Result<LabelSummary, LabelError> {
    let (mut labelling, _) = labelling(recipe, missing);
    labelling.open(recipe, out, shard, &RunOrigin::default()).unwrap().run(&mut labelling, &mut |_| {})
}

#[test]
fn a_replier_is_asked_sample_by_sample_and_forgets_between_groups() {
    let (dir, out) = (fast_dir(), fast_dir());
    let recipe = recipe(dir.path(), ["a", "b", "c"]);
    let (mut labelling, events) = labelling(&recipe, 0);
    let mut run = labelling.open(&recipe, out.path(), Shard::WHOLE, &RunOrigin::default()).unwrap();
    run.run(&mut labelling, &mut |_| {}).unwrap();
    // The first group has five places: all questions once, and two a second time.
    assert_eq!(*events.borrow(), ["forgets", "a b c by 7", "a b by 8", "forgets", "c by 8"]);
    let (manifest, records) = read(out.path()).unwrap();
    let ids: Vec<&str> = records.iter().map(|record| &record.id[..]).collect();
    assert_eq!(ids, ["a/0", "b/0", "c/0", "a/1", "b/1", "c/1"]);
    assert_eq!((records[3].group.as_deref(), &records[3].set[..]), (Some("a"), "asked"));
    assert_eq!((&records[3].prompt[..], &records[3].reply[..]), (&[7, 1][..], &[7, 4, 8][..]));
    assert_eq!(records[3].rewards, [7.0, 4.0, 8.0]);
    assert_eq!(records[5].reply, [7, 1, 8], "it had forgotten");
    assert!(manifest.fingerprints["origin.corpus.data.path"].starts_with("crc32 "), "{manifest:?}");
}

#[test]
fn a_run_that_is_taken_up_has_the_replies_of_one_that_was_not_stopped() {
    let (dir, whole, pieces) = (fast_dir(), fast_dir(), fast_dir());
    let recipe = recipe(dir.path(), ["a", "b", "c"]);
    labelled(&recipe, whole.path(), Shard::WHOLE, 0).unwrap();
    labelled(&recipe, pieces.path(), Shard::WHOLE, 0).unwrap();
    // As a kill within the second group leaves it, and within the first.
    for kept in [5, 3] {
        let file = lines(pieces.path());
        let ends: Vec<usize> = (0..file.len()).filter(|place| file[*place] == b'\n').collect();
        std::fs::write(pieces.path().join("labels.jsonl"), &file[..ends[kept - 1] + 4]).unwrap();
        labelled(&recipe, pieces.path(), Shard::WHOLE, 0).unwrap();
        assert!(lines(pieces.path()) == lines(whole.path()), "{kept} lines");
    }
}

#[test]
fn replies_that_do_not_come_are_told_with_their_question() {
    let (dir, out) = (fast_dir(), fast_dir());
    let bad = recipe(dir.path(), ["bad", "b", "c"]);
    let error = told(&labelled(&bad, out.path(), Shard::WHOLE, 0).unwrap_err());
    assert_eq!(error, "replies 0 to 4 cannot be had: question bad: nobody knows");
    let (dir, out) = (fast_dir(), fast_dir());
    let good = recipe(dir.path(), ["a", "b", "c"]);
    let error = told(&labelled(&good, out.path(), Shard::WHOLE, 1).unwrap_err());
    assert_eq!(error, "replies 0 to 4 cannot be had: expected a reply to each of 3 questions, found 2");
}

#[test]
fn questions_that_nobody_replies_to_are_refused_before_a_run_begins() {
    let (dir, out) = (fast_dir(), fast_dir());
    let recipe = recipe(dir.path(), ["a", "b", "c"]);
    let labelling =
        Labelling::new(LabelCorpus::read(&recipe).unwrap(), Box::new(Last), Arc::new(PlainVocabulary::new(200)));
    let error = labelling.open(&recipe, &out.path().join("run"), Shard::WHOLE, &RunOrigin::default()).unwrap_err();
    assert!(matches!(error, RecipeError::NoReplier), "{error}");
    assert!(!out.path().join("run").exists());
}
