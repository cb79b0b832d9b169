//! The models of a comparison. Those on the same checkpoint share its weights; each has a cache of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::{DType, Device};
use saffron_core::{ChildScorer, NoReward, PrmScorer};
use saffron_kvtrie::Reuse;
use saffron_mrm::engine::Engine;
use saffron_mrm::text::layout;
use saffron_mrm::{
    Base, BiasUse, GuardRewardModel, GuardTemplate, LmPolicy, ModelOptions, Mrm, MrmInput, PrefillUse, RewardHead,
};
use saffron_search::Preset;
use saffron_search::eval::harness::{Models, Team};
use saffron_search::eval::judge::{Judge, RefusalPhrases, RewardJudge, WordRule};

use super::config::{Config, GuardConfig, JudgeConfig, JudgeModelConfig, MrmConfig, PolicyConfig, RewardModelConfig};
use super::fingerprint::fingerprints;

/// The name of no reward model at all.
pub(super) const NOBODY: &str = "none";

/// A model that guides.
enum Guide {
    Nobody(NoReward),
    Mrm(Box<Mrm>),
    Guard(Box<PrmScorer<GuardRewardModel>>),
}

/// A judge.
enum Bench {
    Guard(Box<RewardJudge<GuardRewardModel>>),
    Phrases(RefusalPhrases),
    Words(WordRule),
}

/// All models of a comparison.
pub struct Loaded {
    policy: LmPolicy,
    guides: BTreeMap<String, Guide>,
    judges: Vec<(String, Bench)>,
    fingerprints: BTreeMap<String, String>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("fingerprints", &self.fingerprints).finish_non_exhaustive()
    }
}

/// Checkpoints by directory, each loaded once.
pub(crate) struct Shelf<'a> {
    device: &'a Device,
    bases: BTreeMap<PathBuf, Base>,
    reuse: Reuse,
    dtype: DType,
    /// Checksums of all files of the models that were taken from it, by path.
    pub(crate) fingerprints: BTreeMap<String, String>,
}

impl<'a> Shelf<'a> {
    /// An empty one.
    pub(crate) fn new(device: &'a Device) -> Self {
        Self { device, bases: BTreeMap::new(), reuse: Reuse::Cached, dtype: DType::F32, fingerprints: BTreeMap::new() }
    }

