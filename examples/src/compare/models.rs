//! The models of a comparison.

use std::path::Path;

use anyhow::{Result, bail};
use burn::tensor::Device;
use saffron_kvtrie::Reuse;
use saffron_mrm::ModelOptions;
use saffron_search::eval::models::OpenedModels;
use saffron_search::eval::runs::Manifest;

use super::Config;
use crate::models::{DEFAULT_LAYOUT, Opener, TemplateDate};

/// Opens what a configuration names. Chat templates tell a date.
///
/// # Errors
///
/// Whatever does not load or does not answer.
pub fn open(config: &Config, device: &Device, date: TemplateDate) -> Result<OpenedModels> {
    let reuse = if config.cache { Reuse::Cached } else { Reuse::Nothing };
    let options = ModelOptions { reuse, dtype: config.dtype.into(), ..ModelOptions::default() };
    let mut opener = Opener::new(device.clone(), options).with_date(date);
    Ok(OpenedModels::open(&mut opener, &config.policy, &config.rewards, &config.judges)?)
}

/// Refuses to go on with a run of an earlier version under another layout: that version guessed one from special tokens where the
/// configuration named none.
///
/// # Errors
///
/// Such a run in the directory; a manifest that cannot be read.
pub fn check_layout(dir: &Path, manifest: &Manifest) -> Result<()> {
    let path = dir.join("manifest.json");
    let Some(in_run) = Manifest::read(&path)? else { return Ok(()) };
    match (manifest.fingerprints.get(DEFAULT_LAYOUT), in_run.fingerprints.get(DEFAULT_LAYOUT)) {
        (Some(layout), None) if manifest.same_settings(&in_run) => bail!(
            "{} is of a run that guessed the policy's layout from its special tokens, as earlier versions did where none was named; \
             now the policy is asked in its {layout}, so that its answers would not belong together: begin a new run",
            path.display()
        ),
        _ => Ok(()),
    }
}
