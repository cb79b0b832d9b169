//! What a configuration is refused for: settings that no search can run with, or that would measure
//! nothing.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Display;

use saffron_core::Thresholds;

use super::config::{ComparisonConfig, ContenderConfig, DataConfig};
use super::error::LONGEST_NAME;
use super::{ComparisonConfigError, check_published};
use crate::eval::data::Format;
use crate::eval::data::sets::{PublicSet, Rows};
use crate::eval::judge::{RefusalPhrases, WordRule};
use crate::eval::models::{
    GuardSettings, JudgeModelSettings, JudgeSettings, NO_REWARD, NoQuestion, RewardModelSettings, RewardSettings,
};

impl ComparisonConfig {
    /// Refuses what no comparison can run with, or what would measure nothing. It opens no file.
    ///
    /// # Errors
    ///
    /// As [`settled`](Self::settled).
    pub fn check(&self) -> Result<(), ComparisonConfigError> {
        check(self)
    }
}

/// Checks a configuration without opening what it names.
fn check(config: &ComparisonConfig) -> Result<(), ComparisonConfigError> {
    sizes(config)?;
    all_names(config)?;
    config.judges.iter().try_for_each(judge)?;
    config.rewards.iter().try_for_each(reward)?;
    config.data.iter().try_for_each(data)?;
    config.strategies.iter().try_for_each(|strategy| contender(config, strategy))?;
    Ok(check_published::check(config)?)
}

fn sizes(config: &ComparisonConfig) -> Result<(), ComparisonConfigError> {
    for (field, size) in [("group", config.group), ("max_new_tokens", config.max_new_tokens)] {
        within(field, "at least 1", size, size > 0)?;
    }
    let missing = |what| Err(ComparisonConfigError::Missing { what });
    if config.judges.is_empty() {
        return missing("at least one judge");
    }
    if config.data.is_empty() || config.strategies.is_empty() {
        return missing("data and strategies");
    }
    let limit = config.limit_tflop;
    limit.map_or(Ok(()), |limit| within("limit_tflop", "finite and above 0", limit, limit.is_finite() && limit > 0.0))
}

fn all_names(config: &ComparisonConfig) -> Result<(), ComparisonConfigError> {
    names("reward models", "rewards", config.rewards.iter().map(|reward| &reward.name))?;
    names("judges", "judges", config.judges.iter().map(|judge| &judge.name))?;
    names("data sets", "data", config.data.iter().map(|data| &data.name))?;
    names("strategies", "strategies", config.strategies.iter().map(|strategy| &strategy.name))?;
    let mut pictures = BTreeSet::new();
    for set in config.data.iter().map(|set| &set.name) {
        for judge in config.judges.iter().map(|judge| &judge.name) {
            if !pictures.insert(format!("{set}_{judge}")) {
                return Err(ComparisonConfigError::SharedPicture { set: set.clone(), judge: judge.clone() });
            }
        }
    }
    match config.rewards.iter().any(|reward| reward.name == NO_REWARD) {
        true => Err(ComparisonConfigError::ReservedName),
        false => Ok(()),
    }
}

/// Names must differ and be fit to be parts of file names.
fn names<'a>(
    what: &'static str,
    list: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), ComparisonConfigError> {
    let mut seen = BTreeSet::new();
    for (place, name) in names.enumerate() {
        let odd = name.chars().any(|letter| matches!(letter, '/' | '\\') || letter.is_control());
        if odd || name.trim().is_empty() || name.len() > LONGEST_NAME {
            let (field, beginning) = (format!("{list}[{place}].name"), name.chars().take(40).collect());
            return Err(ComparisonConfigError::Name { field, beginning, bytes: name.len() });
        }
        if !seen.insert(name) {
            return Err(ComparisonConfigError::NameTwice { what, name: name.clone() });
        }
    }
    Ok(())
}

fn judge(settings: &JudgeSettings) -> Result<(), ComparisonConfigError> {
    let name = &settings.name;
    let blind = |reason| Err(ComparisonConfigError::BlindJudge { judge: name.clone(), reason });
    match &settings.judge {
        JudgeModelSettings::Guard { threshold, guard } => {
            within(&format!("the judge {name}: threshold"), "finite", threshold, threshold.is_finite())?;
            asked(guard).map_err(part(format!("the judge {name}")))
        }
        JudgeModelSettings::RefusalPhrases { phrases: RefusalPhrases { phrases, within } } => {
            let found = phrases.iter().any(|phrase| !phrase.trim().is_empty());
            match found && *within > 0 {
                true => Ok(()),
                false => blind("without phrases, or within 0 characters, it finds no refusal"),
            }
        }
        JudgeModelSettings::Words { rule: WordRule { harmful, .. } } if harmful.is_empty() => {
            blind("without harmful words every answer is safe")
        }
        JudgeModelSettings::Words { .. } => Ok(()),
    }
}

