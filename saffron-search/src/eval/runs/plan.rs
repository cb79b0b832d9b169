//! What a run is to do, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::Range;

use super::{Key, Record, RunError, Shard};

/// Parts `count` prompts into groups of `size`, the last of which may be smaller.
///
/// ```
/// use saffron_search::eval::runs::groups;
/// let size = std::num::NonZeroUsize::new(2).unwrap();
/// assert_eq!(groups(5, size).collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
/// ```
pub fn groups(count: usize, size: NonZeroUsize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(size.get()).map(move |start| start..start.saturating_add(size.get()).min(count))
}

/// A strategy with a budget.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arm {
    /// The strategy, by the name that the run gives it.
    pub strategy: String,
    /// How much it may do, in its own unit.
    pub budget: u64,
}

impl Arm {
    /// A strategy with a budget.
    pub fn new(strategy: impl Into<String>, budget: u64) -> Self {
        Self { strategy: strategy.into(), budget }
    }

    /// Whether a key is of it.
    pub(super) fn is_of(&self, key: &Key) -> bool {
        (&self.strategy, self.budget) == (&key.strategy, key.budget)
    }

    /// The key of a prompt under it.
    #[must_use]
    pub fn key(&self, prompt: &str) -> Key {
        Key { strategy: self.strategy.clone(), budget: self.budget, prompt: prompt.to_owned() }
    }
}

/// Every arm over every prompt. The order of both is the order of a finished run's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    arms: Vec<Arm>,
    prompts: Vec<String>,
    places: BTreeMap<String, usize>,
    group_size: NonZeroUsize,
}

impl Plan {
    /// All `arms` over the prompts with these ids, which run in groups of `group_size`.
    #[must_use]
    pub fn new(arms: Vec<Arm>, prompts: Vec<String>, group_size: NonZeroUsize) -> Self {
        let places = prompts.iter().enumerate().map(|(place, id)| (id.clone(), place)).collect();
        Self { arms, prompts, places, group_size }
    }

    /// The arms in order.
    #[must_use]
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// The prompts' ids in order.
    #[must_use]
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }

    /// Place and group of a prompt; none when the plan does not have it.
    #[must_use]
    pub fn place(&self, prompt: &str) -> Option<(usize, usize)> {
        self.places.get(prompt).map(|index| (*index, *index / self.group_size))
    }

    /// The groups of prompts that a shard owns: the number of each, and the places of its prompts.
    pub fn groups(&self, shard: Shard) -> impl Iterator<Item = (usize, Range<usize>)> {
        groups(self.prompts.len(), self.group_size).enumerate().filter(move |(group, _)| shard.owns(*group))
    }

    /// What a shard is to do, in order: arm by arm, prompt by prompt.
    pub fn keys(&self, shard: Shard) -> impl Iterator<Item = Key> {
        self.entries(shard).map(|entry| entry.key)
    }

    pub(super) fn entries(&self, shard: Shard) -> impl Iterator<Item = Entry> {
        let places = move || self.groups(shard).flat_map(|(group, places)| places.map(move |index| (group, index)));
        self.arms.iter().flat_map(move |arm| {
            places().map(move |(group, index)| Entry { key: arm.key(&self.prompts[index]), group, index })
        })
    }

    /// Refuses arms and prompts that are there twice: their records would have one key.
    pub(in crate::eval) fn check(&self) -> Result<(), RunError> {
        let mut arms = BTreeSet::new();
        if let Some(arm) = self.arms.iter().find(|arm| !arms.insert(*arm)) {
            return Err(RunError::planned_twice(arm));
        }
        match self.prompts.iter().enumerate().find(|(place, prompt)| self.places.get(*prompt) != Some(place)) {
            Some((_, prompt)) => Err(RunError::PlannedTwice { what: format!("prompt `{prompt}`") }),
            None => Ok(()),
        }
    }
}

/// A key with the place that its record must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) group: usize,
    pub(super) index: usize,
}

impl Entry {
    pub(super) fn of(record: &Record) -> Self {
        Self { key: record.key.clone(), group: record.group, index: record.index }
    }
}
