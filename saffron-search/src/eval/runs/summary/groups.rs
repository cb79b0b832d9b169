//! Rows by harm category, and by jailbreak template.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Estimate, Judged, SummarySettings, row};
use crate::eval::runs::{Key, Kind, Record};

/// One strategy and budget on the prompts of a data set that are of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// The strategy.
    pub strategy: String,
    /// Its budget.
    pub budget: u64,
    /// The data set.
    pub set: String,
    /// Whether its prompts were attacked.
    pub kind: Kind,
    /// The group; none for prompts of a data set with groups that have none.
    pub group: Option<String>,
    /// Prompts with a record.
    pub prompts: u64,
    /// Of these, the ones without an answer.
    pub failures: u64,
    /// What the judges say.
    pub judges: Vec<Judged>,
    /// Answers that refuse, of those that somebody looked at.
    pub refused: Option<Estimate>,
}

/// A row for each harm category of each strategy, budget, data set and attack. Data sets without
/// categories have none.
#[must_use]
pub fn by_category(records: &[Record]) -> Vec<GroupRow> {
    by(records, |record| record.category.as_deref())
}

/// A row for each template of each strategy, budget, data set and attack. Prompts that stand in
/// none have none.
#[must_use]
pub fn by_template(records: &[Record]) -> Vec<GroupRow> {
    by(records, |record| record.template.as_deref())
}

fn by(records: &[Record], group: impl Fn(&Record) -> Option<&str>) -> Vec<GroupRow> {
    let mut rows = BTreeMap::<_, BTreeMap<Option<&str>, Vec<&Record>>>::new();
    for record in records {
        let Key { strategy, budget, .. } = &record.key;
        let groups = rows.entry((strategy, budget, &record.set, &record.kind)).or_default();
        groups.entry(group(record)).or_default().push(record);
    }
    let grouped = rows.into_values().filter(|groups| groups.keys().any(Option::is_some));
    grouped.flatten().filter_map(|(group, records)| group_row(group, &records)).collect()
}

fn group_row(group: Option<&str>, records: &[&Record]) -> Option<GroupRow> {
    let row = row(records, &SummarySettings::default())?;
    Some(GroupRow {
        strategy: row.strategy,
        budget: row.budget,
        set: row.set,
        kind: row.kind,
        group: group.map(str::to_owned),
        prompts: row.prompts,
        failures: row.failures,
        judges: row.judges,
        refused: row.refused,
    })
}
