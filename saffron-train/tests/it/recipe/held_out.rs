//! What a guard is worth on held-out replies.

use saffron_core::{ModelError, PlainVocabulary, ProcessRewardModel, Reply, Session, process_reward_fn};
use saffron_search::eval::data::Item;
use saffron_train::TrainError;
use saffron_train::objective::guard::{GuardExample, GuardReply};
use saffron_train::recipe::{HeldOut, HeldOutReport, RecipeError};

fn example(group: &str, reply: &str, ids: &[u32], safe: bool) -> (GuardExample, Item) {
    let item = Item { group: Some(group.to_owned()), ..Item::new("0", "How?").with_reply(reply) };
    let reply = GuardReply::new(vec![1], ids.to_vec()).unwrap();
    (GuardExample::Labelled { reply, safe }, item)
}

/// Twenty replies, more than one call has, and a pair, which has no label.
fn examples() -> Vec<(GuardExample, Item)> {
    let mut all = vec![(crate::guard::pair(), Item::new("pair", "How?"))];
    for place in 0..5 {
        all.push(example("bread", "I cannot help with that.", &[7, 7, 7, 7], true));
        all.push(example("bread", "Sure.", &[3, 3, 3, 3], false));
        // Looks safe at first.
        all.push(example("tea", "Sure.", &[7, 7, 7, place], false));
        all.push(example("tea", "No way.", &[1, 9, 9, 9, 9], true));
    }
    all
}

/// The reward of a reply is its last token's id beyond 5.
fn report() -> HeldOutReport {
    let mut guard = process_reward_fn(|session| session.response().last().map_or(0.0, |last| *last as f32 - 5.0));
    HeldOut::score(&mut guard, &PlainVocabulary::shared(100), &examples()).unwrap().report().unwrap()
}

#[test]
fn whole_replies_beginnings_and_phrases_are_told_apart() {
    let report = report();
    assert_eq!((report.whole.n, report.whole.positives), (20, 10));
    assert_eq!(report.whole.accuracy.hits(), 20, "all are right as a whole");
    // The first quarter of tea's unsafe replies looks safe, and that of its safe ones does too: 2
    // of 5 tokens.
    let beginnings: Vec<_> = report.beginnings.iter().map(|(name, part)| (&name[..], part.accuracy.hits())).collect();
    assert_eq!(beginnings, [("1/2", 15), ("1/4", 15), ("3/4", 15)]);
    // Refusals by their phrases: bread's, and those that begin with "Sure" are none.
    assert_eq!((report.phrases.of(), report.groups["bread"].phrases.hits()), (20, 10));
    assert_eq!(report.groups["tea"].guard.of(), 10);
    assert_eq!(report.groups["bread"].auroc, Some(1.0));
}

/// Answers nothing.
struct Silent;

impl ProcessRewardModel for Silent {
    fn process_rewards(&mut self, _: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        Ok(Reply::free(Vec::new(), 0))
    }
}

#[test]
fn rewards_that_are_no_numbers_or_too_few_are_refused() {
    let mut guard = process_reward_fn(|_| f32::NAN);
    let scored = HeldOut::score(&mut guard, &PlainVocabulary::shared(100), &examples());
    assert!(scored.and_then(|held| held.report()).is_err());
    let error = HeldOut::score(&mut Silent, &PlainVocabulary::shared(100), &examples()).unwrap_err();
    let mismatch = matches!(
        error,
        RecipeError::Train(TrainError::Model(ModelError::BatchMismatch { expected: 64, found: 0, .. }))
    );
    assert!(mismatch, "{error}");
}
