//! From data files and attacks to prompts and contenders.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use saffron_core::{Budget, ContextSettings, Session};

use super::config::{ComparisonConfig, ContenderConfig, DataConfig};
use super::marks::{MarksNote, SpelledMarks};
use super::{DataSetError, PrepareError};
use crate::eval::attack::{read_templates, read_templates_in};
use crate::eval::data::{self, Choice, Dataset, Item, LeftOut};
use crate::eval::harness::{Case, Contender, Harness};
use crate::eval::inputs::{data_files, fingerprint};
use crate::eval::models::{ComparedPolicy, ENCODING, NO_REWARD, TOGETHER, encodes_together};
use crate::eval::runs::{Arm, Kind};
use crate::searcher::{Rules, Searcher};

/// The prompts of a comparison, and the strategies that answer them.
#[derive(Debug)]
pub struct Prepared {
    cases: Vec<Case>,
    contenders: Vec<Contender>,
    group: NonZeroUsize,
    keep_text: bool,
    marks: SpelledMarks,
    left_out: Vec<(String, LeftOut)>,
    /// Checksums of the data files, by path, and how prompts are encoded.
    pub fingerprints: BTreeMap<String, String>,
}

impl Prepared {
    /// The comparison.
    #[must_use]
    pub fn harness(&self) -> Harness<'_> {
        Harness { contenders: &self.contenders, cases: &self.cases, group: self.group, keep_text: self.keep_text }
    }

    /// A prompt by its name in the records.
    #[must_use]
    pub fn case(&self, id: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// A strategy at its first budget, and the name of its reward model.
    #[must_use]
    pub fn searcher(&self, strategy: &str) -> Option<(&Searcher, &str)> {
        let mut contenders = self.contenders.iter();
        let found = contenders.find(|contender| contender.arm.strategy == strategy)?;
        Some((&found.searcher, &found.reward))
    }

    /// What was left out of the data sets, by name; those of which nothing was are not there. Where a
    /// data set is read in part, it is counted up to there.
    #[must_use]
    pub fn left_out(&self) -> &[(String, LeftOut)] {
        &self.left_out
    }

    /// Which prompts spell the policy's marks of turns, if any does.
    #[must_use]
    pub fn marks(&self) -> Option<MarksNote> {
        self.marks.note()
    }
}

/// Reads the data, attacks the prompts, and makes the contenders.
///
/// # Errors
///
/// Data that cannot be read, attacks that do not fit it, prompts without a token.
pub fn prepare(config: &ComparisonConfig, policy: &dyn ComparedPolicy) -> Result<Prepared, PrepareError> {
    let (mut cases, mut fingerprints, mut marks) = (Vec::new(), BTreeMap::new(), SpelledMarks::default());
    let mut left_out = Vec::new();
    for data in &config.data {
        let read = read_set(data, config.seed, policy, &mut marks);
        let ReadSet { cases: of_set, files, left_out: of_file } =
            read.map_err(|source| PrepareError::DataSet { set: data.name.clone(), source: Box::new(source) })?;
        cases.extend(of_set);
        fingerprints.extend(files);
        left_out.extend((!of_file.is_nothing()).then(|| (data.name.clone(), of_file)));
    }
    let sessions: Vec<&Session> = cases.iter().map(|case| &case.session).collect();
    // Reward models and guards read text in layouts of their own.
    if config.has_readers() || encodes_together(policy, &sessions) {
        fingerprints.insert(ENCODING.to_owned(), TOGETHER.to_owned());
    }
    let contenders = config.strategies.iter().flat_map(|contender| {
        contender.budgets.iter().map(|budget| contend(config, contender, *budget)).collect::<Vec<_>>()
    });
    Ok(Prepared {
        cases,
        contenders: contenders.collect(),
        group: NonZeroUsize::new(config.group).ok_or(PrepareError::NoGroup)?,
        keep_text: config.keep_text,
        marks,
        left_out,
        fingerprints,
    })
}

/// A data set that was read.
struct ReadSet {
    cases: Vec<Case>,
    /// Checksums of its files.
    files: BTreeMap<String, String>,
    left_out: LeftOut,
}

