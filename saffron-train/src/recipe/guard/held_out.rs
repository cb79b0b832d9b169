//! What a guard is worth on held-out replies, asked as a search would ask it.

use std::collections::BTreeMap;
use std::sync::Arc;

use saffron_core::{ModelError, ProcessRewardModel, Session, Vocabulary};
use saffron_search::eval::data::Item;
use saffron_search::eval::judge::RefusalPhrases;
use saffron_search::eval::stats::{Classification, ClassificationSettings, Share};
use serde::Serialize;

use crate::error::TrainError;
use crate::objective::guard::{GuardExample, GuardReply};
use crate::recipe::RecipeError;

/// Replies that are scored in one call.
const BATCH: usize = 16;

/// Held-out replies with their scores.
#[derive(Clone, Debug, Default)]
pub struct HeldOut {
    answers: Vec<Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    group: String,
    safe: bool,
    /// The reward of the whole reply, as far as it was kept.
    score: f64,
    /// The rewards after a quarter, a half, three quarters of it.
    parts: [f64; 3],
    /// Whether phrases call it a refusal.
    refuses: bool,
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct HeldOutReport {
    /// Whole replies.
    pub whole: Classification,
    /// The first quarter, half, three quarters of each.
    pub beginnings: BTreeMap<String, Classification>,
    /// What phrases get right.
    pub phrases: Share,
    /// By group (question): replies, right by the guard, right by phrases, AUROC.
    pub groups: BTreeMap<String, GroupReport>,
}

/// One group of held-out replies.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// Right by the guard.
    pub guard: Share,
    /// Right by phrases.
    pub phrases: Share,
    /// AUROC; none where all replies are of one kind.
    pub auroc: Option<f64>,
}

impl HeldOut {
    /// Has a guard score labelled replies: each as a whole, and its first quarters. Their ids are
    /// of the `vocabulary`. Pairs have no label, and are left out.
    ///
    /// ```
    /// use saffron_core::{PlainVocabulary, Vocabulary, process_reward_fn};
    /// use saffron_search::eval::data::{Item, Label};
    /// use saffron_train::objective::guard::{GuardExample, GuardReply};
    /// use saffron_train::recipe::HeldOut;
    /// let example = |reply: &str, token, safe| {
    ///     let item = Item { group: Some("bread".into()), ..Item::new("0", "How?").with_reply(reply) };
    ///     let reply = GuardReply::new(vec![1], vec![token; 4])?;
    ///     Ok::<_, saffron_train::TrainError>((GuardExample::Labelled { reply, safe }, item))
    /// };
    /// let held_out = [example("I cannot help with that.", 7, true)?, example("Sure.", 3, false)?];
    /// let mut guard = process_reward_fn(|session| session.response()[0] as f32 - 5.0);
    /// let report = HeldOut::score(&mut guard, &PlainVocabulary::shared(10), &held_out)?.report()?;
    /// assert_eq!(report.whole.accuracy.value(), Some(1.0));
    /// assert_eq!(report.groups["bread"].phrases.of(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A guard that fails, replies that are not of the vocabulary.
    pub fn score(
        guard: &mut dyn ProcessRewardModel,
        vocabulary: &Arc<dyn Vocabulary>,
        examples: &[(GuardExample, Item)],
    ) -> Result<Self, RecipeError> {
        let phrases = RefusalPhrases::default();
        let labelled: Vec<Labelled<'_>> = examples.iter().filter_map(labelled).collect();
        let mut held = Self::default();
        for part in labelled.chunks(BATCH) {
            held.add(guard, vocabulary, part, &phrases)?;
        }
        Ok(held)
    }

    fn add(
        &mut self,
        guard: &mut dyn ProcessRewardModel,
        vocabulary: &Arc<dyn Vocabulary>,
        part: &[Labelled<'_>],
        phrases: &RefusalPhrases,
    ) -> Result<(), RecipeError> {
        let mut sessions = Vec::new();
        for (reply, ..) in part {
            sessions.extend(quarters(reply, vocabulary).map_err(TrainError::from)?);
        }
        let rewards = guard.process_rewards(&sessions).map_err(TrainError::from)?.value;
        let (expected, found) = (sessions.len(), rewards.len());
        if found != expected {
            let mismatch = ModelError::BatchMismatch { what: "rewards of a batch", expected, found };
            return Err(TrainError::from(mismatch).into());
        }
        for ((_, safe, item), rewards) in part.iter().zip(rewards.chunks_exact(4)) {
            let at = |place: usize| f64::from(rewards[place]);
            self.answers.push(Answer {
                group: item.group.clone().unwrap_or_default(),
                safe: *safe,
                score: at(3),
                parts: [at(0), at(1), at(2)],
                refuses: phrases.refuses(item.reply.as_deref().unwrap_or_default()),
            });
        }
        Ok(())
    }

    /// The report.
    ///
    /// # Errors
    ///
    /// No replies, scores that are no numbers.
    pub fn report(&self) -> Result<HeldOutReport, RecipeError> {
        let settings = ClassificationSettings::default();
        let classified = |score: &dyn Fn(&Answer) -> f64| {
            let scored: Vec<(f64, bool)> = self.answers.iter().map(|answer| (score(answer), answer.safe)).collect();
            Classification::of(&scored, &settings).map_err(TrainError::from)
        };
        let whole = classified(&|answer| answer.score)?;
        let mut beginnings = BTreeMap::new();
        for (part, name) in ["1/4", "1/2", "3/4"].into_iter().enumerate() {
            beginnings.insert(name.to_owned(), classified(&|answer| answer.parts[part])?);
        }
        let phrases = Share::count(self.answers.iter().map(|answer| answer.refuses == answer.safe));
        Ok(HeldOutReport { whole, beginnings, phrases, groups: self.groups(&settings)? })
    }

    fn groups(&self, settings: &ClassificationSettings) -> Result<BTreeMap<String, GroupReport>, RecipeError> {
        let grouped: Vec<(&str, (f64, bool))> =
            self.answers.iter().map(|answer| (answer.group.as_str(), (answer.score, answer.safe))).collect();
        let reports = Classification::by_group(&grouped, settings).map_err(TrainError::from)?;
        let of = |(name, report): (String, Classification)| {
            let here = self.answers.iter().filter(|answer| answer.group == name);
            let phrases = Share::count(here.map(|answer| answer.refuses == answer.safe));
            let auroc = report.auroc.map(|auroc| auroc.value);
            (name, GroupReport { guard: report.accuracy, phrases, auroc })
        };
        Ok(reports.into_iter().map(of).collect())
    }
}

/// A labelled reply, whether it is safe, and its row.
type Labelled<'a> = (&'a GuardReply, bool, &'a Item);

fn labelled((example, item): &(GuardExample, Item)) -> Option<Labelled<'_>> {
    match example {
        GuardExample::Labelled { reply, safe } => Some((reply, *safe, item)),
        GuardExample::Pair { .. } => None,
    }
}

/// The first quarter, half and three quarters of a reply, and the reply.
fn quarters(reply: &GuardReply, vocabulary: &Arc<dyn Vocabulary>) -> Result<Vec<Session>, ModelError> {
    let session = reply.session(vocabulary.clone())?;
    let part = |quarters: usize| (reply.reply().len() * quarters).div_ceil(4);
    (1..=4).map(|quarters| session.with_response(reply.reply()[..part(quarters)].to_vec())).collect()
}
