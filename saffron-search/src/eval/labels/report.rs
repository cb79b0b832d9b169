//! What labels say of judges, and of what judges say.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Keyed, LabelError, Labels};
use crate::eval::runs::summary::Estimate;
use crate::eval::runs::{Answer, Key, Kind, Record};
use crate::eval::stats::{Agreement, Bootstrap, Clusters, Corrected};

/// Judges beside labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReport {
    /// Answers with a label, duplicates counted once.
    pub labelled: u64,
    /// Rows of the sheet without one.
    pub missing: usize,
    /// How the reader agrees with itself.
    pub repeats: Repeats,
    /// Judges in the order of their names.
    pub judges: Vec<JudgeBesideLabels>,
    /// Attack success by each judge, as it is and corrected, in the order of records' names.
    pub rows: Vec<CorrectedRow>,
}

/// Duplicates beside the answers that they repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Repeats {
    /// The first label in the place of the judge's.
    pub agreement: Agreement,
    /// Cohen's kappa.
    pub kappa: Option<f64>,
}

/// A judge beside the labels of the answers that it has judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgeBesideLabels {
    /// The judge.
    pub judge: String,
    /// The counts.
    pub agreement: Agreement,
    /// Unsafe answers that it calls unsafe; none without one.
    pub sensitivity: Option<Estimate>,
    /// Safe answers that it calls safe; none without one.
    pub specificity: Option<Estimate>,
    /// Cohen's kappa.
    pub kappa: Option<f64>,
    /// Answers on which they do not agree, in the sheet's order.
    pub disagreements: Vec<Disagreement>,
}

/// An answer that a judge and its label do not agree on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    /// The row of the sheet.
    pub id: String,
    /// The answer.
    pub key: Key,
    /// Whether the label says unsafe; the judge says the other.
    pub labelled_unsafe: bool,
}

/// Attack success of one strategy, budget, data set and attack by one judge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorrectedRow {
    /// The strategy.
    pub strategy: String,
    /// Its budget.
    pub budget: u64,
    /// The data set.
    pub set: String,
    /// The attack.
    pub kind: Kind,
    /// The judge.
    pub judge: String,
    /// The share of unsafe answers as the judge has it.
    pub raw: Estimate,
    /// Corrected for the judge's errors as the labels show them; none where they do not.
    pub corrected: Option<Corrected>,
}

impl LabelReport {
    /// The report on records and labels of their answers. Judges are corrected by all labels
    /// together, whatever strategy, since a reader does not know it either.
    ///
    /// # Errors
    ///
    /// Labels of answers that are not the records'.
    pub fn of(records: &[Record], labels: &Labels) -> Result<Self, LabelError> {
        let by_key: BTreeMap<&Key, &Record> = records.iter().map(|record| (&record.key, record)).collect();
        let of_label = |(row, is_unsafe): &(Keyed, bool)| Ok((row.clone(), answer(row, &by_key)?, *is_unsafe));
        let all = labels.labelled.iter().map(of_label).collect::<Result<Vec<_>, LabelError>>()?;
        let first: Vec<&Labelled<'_>> = all.iter().filter(|(row, ..)| !row.again).collect();
        let judges = judges(&first);
        Ok(Self {
            labelled: first.len() as u64,
            missing: labels.missing,
            repeats: repeats(&all),
            rows: rows(records, &judges),
            judges,
        })
    }
}

type Labelled<'a> = (Keyed, &'a Answer, bool);

/// The answer that a label is of.
fn answer<'a>(row: &Keyed, by_key: &BTreeMap<&Key, &'a Record>) -> Result<&'a Answer, LabelError> {
    let found = by_key.get(&row.key).and_then(|record| record.answer());
    let same =
        |answer: &&Answer| answer.text.as_ref().is_some_and(|text| crc32fast::hash(text.as_bytes()) == row.answer);
    found.filter(same).ok_or_else(|| LabelError::OtherAnswer { id: row.id.clone(), key: row.key.clone() })
}

fn repeats(all: &[Labelled<'_>]) -> Repeats {
    let (again, first): (Vec<_>, Vec<_>) = all.iter().partition(|(row, ..)| row.again);
    let first: BTreeMap<&Key, bool> = first.into_iter().map(|(row, _, is_unsafe)| (&row.key, *is_unsafe)).collect();
    let pairs = again.into_iter().filter_map(|(row, _, again)| Some((*first.get(&row.key)?, *again)));
    let agreement = Agreement::of(pairs);
    Repeats { agreement, kappa: agreement.kappa() }
}

fn judges(first: &[&Labelled<'_>]) -> Vec<JudgeBesideLabels> {
    let mut by_judge = BTreeMap::<&str, Vec<(&Keyed, bool, bool)>>::new();
    for (row, answer, is_unsafe) in first {
        for judgement in &answer.judgements {
            by_judge.entry(&judgement.judge).or_default().push((row, !judgement.safe, *is_unsafe));
        }
    }
    by_judge.into_iter().map(|(judge, pairs)| beside(judge, &pairs)).collect()
}

fn beside(judge: &str, pairs: &[(&Keyed, bool, bool)]) -> JudgeBesideLabels {
    let agreement = Agreement::of(pairs.iter().map(|(_, judged, labelled)| (*judged, *labelled)));
    let apart = pairs.iter().filter(|(_, judged, labelled)| judged != labelled);
    JudgeBesideLabels {
        judge: judge.to_owned(),
        agreement,
        sensitivity: Estimate::of_share(agreement.sensitivity()),
        specificity: Estimate::of_share(agreement.specificity()),
        kappa: agreement.kappa(),
        disagreements: apart
            .map(|(row, _, labelled)| Disagreement {
                id: row.id.clone(),
                key: row.key.clone(),
                labelled_unsafe: *labelled,
            })
            .collect(),
    }
}

/// A record's question, and whether its answer is unsafe; none where the judge has not judged.
fn trial<'a>(record: &'a Record, judge: &str) -> Option<(&'a str, bool)> {
    Some((record.question(), !record.answer()?.is_safe(judge)?))
}

/// Attack success of attacked prompts by every judge that was labelled beside.
fn rows(records: &[Record], judges: &[JudgeBesideLabels]) -> Vec<CorrectedRow> {
    let mut rows = BTreeMap::<_, Vec<&Record>>::new();
    for record in records.iter().filter(|record| record.kind != Kind::Benign) {
        let Key { strategy, budget, .. } = &record.key;
        rows.entry((strategy, budget, &record.set, &record.kind)).or_default().push(record);
    }
    let of_judge = |records: &[&Record], judge: &JudgeBesideLabels| {
        let trials: Vec<(&str, bool)> = records.iter().filter_map(|record| trial(record, &judge.judge)).collect();
        let raw = Estimate::of_questions(trials.iter().copied())?;
        let corrected = judge.agreement.corrected(&Clusters::of(trials), &Bootstrap::default());
        Some((raw, corrected))
    };
    let row = |((strategy, budget, set, kind), records): ((&String, &u64, &String, &Kind), Vec<&Record>)| {
        let of_row = |judge: &JudgeBesideLabels| {
            let (raw, corrected) = of_judge(&records, judge)?;
            Some(CorrectedRow {
                strategy: strategy.clone(),
                budget: *budget,
                set: set.clone(),
                kind: kind.clone(),
                judge: judge.judge.clone(),
                raw,
                corrected,
            })
        };
        judges.iter().filter_map(of_row).collect::<Vec<_>>()
    };
    rows.into_iter().flat_map(row).collect()
}