    /// The same with weights and activations of another type than float32.
    pub(crate) fn with_dtype(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// The same whose models keep nothing of what they have read.
    pub(crate) fn without_cache(self) -> Self {
        Self { reuse: Reuse::Nothing, ..self }
    }

    fn options(&self, cache_mb: u64) -> ModelOptions {
        ModelOptions { cache_bytes: cache_mb << 20, reuse: self.reuse, dtype: self.dtype, ..ModelOptions::default() }
    }

    /// A checkpoint.
    pub(crate) fn base(&mut self, dir: &Path) -> Result<Base> {
        let place = dir.canonicalize().with_context(|| dir.display().to_string())?;
        if let Some(base) = self.bases.get(&place) {
            return Ok(base.clone());
        }
        let base = Base::open(dir, self.device, self.dtype)?;
        self.fingerprint(dir)?;
        self.bases.insert(place, base.clone());
        Ok(base)
    }

    /// Remembers the checksums of a directory's files, so that a run is not taken up again with other weights.
    pub(crate) fn fingerprint(&mut self, dir: &Path) -> Result<()> {
        self.fingerprints.extend(fingerprints(dir)?);
        Ok(())
    }

    /// A guard with a cache of its own.
    pub(crate) fn guard(&mut self, config: &GuardConfig) -> Result<GuardRewardModel> {
        let base = self.base(&config.model)?;
        let template = |tokenizer: &_| match &config.question {
            None => GuardTemplate::llama_guard_3(tokenizer),
            Some(asked) => {
                let parts = [&asked.prefix[..], &asked.infix, &asked.suffix];
                GuardTemplate::in_words(tokenizer, parts, [&asked.safe, &asked.not_safe])
            }
        };
        let guard = GuardRewardModel::on(&base, self.options(config.cache_mb), template)?;
        let Some(adapter) = &config.adapter else { return Ok(guard) };
        self.fingerprint(adapter)?;
        Ok(guard.with_adapter(adapter)?)
    }

    /// A policy with a cache of its own.
    pub(crate) fn policy(&mut self, config: &PolicyConfig) -> Result<LmPolicy> {
        let policy = LmPolicy::on(&self.base(&config.model)?, self.options(config.cache_mb))?;
        let Some(name) = &config.layout else { return Ok(policy) };
        let layout = layout(name, policy.tokenizer())?;
        Ok(policy.with_layout(layout))
    }

    fn guide(&mut self, config: &RewardModelConfig) -> Result<Guide> {
        match config {
            RewardModelConfig::Guard(guard) => Ok(Guide::Guard(Box::new(PrmScorer(self.guard(guard)?)))),
            RewardModelConfig::Mrm(mrm) => Ok(Guide::Mrm(Box::new(self.mrm(mrm)?))),
        }
    }

    fn mrm(&mut self, config: &MrmConfig) -> Result<Mrm> {
        let base = Mrm::on(&self.base(&config.base)?, self.options(config.cache_mb))?;
        let base = if config.neutral_head { base.neutral_where_absent() } else { base };
        let mrm = base.with_adapter(&config.adapter)?;
        self.fingerprint(&config.adapter)?;
        let layout = layout(&config.layout, mrm.tokenizer())?;
        let head = mrm.head();
        let unseen = if config.unseen { head.unseen.clone() } else { RewardHead::neutral(head.bias.len()).unseen };
        let head = RewardHead { bias: head.bias.clone(), unseen };
        Ok(mrm.with_layout(layout).with_input(input(config)).with_head(head)?)
    }

    fn bench(&mut self, name: &str, config: &JudgeModelConfig) -> Result<Bench> {
        Ok(match config {
            JudgeModelConfig::RefusalPhrases { phrases } => Bench::Phrases(phrases.clone()),
            JudgeModelConfig::Words { rule } => Bench::Words(rule.clone()),
            JudgeModelConfig::Guard { guard, threshold } => {
                Bench::Guard(Box::new(RewardJudge::new(self.guard(guard)?, *threshold, name)))
            }
        })
    }
}

impl Guide {
    fn scorer(&mut self) -> &mut dyn ChildScorer {
        match self {
            Self::Nobody(nobody) => nobody,
            Self::Mrm(mrm) => &mut **mrm,
            Self::Guard(guard) => &mut **guard,
        }
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        match self {
            Self::Nobody(_) => None,
            Self::Mrm(mrm) => Some(mrm.engine()),
            Self::Guard(guard) => Some(guard.0.engine()),
        }
    }
}

impl Bench {
    fn judge(&mut self) -> &mut dyn Judge {
        match self {
            Self::Guard(guard) => &mut **guard,
            Self::Phrases(phrases) => phrases,
            Self::Words(rule) => rule,
        }
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        match self {
            Self::Guard(guard) => Some(guard.model().engine()),
            Self::Phrases(_) | Self::Words(_) => None,
        }
    }
}

impl Models for Loaded {
    fn team(&mut self, reward: &str) -> Option<Team<'_>> {
        let scorer = self.guides.get_mut(reward)?.scorer();
        let judges = self.judges.iter_mut().map(|(name, bench)| (&name[..], bench.judge())).collect();
        Some(Team { policy: &mut self.policy, scorer, judges })
    }

    fn forget(&mut self) {
        let guides = self.guides.values_mut().filter_map(Guide::engine);
        let judges = self.judges.iter_mut().filter_map(|(_, bench)| bench.engine());
        for engine in guides.chain(judges).chain([self.policy.engine()]) {
            engine.forget();
        }
    }
}

fn input(config: &MrmConfig) -> MrmInput {
    let preset = match config.preset {
        Preset::Paper => MrmInput::paper(),
        Preset::Reference => MrmInput::reference(),
    };
    let bias = match config.bias {
        None => preset.bias,
        Some(true) => BiasUse::Added,
        Some(false) => BiasUse::LeftOut,
    };
    let prefill = if config.sees_prefill { PrefillUse::Seen } else { PrefillUse::Hidden };
    MrmInput { bias, prefill, ..preset }
}

impl Loaded {
    /// Loads what a configuration names.
    ///
    /// # Errors
    ///
    /// Whatever does not load.
    pub fn open(config: &Config, device: &Device) -> Result<Self> {
        let shelf = Shelf::new(device).with_dtype(config.dtype.into());
        let mut shelf = if config.cache { shelf } else { shelf.without_cache() };
        let policy = shelf.policy(&config.policy)?;
        let mut guides = BTreeMap::from([(String::from(NOBODY), Guide::Nobody(NoReward))]);
        for reward in &config.rewards {
            let guide = shelf.guide(&reward.model).with_context(|| format!("the reward model {}", reward.name))?;
            guides.insert(reward.name.clone(), guide);
        }
        let mut judges = Vec::new();
        for JudgeConfig { name, judge } in &config.judges {
            let bench = shelf.bench(name, judge).with_context(|| format!("the judge {name}"))?;
            judges.push((name.clone(), bench));
        }
        Ok(Self { policy, guides, judges, fingerprints: shelf.fingerprints })
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &LmPolicy {
        &self.policy
    }

    /// Checksums of all files of all models, by path.
    #[must_use]
    pub fn fingerprints(&self) -> &BTreeMap<String, String> {
        &self.fingerprints
    }
}
