//! The models of a comparison.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use saffron_kvtrie::Reuse;
use saffron_mrm::ModelOptions;
use saffron_search::eval::models::OpenedModels;
use saffron_search::eval::runs::Manifest;

use super::Config;
use super::config::{JudgeModelSettings, JudgeSettings, RewardModelSettings, RewardSettings};
use crate::models::{DEFAULT_LAYOUT, ENCODING, Opener, TemplateDate};

/// Opens what a configuration names. Chat templates tell a date; `wait` limits the wait for servers
/// that are still loading.
///
/// # Errors
///
/// Whatever does not load or does not answer.
pub fn open(config: &Config, device: &Device, date: TemplateDate, wait: Duration) -> Result<OpenedModels> {
    let reuse = if config.cache { Reuse::Cached } else { Reuse::Nothing };
    let options = ModelOptions { reuse, dtype: config.dtype.into(), ..ModelOptions::default() };
    let mut opener = Opener::new(device.clone(), options).with_date(date).with_wait(wait);
    check(config, &mut opener)?;
    Ok(OpenedModels::open(&mut opener, &config.policy, &config.rewards, &config.judges)?)
}

/// Refuses models for what can be known before any weights are read.
fn check(config: &Config, opener: &mut Opener) -> Result<()> {
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

/// Refuses to go on with a run of an earlier version whose policy was asked otherwise: that version
/// guessed a layout from special tokens where none was named, and encoded prompts apart from their
/// layout.
///
/// # Errors
///
/// Such a run in the directory; a manifest that cannot be read.
pub fn check_old_run(dir: &Path, manifest: &Manifest) -> Result<()> {
    let path = dir.join("manifest.json");
    let Some(in_run) = Manifest::read(&path)? else { return Ok(()) };
    let new = |name: &str| manifest.fingerprints.contains_key(name) && !in_run.fingerprints.contains_key(name);
    let then = match () {
        () if !manifest.same_settings(&in_run) => return Ok(()),
        () if new(DEFAULT_LAYOUT) => {
            "guessed the policy's layout from its special tokens, where it has a chat template of its own"
        }
        () if new(ENCODING) => "encoded prompts apart from the words around them, which may give other tokens",
        () => return Ok(()),
    };
    bail!(
        "{} is of a run of an earlier version, which {then}: what it has and what is new would not belong together, so begin a new run",
        path.display()
    )
}
