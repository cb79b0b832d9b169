//! What a configuration may say.

use std::path::{Path, PathBuf};

use saffron_core::Thresholds;
use serde::{Deserialize, Serialize};

use super::ComparisonConfigError;
use super::published::PublishedConfig;
use crate::eval::attack::Attack;
use crate::eval::data::Format;
use crate::eval::inputs::{NamedFile, NamesFiles, of_format};
use crate::eval::models::{
    FilterConfig, GuardSettings, JudgeModelSettings, JudgeSettings, ModelOpener, ModelsError, OpenedModels,
    PolicySettings, RewardModelSettings, RewardSettings, WeightType,
};
use crate::eval::runs::Counts;
use crate::strategy::StrategyConfig;

/// A whole comparison: which strategies answer which prompts, guided and judged by what.
///
/// A program reads it from a file and [settles](Self::settled) it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonConfig {
    /// Seed of all searches; each prompt's numbers depend on it and on the prompt alone.
    #[serde(default)]
    pub seed: u64,
    /// Longest answer, in tokens.
    #[serde(default = "thirty_two")]
    pub max_new_tokens: usize,
    /// Prompts that run at once. Another size gives other batches, and with them other float noise.
    #[serde(default = "sixteen")]
    pub group: usize,
    /// Type of all weights and activations.
    #[serde(default, skip_serializing_if = "WeightType::is_full")]
    pub dtype: WeightType,
    /// Whether models keep keys and values of what they have read. Without them every call computes
    /// its whole context anew.
    #[serde(default = "yes")]
    pub cache: bool,
    /// Whether records keep the answers' text. Without it they hold tokens only.
    #[serde(default)]
    pub keep_text: bool,
    /// The compute limit of scaling efficiency, in TFLOP a prompt.
    pub limit_tflop: Option<f64>,
    /// A log to which a run that has ended adds a line: what was run, and what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// The policy that is defended.
    pub policy: PolicySettings,
    /// Reward models that guide searches.
    #[serde(default)]
    pub rewards: Vec<RewardSettings>,
    /// Judges of the answers.
    pub judges: Vec<JudgeSettings>,
    /// Data sets of prompts.
    pub data: Vec<DataConfig>,
    /// Strategies that are compared. The others are tested against the first.
    pub strategies: Vec<ContenderConfig>,
    /// Numbers that others have published of the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedConfig>,
}

/// A data set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Its name in records.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What its rows mean.
    pub format: Format,
    /// Whether the prompts are harmless, so that refusing them is a fault.
    #[serde(default)]
    pub benign: bool,
    /// A file of jailbreak templates: every prompt is asked under each of them.
    pub templates: Option<PathBuf>,
    /// The column of that file that the templates stand in; `text` where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_column: Option<String>,
    /// What the attacker does besides.
    #[serde(default)]
    pub attack: Attack,
    /// Only the prompts of these groups (HarmfulQA's are `topic / subtopic`), or of groups within
    /// them; of these categories where prompts have no groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Only so many prompts, the first ones.
    pub take: Option<usize>,
    /// Only so many prompts, drawn by the seed.
    pub sample: Option<usize>,
    /// Not the first so many of what is left after `sample` and `take`: what an earlier run has
    /// asked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: usize,
}

/// A strategy over its budgets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContenderConfig {
    /// Its name in records.
    pub name: String,
    /// The strategy.
    pub strategy: StrategyConfig,
    /// The name of the reward model that guides it; none for strategies that need none (greedy,
    /// sampling, best of one).
    pub reward: Option<String>,
    /// Its budgets; strategies without one have the budget 1.
    #[serde(default = "one")]
    pub budgets: Vec<u64>,
    /// Which candidates it looks at, where that is not what it is published with.
    #[serde(default)]
    pub filter: FilterConfig,
    /// Thresholds of its verdicts.
    pub thresholds: Option<Thresholds>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn thirty_two() -> usize {
    32
}

fn yes() -> bool {
    true
}

fn sixteen() -> usize {
    16
}

fn one() -> Vec<u64> {
    vec![1]
}

impl ComparisonConfig {
    /// The sizes of all caches, in one order, for whoever opens the models: what is open is none.
    pub fn caches_mut(&mut self) -> Vec<&mut Option<u64>> {
        let rewards = self.rewards.iter_mut().map(|reward| match &mut reward.model {
            RewardModelSettings::Mrm(mrm) => &mut mrm.cache_mb,
            RewardModelSettings::Guard(guard) => &mut guard.cache_mb,
        });
        let judges = self.judges.iter_mut().filter_map(|judge| match &mut judge.judge {
            JudgeModelSettings::Guard { guard, .. } => Some(&mut guard.cache_mb),
            _ => None,
        });
        [&mut self.policy.cache_mb].into_iter().chain(rewards).chain(judges).collect()
    }

