//! What a guard is worth on held-out replies, through the public model that a search would use.

use std::collections::BTreeMap;

use anyhow::Result;
use saffron_core::{ProcessRewardModel, Session};
use saffron_mrm::GuardRewardModel;
use saffron_search::eval::data::Item;
use saffron_search::eval::judge::RefusalPhrases;
use saffron_search::eval::stats::{Classification, ClassificationSettings, Share};
use saffron_train::objective::guard::GuardExample;
use serde::Serialize;

/// Replies that are asked for in one call.
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
    /// Has a guard score labelled replies.
    ///
    /// # Errors
    ///
    /// A guard that fails.
    pub fn score(guard: &mut GuardRewardModel, examples: &[(GuardExample, Item)]) -> Result<Self> {
        let phrases = RefusalPhrases::default();
        let mut held = Self::default();
        for part in examples.chunks(BATCH) {
            held.add(guard, part, &phrases)?;
        }
        Ok(held)
    }

    fn add(
        &mut self,
        guard: &mut GuardRewardModel,
        part: &[(GuardExample, Item)],
        phrases: &RefusalPhrases,
    ) -> Result<()> {
        let mut sessions = Vec::new();
        for (example, _) in part {
            sessions.extend(sessions_of(guard, example)?);
        }
        let rewards = guard.process_rewards(&sessions)?.value;
        for ((example, item), rewards) in part.iter().zip(rewards.chunks_exact(4)) {
            let GuardExample::Labelled { safe, .. } = example else { continue };
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
    /// Scores that are no numbers.
    pub fn report(&self) -> Result<HeldOutReport> {
        let settings = ClassificationSettings::default();
        let classified = |score: &dyn Fn(&Answer) -> f64| {
            let scored: Vec<(f64, bool)> = self.answers.iter().map(|answer| (score(answer), answer.safe)).collect();
            Classification::of(&scored, &settings)
        };
        let whole = classified(&|answer| answer.score)?;
        let mut beginnings = BTreeMap::new();
        for (part, name) in ["1/4", "1/2", "3/4"].into_iter().enumerate() {
            beginnings.insert(name.to_owned(), classified(&|answer| answer.parts[part])?);
        }
        let phrases = Share::count(self.answers.iter().map(|answer| answer.refuses == answer.safe));
        Ok(HeldOutReport { whole, beginnings, phrases, groups: self.groups(&settings)? })
    }

    fn groups(&self, settings: &ClassificationSettings) -> Result<BTreeMap<String, GroupReport>> {
        let grouped: Vec<(&str, (f64, bool))> =
            self.answers.iter().map(|answer| (answer.group.as_str(), (answer.score, answer.safe))).collect();
        let reports = Classification::by_group(&grouped, settings)?;
        let of = |(name, report): (String, Classification)| {
            let here = self.answers.iter().filter(|answer| answer.group == name);
            let phrases = Share::count(here.map(|answer| answer.refuses == answer.safe));
            let auroc = report.auroc.map(|auroc| auroc.value);
            (name, GroupReport { guard: report.accuracy, phrases, auroc })
        };
        Ok(reports.into_iter().map(of).collect())
    }
}

/// The beginnings of a reply, and the reply.
fn sessions_of(guard: &GuardRewardModel, example: &GuardExample) -> Result<Vec<Session>> {
    let reply = example.replies()[0];
    let session = reply.session(guard.vocabulary())?;
    let part = |quarters: usize| (reply.reply().len() * quarters).div_ceil(4);
    (1..=4).map(|quarters| Ok(session.with_response(reply.reply()[..part(quarters)].to_vec())?)).collect()
}
