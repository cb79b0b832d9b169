//! From data files and attacks to prompts and contenders.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use saffron_core::{Budget, ContextSettings, Session};
use saffron_search::eval::attack::read_templates;
use saffron_search::eval::data::{self, Choice, Item};
use saffron_search::eval::harness::{Case, Contender, Harness};
use saffron_search::eval::inputs::{data_files, fingerprint};
use saffron_search::eval::models::{ComparedPolicy, ENCODING, NO_REWARD, TOGETHER, encodes_together};
use saffron_search::eval::runs::{Arm, Kind};
use saffron_search::{Rules, Searcher};

use super::config::{Config, ContenderConfig, DataConfig};

/// All that is to be run.
#[derive(Debug)]
pub struct Prepared {
    cases: Vec<Case>,
    contenders: Vec<Contender>,
    group: NonZeroUsize,
    keep_text: bool,
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
}

/// Reads the data, attacks the prompts, and makes the contenders.
///
/// # Errors
///
/// Data that cannot be read, attacks that do not fit it, prompts without a token.
pub fn prepare(config: &Config, policy: &dyn ComparedPolicy) -> Result<Prepared> {
    let mut cases: Vec<Case> = Vec::new();
    let mut fingerprints = BTreeMap::new();
    for data in &config.data {
        let place = || format!("the data set {}", data.name);
        let items = items(data, config.seed).with_context(place)?;
        let files = data_files(&data.path, &data.format).into_iter().chain(data.templates.clone());
        fingerprints.extend(files.map(|path| fingerprint(&path)).collect::<Result<Vec<_>, _>>()?);
        let attacked = items.iter().map(|item| case(data, item, policy));
        cases.extend(attacked.collect::<Result<Vec<_>>>().with_context(place)?);
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
        group: NonZeroUsize::new(config.group).context("group must be at least 1")?,
        keep_text: config.keep_text,
        fingerprints,
    })
}

/// The items of a data set that are asked. First come the `groups`, then those that the seed draws
/// (`sample`), then the first of these (`take`), then what is left of them (`skip`); each of these
/// is asked under every one of the `templates`. The attack, which this does not make, comes last.
///
/// # Errors
///
/// Files that cannot be read, templates that cannot be used, a choice of nothing.
pub fn items(data: &DataConfig, seed: u64) -> Result<Vec<Item>> {
    let choice = Choice {
        groups: data.groups.clone(),
        sample: data.sample.map(|count| (count, seed)),
        take: data.take,
        skip: data.skip,
        ..Choice::default()
    };
    // What comes behind the rows that are wanted is not read.
    let mut set = data::read_chosen(&data.path, &data.format, &choice)?;
    match &data.groups {
        _ if !set.items.is_empty() => {}
        Some(names) if data.skip == 0 => bail!("no prompt is of the groups {names:?}"),
        Some(names) => bail!("no prompt is of the groups {names:?}, or none is left after the first {}", data.skip),
        None => bail!("no prompt is left after the first {}", data.skip),
    }
    if let Some(path) = &data.templates {
        let templates = read_templates(path)?;
        set = set.under_templates(&templates).with_context(|| path.display().to_string())?;
    }
    Ok(set.items)
}

fn case(data: &DataConfig, item: &Item, policy: &dyn ComparedPolicy) -> Result<Case> {
    let attacked = data.attack.apply(item)?;
    let failed = || format!("prompt {}", item.id);
    let session = policy.attacked_session(&attacked.prompt, &attacked.prefill, attacked.prefill_tokens);
    let question = match item.question() {
        question if question == attacked.prompt => None,
        question => Some(policy.attacked_session(question, "", 0).with_context(failed)?),
    };
    Ok(Case {
        id: format!("{}/{}", data.name, item.id),
        set: data.name.clone(),
        kind: if data.benign { Kind::Benign } else { Kind::Attacked { attack: attack_name(data) } },
        session: session.with_context(failed)?,
        question,
    })
}

fn attack_name(data: &DataConfig) -> String {
    let templates = data.templates.as_ref().and_then(|path| path.file_name());
    match templates {
        Some(file) => format!("templates of {}, {}", file.to_string_lossy(), data.attack.name()),
        None => data.attack.name(),
    }
}

fn contend(config: &Config, contender: &ContenderConfig, budget: u64) -> Contender {
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