fn reward(settings: &RewardSettings) -> Result<(), ComparisonConfigError> {
    let RewardModelSettings::Guard(guard) = &settings.model else { return Ok(()) };
    asked(guard).map_err(part(format!("the reward model {}", settings.name)))
}

/// A server has no template of a guard's own. Whether a model that runs here has one shows when it
/// is opened.
fn asked(guard: &GuardSettings) -> Result<(), String> {
    match guard.check() {
        Ok(()) => Ok(()),
        Err(NoQuestion::Unset { model }) => Err(format!("{model} is a server: set `question`")),
        Err(error @ NoQuestion::NoTokenizer { .. }) => Err(error.to_string()),
    }
}

fn data(data: &DataConfig) -> Result<(), ComparisonConfigError> {
    let name = &data.name;
    for (field, count) in [("take", data.take), ("sample", data.sample)] {
        within(&format!("the data set {name}: {field}"), "at least 1", 0, count != Some(0))?;
    }
    let attack = data.attack.check(data.templates.is_some() || data.format.has_goals());
    attack.map_err(part(format!("the data set {name}, attack")))?;
    data.format.check().map_err(part(format!("the data set {name}, format")))?;
    if data.template_column.is_some() && data.templates.is_none() {
        return Err(ComparisonConfigError::ColumnOfNothing { set: name.clone() });
    }
    match &data.format {
        Format::Set(set) => of_its_kind(data, *set),
        _ => Ok(()),
    }
}

/// Refuses a set of harmful prompts as harmless ones, and the other way round: every figure would
/// mean its opposite.
fn of_its_kind(data: &DataConfig, set: PublicSet) -> Result<(), ComparisonConfigError> {
    let benign = match set.rows() {
        Rows::Harmful => false,
        Rows::Harmless => true,
        Rows::OfFile => data.benign,
    };
    match benign == data.benign {
        true => Ok(()),
        false => Err(ComparisonConfigError::OtherKind { set: data.name.clone(), format: set.name(), benign }),
    }
}

fn contender(config: &ComparisonConfig, contender: &ContenderConfig) -> Result<(), ComparisonConfigError> {
    let ContenderConfig { name, reward, budgets, strategy, filter, thresholds } = contender;
    let known = |wanted: &String| config.rewards.iter().any(|reward| reward.name == *wanted);
    if let Some(reward) = reward.as_ref().filter(|wanted| !known(wanted)) {
        return Err(ComparisonConfigError::UnknownReward { strategy: name.clone(), reward: reward.clone() });
    }
    check_budgets(contender)?;
    let field = |field: &str| format!("the strategy {name}, {field}");
    filter.over(strategy.filter()).check().map_err(part(field("filter")))?;
    thresholds.as_ref().map_or(Ok(()), Thresholds::check).map_err(part(field("thresholds")))?;
    for budget in budgets {
        let built = strategy.build(usize::try_from(*budget).unwrap_or(usize::MAX));
        if built.needs_rewards() && reward.is_none() {
            return Err(ComparisonConfigError::NeedsReward { strategy: name.clone(), budget: *budget });
        }
        built.check().map_err(part(field(&format!("strategy at {budget}"))))?;
    }
    Ok(())
}

fn check_budgets(contender: &ContenderConfig) -> Result<(), ComparisonConfigError> {
    let ContenderConfig { name, budgets, strategy, .. } = contender;
    let distinct: BTreeSet<&u64> = budgets.iter().collect();
    let fault = match () {
        () if budgets.is_empty() => String::from("no budgets"),
        () if strategy.budget().is_none() && budgets != &[1] => String::from("no budget to set"),
        () if distinct.len() < budgets.len() => format!("a budget twice: {budgets:?}"),
        () => return Ok(()),
    };
    Err(ComparisonConfigError::Budgets { strategy: name.clone(), fault })
}

fn within(field: &str, expected: &'static str, found: impl Display, fits: bool) -> Result<(), ComparisonConfigError> {
    match fits {
        true => Ok(()),
        false => Err(ComparisonConfigError::OutOfRange { field: field.to_owned(), expected, found: found.to_string() }),
    }
}

fn part<E: Into<Box<dyn Error + Send + Sync>>>(part: String) -> impl FnOnce(E) -> ComparisonConfigError {
    move |source| ComparisonConfigError::Part { part, source: source.into() }
}
