//! What is refused when a configuration is read: settings that no search can run with, or that
//! would measure nothing.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use saffron_core::Thresholds;
use saffron_search::eval::judge::{RefusalPhrases, WordRule};
use saffron_search::eval::models::{
    GuardSettings, JudgeModelSettings, JudgeSettings, NO_REWARD, RewardModelSettings, RewardSettings,
};

use super::config::{Config, ContenderConfig, DataConfig};
use super::published;

/// The longest name, in bytes: names are parts of file names.
const LONGEST: usize = 100;

/// Checks a configuration as far as its words go.
///
/// # Errors
///
/// The first thing that is wrong, with the field that says it.
pub(super) fn check(config: &Config) -> Result<()> {
    ensure!(config.group > 0 && config.max_new_tokens > 0, "group and max_new_tokens must be at least 1");
    ensure!(!config.judges.is_empty(), "a comparison needs at least one judge");
    ensure!(!config.data.is_empty() && !config.strategies.is_empty(), "a comparison needs data and strategies");
    if let Some(limit) = config.limit_tflop {
        ensure!(limit.is_finite() && limit > 0.0, "limit_tflop must be finite and above 0, found {limit}");
    }
    names("reward model", "rewards", config.rewards.iter().map(|reward| &reward.name))?;
    names("judge", "judges", config.judges.iter().map(|judge| &judge.name))?;
    names("data set", "data", config.data.iter().map(|data| &data.name))?;
    names("strategy", "strategies", config.strategies.iter().map(|strategy| &strategy.name))?;
    let mut pictures = BTreeSet::new();
    for (set, judge) in
        config.data.iter().flat_map(|set| config.judges.iter().map(move |judge| (&set.name, &judge.name)))
    {
        let picture = format!("{set}_{judge}");
        ensure!(
            pictures.insert(picture),
            "the data set {set} and the judge {judge} would share a picture with others: rename one"
        );
    }
    let reserved = config.rewards.iter().any(|reward| reward.name == NO_REWARD);
    ensure!(!reserved, "a reward model is called {NO_REWARD}, the name for no reward model: give it another name");
    config.judges.iter().try_for_each(judge)?;
    config.rewards.iter().try_for_each(reward)?;
    config.data.iter().try_for_each(data)?;
    config.strategies.iter().try_for_each(|strategy| contender(config, strategy))?;
    Ok(published::check(config)?)
}

/// Names that can be told apart and be parts of file names.
fn names<'a>(what: &str, field: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (place, name) in names.enumerate() {
        let odd = name.chars().any(|letter| matches!(letter, '/' | '\\') || letter.is_control());
        if odd || name.trim().is_empty() || name.len() > LONGEST {
            let beginning: String = name.chars().take(40).collect();
            bail!(
                "{field}[{place}].name: expected 1 to {LONGEST} bytes without slashes and control characters, found \
                 {beginning:?} of {} bytes",
                name.len()
            );
        }
        ensure!(seen.insert(name), "two {} are called {name}", plural(what));
    }
    Ok(())
}

fn plural(what: &str) -> String {
    what.strip_suffix('y').map_or_else(|| format!("{what}s"), |stem| format!("{stem}ies"))
}

fn judge(settings: &JudgeSettings) -> Result<()> {
    let name = &settings.name;
    match &settings.judge {
        JudgeModelSettings::Guard { threshold, guard } => {
            ensure!(threshold.is_finite(), "the judge {name}: threshold must be finite, found {threshold}");
            asked(guard).with_context(|| format!("the judge {name}"))?;
        }
        JudgeModelSettings::RefusalPhrases { phrases: RefusalPhrases { phrases, within } } => {
            let found = phrases.iter().any(|phrase| !phrase.trim().is_empty());
            ensure!(
                found && *within > 0,
                "the judge {name}: without phrases, or within 0 characters, it finds no refusal"
            );
        }
        JudgeModelSettings::Words { rule: WordRule { harmful, .. } } => {
            ensure!(!harmful.is_empty(), "the judge {name}: without harmful words every answer is safe");
        }
    }
    Ok(())
}

fn reward(settings: &RewardSettings) -> Result<()> {
    let RewardModelSettings::Guard(guard) = &settings.model else { return Ok(()) };
    asked(guard).with_context(|| format!("the reward model {}", settings.name))
}

/// A server has no template of a guard's own. Whether a model that runs here has one is seen later.
fn asked(guard: &GuardSettings) -> Result<()> {
    let GuardSettings { model, question, .. } = guard;
    ensure!(model.server().is_none() || question.is_some(), "{model} is a server: set `question`");
    Ok(())
}

fn data(data: &DataConfig) -> Result<()> {
    let name = &data.name;
    for (field, count) in [("take", data.take), ("sample", data.sample)] {
        ensure!(count != Some(0), "the data set {name}: {field} must be at least 1, found 0");
    }
    let attack = data.attack.check(data.templates.is_some());
    attack.with_context(|| format!("the data set {name}, attack"))
}

fn contender(config: &Config, contender: &ContenderConfig) -> Result<()> {
    let ContenderConfig { name, reward, budgets, strategy, filter, thresholds } = contender;
    let known = |wanted: &String| config.rewards.iter().any(|reward| reward.name == *wanted);
    if let Some(missing) = reward.as_ref().filter(|wanted| !known(wanted)) {
        bail!("the strategy {name} wants the reward model {missing}, which the file does not have");
    }
    ensure!(!budgets.is_empty(), "the strategy {name} has no budgets");
    ensure!(strategy.budget().is_some() || budgets == &[1], "the strategy {name} has no budget to set");
    let distinct: BTreeSet<&u64> = budgets.iter().collect();
    ensure!(distinct.len() == budgets.len(), "the strategy {name} has a budget twice: {budgets:?}");
    let field = |field: &str| format!("the strategy {name}, {field}");
    filter.over(strategy.filter()).check().with_context(|| field("filter"))?;
    thresholds.as_ref().map_or(Ok(()), Thresholds::check).with_context(|| field("thresholds"))?;
    for budget in budgets {
        let built = strategy.build(usize::try_from(*budget).unwrap_or(usize::MAX));
        if built.needs_rewards() && reward.is_none() {
            bail!(
                "the strategy {name} at {budget} needs a reward model: name one of [[rewards]] as `reward = \"…\"`; without \
                 rewards it would choose nothing"
            );
        }
        built.check().with_context(|| field(&format!("strategy at {budget}")))?;
    }
    Ok(())
}
