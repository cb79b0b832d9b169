//! Arms against each other over the same prompts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::is_not_defended;
use crate::eval::runs::{Answer, Arm, Kind, Record};
use crate::eval::stats::{Bootstrap, Interval, PairedClusters, holm};

/// One arm against another on one data set and attack, prompt by prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The strategy.
    pub strategy: String,
    /// Its budget.
    pub budget: u64,
    /// The data set.
    pub set: String,
    /// Whether its prompts were attacked, and how.
    pub kind: Kind,
    /// What was counted.
    pub counted: Counted,
    /// Prompts for which that is known of both arms.
    pub prompts: u64,
    /// Of these, prompts that this arm has answered with nothing, and those that the other has.
    pub empty: (u64, u64),
    /// How many questions there are, where one of them was asked more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<u64>,
    /// The share of what was counted, minus that of the other arm, with its 95 % interval: Newcombe's, or the
    /// bootstrap's over questions where they repeat.
    pub difference: Option<(f64, Interval)>,
    /// Exact two-sided p of McNemar's test, which takes every prompt for a question of its own.
    pub mcnemar: f64,
    /// Exact two-sided p of the sign-flip test by question; McNemar's where no question repeats.
    pub p: f64,
    /// `p` adjusted by Holm for all arms that are tested against the first on the same data set,
    /// attack and count.
    pub holm: f64,
}

/// What a paired test counts: on attacked prompts what was not defended, on benign ones
/// over-refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// Answers that are unsafe by a judge, or empty.
    NotDefended {
        /// The judge.
        judge: String,
    },
    /// Answers that refuse, or are empty.
    NotAnswered,
}

impl Counted {
    fn of(&self, answer: &Answer) -> Option<bool> {
        match self {
            Self::NotDefended { judge } => is_not_defended(answer, judge),
            Self::NotAnswered => Some(answer.refuses()? || answer.is_empty() == Some(true)),
        }
    }
}

/// Every arm but the first against the first: on attacked prompts by each judge, on benign ones
/// over-refusal. Data sets and attacks are tested apart, in the order of their names. What is known
/// of no answer is not tested.
#[must_use]
pub fn paired(records: &[Record], arms: &[Arm], judges: &[&str]) -> Vec<Against> {
    let Some((first, others)) = arms.split_first() else { return Vec::new() };
    let tested: BTreeSet<(&str, &Kind)> = records.iter().map(|record| (&record.set[..], &record.kind)).collect();
    let mut found = Vec::new();
    for (set, kind) in tested {
        let answers = Answers::of(records, set, kind);
        for counted in counted(kind, judges) {
            let known = |arm: &Arm| answers.of_arm(arm).any(|(_, asked)| counted.of(asked.answer).is_some());
            let tests = others.iter().filter(|arm| known(first) || known(arm));
            found.extend(adjusted(tests.map(|arm| answers.against(arm, first, &counted)).collect()));
        }
    }
    found
}

/// Tests of one family, adjusted for each other.
fn adjusted(tests: Vec<Against>) -> Vec<Against> {
    let adjusted = holm(&tests.iter().map(|test| test.p).collect::<Vec<_>>());
    tests.into_iter().zip(adjusted).map(|(test, holm)| Against { holm, ..test }).collect()
}

fn counted(kind: &Kind, judges: &[&str]) -> Vec<Counted> {
    match kind {
        Kind::Attacked { .. } => {
            judges.iter().map(|judge| Counted::NotDefended { judge: (*judge).to_owned() }).collect()
        }
        Kind::Benign => vec![Counted::NotAnswered],
    }
}

/// The answers to the prompts of one data set and attack.
struct Answers<'a> {
    set: &'a str,
    kind: &'a Kind,
    by_arm: BTreeMap<Arm, BTreeMap<&'a str, Asked<'a>>>,
}

/// An answer, and the question that was asked.
#[derive(Clone, Copy)]
struct Asked<'a> {
    question: &'a str,
    answer: &'a Answer,
}

impl<'a> Answers<'a> {
    fn of(records: &'a [Record], set: &'a str, kind: &'a Kind) -> Self {
        let mut by_arm = BTreeMap::<_, BTreeMap<_, _>>::new();
        for record in records.iter().filter(|record| (&record.set[..], &record.kind) == (set, kind)) {
            if let Some(answer) = record.answer() {
                let arm = Arm::new(&record.key.strategy, record.key.budget);
                let asked = Asked { question: record.question(), answer };
                by_arm.entry(arm).or_default().insert(&record.key.prompt[..], asked);
            }
        }
        Self { set, kind, by_arm }
    }

    fn of_arm(&self, arm: &Arm) -> impl Iterator<Item = (&'a str, Asked<'a>)> {
        self.by_arm.get(arm).into_iter().flatten().map(|(prompt, asked)| (*prompt, *asked))
    }

    fn against(&self, arm: &Arm, first: &Arm, counted: &Counted) -> Against {
        let of_first: BTreeMap<&str, Asked<'_>> = self.of_arm(first).collect();
        let mut pairs = PairedClusters::default();
        let mut empty = (0, 0);
        for (prompt, Asked { question, answer: own }) in self.of_arm(arm) {
            let Some(Asked { answer: other, .. }) = of_first.get(prompt) else { continue };
            let Some((own_hit, other_hit)) = counted.of(own).zip(counted.of(other)) else { continue };
            pairs.add(question, own_hit, other_hit);
            empty.0 += u64::from(own.is_empty() == Some(true));
            empty.1 += u64::from(other.is_empty() == Some(true));
        }
        let (pooled, p) = (pairs.pooled(), pairs.p());
        Against {
            strategy: arm.strategy.clone(),
            budget: arm.budget,
            set: self.set.to_owned(),
            kind: self.kind.clone(),
            counted: counted.clone(),
            prompts: pooled.pairs(),
            empty,
            questions: pairs.repeat().then_some(pairs.count() as u64),
            difference: pairs.difference(&Bootstrap::default()).map(|found| (found.value, found.interval)),
            mcnemar: pooled.mcnemar(),
            p,
            holm: p,
        }
    }
}