    /// Checks a configuration that was read from a file in `folder`, makes its paths start from
    /// where the program does, and says what judges are asked about where that matters. A model's
    /// name is a path if something is there, else a model on the hub or a server.
    ///
    /// # Errors
    ///
    /// Names that are there twice, not at all or cannot be parts of file names; settings that no
    /// search can run with; a strategy that needs a reward model and has none; attacks that cannot
    /// be made; published numbers that cannot be.
    pub fn settled(mut self, folder: &Path) -> Result<Self, ComparisonConfigError> {
        self.check()?;
        self.settle_asked();
        self.resolve(folder);
        Ok(self)
    }

    /// Opens the models that it names.
    ///
    /// # Errors
    ///
    /// The first model that does not open.
    pub fn open(&self, opener: &mut dyn ModelOpener) -> Result<OpenedModels, ModelsError> {
        OpenedModels::open(opener, &self.policy, &self.rewards, &self.judges)
    }

    /// Whether any prompt differs from its item's own question.
    #[must_use]
    pub fn changes_prompts(&self) -> bool {
        self.data.iter().any(DataConfig::changes_prompts)
    }

    /// Says what judges are asked about, where it makes a difference: a run that an earlier version
    /// began asked about the prompt and must not go on.
    fn settle_asked(&mut self) {
        if self.changes_prompts() {
            self.judges.iter_mut().for_each(|judge| _ = judge.asked.get_or_insert_default());
        }
    }

    /// Whether a reward model or a guard reads prompts, beside the policy.
    #[must_use]
    pub fn has_readers(&self) -> bool {
        let is_guard = |judge: &JudgeSettings| matches!(judge.judge, JudgeModelSettings::Guard { .. });
        !self.rewards.is_empty() || self.judges.iter().any(is_guard)
    }

    /// How many models the reference implementation would profile for a strategy: the policy, the
    /// guard that judges, and a multifurcation reward model where one guides.
    #[must_use]
    pub fn profiled_models(&self, contender: &ContenderConfig) -> u64 {
        let guides = self.rewards.iter().find(|reward| Some(&reward.name) == contender.reward.as_ref());
        let mrm = guides.is_some_and(|reward| matches!(reward.model, RewardModelSettings::Mrm(_)));
        2 + u64::from(mrm)
    }
}

impl DataConfig {
    /// Whether any prompt differs from its item's own question.
    #[must_use]
    pub fn changes_prompts(&self) -> bool {
        self.templates.is_some() || self.attack.changes_prompt() || self.format.has_goals()
    }
}

impl NamesFiles for ComparisonConfig {
    fn named(&mut self) -> Vec<NamedFile<'_>> {
        let log = self.log.iter_mut().map(|log| NamedFile::path(log, Counts::Nothing));
        let mut named: Vec<NamedFile<'_>> = log.chain(self.policy.names_mut().map(NamedFile::model)).collect();
        for reward in &mut self.rewards {
            match &mut reward.model {
                RewardModelSettings::Mrm(mrm) => {
                    named.extend([NamedFile::model(&mut mrm.base), NamedFile::path(&mut mrm.adapter, Counts::Files)]);
                    let tokenizer = mrm.served.as_mut().and_then(|served| served.tokenizer.as_mut());
                    named.extend(tokenizer.map(NamedFile::model));
                }
                RewardModelSettings::Guard(guard) => named.extend(of_guard(guard)),
            }
        }
        for judge in &mut self.judges {
            if let JudgeModelSettings::Guard { guard, .. } = &mut judge.judge {
                named.extend(of_guard(guard));
            }
        }
        for data in &mut self.data {
            named.extend(of_format(&mut data.format, &data.path));
            named.push(NamedFile::path(&mut data.path, Counts::Extension));
            // Attacks have the name of the templates' file.
            named.extend(data.templates.iter_mut().map(|templates| NamedFile::path(templates, Counts::FileName)));
        }
        named
    }
}

fn of_guard(guard: &mut GuardSettings) -> impl Iterator<Item = NamedFile<'_>> {
    let GuardSettings { model, adapter, served, .. } = guard;
    let tokenizer = served.iter_mut().filter_map(|served| served.tokenizer.as_mut());
    let models = [model].into_iter().chain(tokenizer).map(NamedFile::model);
    models.chain(adapter.iter_mut().map(|adapter| NamedFile::path(adapter, Counts::Files)))
}