fn read_set(
    data: &DataConfig,
    seed: u64,
    policy: &dyn ComparedPolicy,
    marks: &mut SpelledMarks,
) -> Result<ReadSet, DataSetError> {
    let Dataset { items, left_out, .. } = dataset(data, seed)?;
    let files = data_files(&data.path, &data.format).into_iter().chain(data.templates.clone());
    let sums = files.map(|path| fingerprint(&path)).collect::<Result<_, _>>()?;
    let cases = items.iter().map(|item| case(data, item, policy, marks)).collect::<Result<_, _>>()?;
    Ok(ReadSet { cases, files: sums, left_out })
}

/// The items of a data set that are asked. First come the `groups`, then those that the seed draws
/// (`sample`), then the first of these (`take`), then what is left of them (`skip`); each of these
/// is asked under every one of the `templates`. The attack, which this does not make, comes last.
///
/// # Errors
///
/// Files that cannot be read, templates that cannot be used, a choice of nothing.
pub fn items(data: &DataConfig, seed: u64) -> Result<Vec<Item>, DataSetError> {
    Ok(dataset(data, seed)?.items)
}

fn dataset(data: &DataConfig, seed: u64) -> Result<Dataset, DataSetError> {
    let choice = Choice {
        groups: data.groups.clone(),
        sample: data.sample.map(|count| (count, seed)),
        take: data.take,
        skip: data.skip,
        ..Choice::default()
    };
    // What comes behind the rows that are wanted is not read.
    let mut set = data::read_chosen(&data.path, &data.format, &choice)?;
    if set.items.is_empty() {
        return Err(DataSetError::NothingLeft { groups: data.groups.clone(), skip: data.skip });
    }
    if let Some(path) = &data.templates {
        let templates = match &data.template_column {
            Some(column) => read_templates_in(path, column)?,
            None => read_templates(path)?,
        };
        let failed = |source| DataSetError::Templates { path: path.clone(), source };
        set = set.under_templates(&templates).map_err(failed)?;
    }
    Ok(set)
}

fn case(
    data: &DataConfig,
    item: &Item,
    policy: &dyn ComparedPolicy,
    marks: &mut SpelledMarks,
) -> Result<Case, DataSetError> {
    let attacked = data.attack.apply(item)?;
    let failed = |source| DataSetError::Prompt { id: item.id.clone(), source };
    let session = policy.attacked_session(&attacked.prompt, &attacked.prefill, attacked.prefill_tokens);
    let question = match item.question() {
        question if question == attacked.prompt => None,
        question => Some(policy.attacked_session(question, "", 0).map_err(failed)?),
    };
    let id = format!("{}/{}", data.name, item.id);
    marks.add(&id, policy.spelled_marks(&attacked.prompt));
    Ok(Case {
        id,
        set: data.name.clone(),
        kind: if data.benign { Kind::Benign } else { Kind::Attacked { attack: attack_name(data) } },
        session: session.map_err(failed)?,
        question,
        category: item.category.clone(),
        template: item.template.clone(),
        prompt: Some(attacked.prompt),
    })
}

fn attack_name(data: &DataConfig) -> String {
    let templates = data.templates.as_ref().and_then(|path| path.file_name());
    match templates {
        Some(file) => format!("templates of {}, {}", file.to_string_lossy(), data.attack.name()),
        None => data.attack.name(),
    }
}

fn contend(config: &ComparisonConfig, contender: &ContenderConfig, budget: u64) -> Contender {
    let ContenderConfig { name, strategy, reward, filter, thresholds, .. } = contender;
    let settings = ContextSettings {
        filter: filter.over(strategy.filter()),
        max_new_tokens: config.max_new_tokens,
        budget: Budget::default(),
        seed: config.seed,
    };
    let size = usize::try_from(budget).unwrap_or(usize::MAX);
    let searcher = Searcher::with_settings(strategy.build(size), settings);
    Contender {
        arm: Arm::new(name, budget),
        searcher: match thresholds {
            Some(thresholds) => searcher.ruled_by(Rules::new(*thresholds)),
            None => searcher,
        },
        reward: reward.clone().unwrap_or_else(|| String::from(NO_REWARD)),
    }
}
