//! The models of a comparison.

use std::time::Duration;

use anyhow::{Context, Result};
use burn::tensor::Device;
use saffron_kvtrie::Reuse;
use saffron_mrm::ModelOptions;
use saffron_search::eval::comparison::ComparisonConfig;
use saffron_search::eval::models::{
    JudgeModelSettings, JudgeSettings, OpenedModels, RewardModelSettings, RewardSettings,
};

use crate::models::{MemoryArgs, Opener, TemplateDate, dtype};

/// Opens what a configuration names, and writes into it the sizes of caches that it leaves open.
/// Chat templates tell a date; `wait` limits the wait for servers that are still loading.
///
/// # Errors
///
/// Whatever does not load, does not answer or does not fit into memory.
pub fn open(
    config: &mut ComparisonConfig,
    device: &Device,
    date: TemplateDate,
    wait: Duration,
    memory: MemoryArgs,
) -> Result<OpenedModels> {
    let reuse = if config.cache { Reuse::Cached } else { Reuse::Nothing };
    let options = ModelOptions { reuse, dtype: dtype(config.dtype), ..ModelOptions::default() };
    let mut opener = Opener::new(device.clone(), options).with_date(date).with_wait(wait).with_memory(memory);
    check(config, &mut opener)?;
    opener.fit()?;
    let chosen = opener.cache_mb();
    config.caches_mut().into_iter().for_each(|size| *size = size.or(Some(chosen)));
    Ok(config.open(&mut opener)?)
}

/// Refuses models for what can be known before any weights are read.
fn check(config: &ComparisonConfig, opener: &mut Opener) -> Result<()> {
    let policy = &config.policy;
    opener.check_policy(policy).with_context(|| format!("the policy {}", policy.model))?;
    for RewardSettings { name, model } in &config.rewards {
        let checked = match model {
            RewardModelSettings::Mrm(mrm) => opener.check_mrm(mrm),
            RewardModelSettings::Guard(guard) => opener.check_guard(guard),
        };
        checked.with_context(|| format!("the reward model {name}"))?;
    }
    for JudgeSettings { name, judge, .. } in &config.judges {
        if let JudgeModelSettings::Guard { guard, .. } = judge {
            opener.check_guard(guard).with_context(|| format!("the judge {name}"))?;
        }
    }
    Ok(())
}
