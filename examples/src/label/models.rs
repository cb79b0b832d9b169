//! Replies and the guard that rewards them.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use burn::tensor::Device;
use saffron_core::{Forget, ProcessRewardModel, Vocabulary};
use saffron_mrm::ModelOptions;
use saffron_search::eval::inputs::{data_files, fingerprint, with_files};
use saffron_search::eval::models::{ENCODING, ModelOpener, TOGETHER};
use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::labels::{Conversation, Source};

use super::Config;
use super::config::CorpusConfig;
use super::corpus::{Text, items, texts};
use super::sampled::{Questions, Sampler};
use crate::models::{NamedGuard, Opener, TemplateDate, files_of};

/// Where replies come from.
enum Replies {
    Given(Vec<Text>),
    Sampled(Box<Sampler>),
}

/// A corpus and its teacher.
pub struct Labelling {
    replies: Replies,
    guard: NamedGuard,
    fingerprints: BTreeMap<String, String>,
}

impl std::fmt::Debug for Labelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Labelling").field("fingerprints", &self.fingerprints).finish_non_exhaustive()
    }
}

impl Labelling {
    /// Opens what a configuration names. Chat templates tell a date; `wait` limits the wait for
    /// servers that are still loading.
    ///
    /// # Errors
    ///
    /// Whatever does not load or does not answer.
    pub fn open(config: &Config, device: &Device, date: TemplateDate, wait: Duration) -> Result<Self> {
        let mut opener = Opener::new(device.clone(), ModelOptions::default()).with_date(date).with_wait(wait);
        let guard = config.guard.settings();
        opener.check_guard(&guard).context("the guard")?;
        let replies = replies(config, &mut opener)?;
        let guard = opener.named_guard(&guard).context("the guard")?;
        let mut fingerprints = opener.fingerprints().map_err(anyhow::Error::from_boxed)?;
        let data = &config.corpus.data;
        for file in data_files(&data.path, &data.format) {
            fingerprints.extend([fingerprint(&file)?]);
        }
        // The guard reads the text of prompts.
        fingerprints.insert(ENCODING.to_owned(), TOGETHER.to_owned());
        Ok(Self { replies, guard, fingerprints })
    }

    /// The manifest of a part of a run over this corpus on a device, by a configuration in
    /// `folder`.
    ///
    /// # Errors
    ///
    /// Settings that nothing can be labelled with, files that cannot be read.
    pub fn manifest(&self, config: &Config, folder: &Path, shard: Shard, device: &str) -> Result<Manifest> {
        let settings = config.settings(folder, self.len(), self.guard.vocabulary().size())?;
        let manifest = settings.manifest(shard)?.fingerprint("device", device);
        Ok(with_files(manifest, "origin", config, folder, &self.fingerprints, &files_of)?)
    }

    fn len(&self) -> usize {
        match &self.replies {
            Replies::Given(texts) => texts.len(),
            Replies::Sampled(sampler) => sampler.len(),
        }
    }
}

fn replies(config: &Config, opener: &mut Opener) -> Result<Replies> {
    let CorpusConfig { data, sampled } = &config.corpus;
    let place = || format!("the data set {}", data.name);
    let Some(sampled) = sampled else {
        return Ok(Replies::Given(texts(data, config.seed).with_context(place)?));
    };
    let questions = Questions { set: data.name.clone(), items: items(data, config.seed).with_context(place)? };
    let policy = opener.named_policy(&sampled.policy).context("the policy")?;
    Ok(Replies::Sampled(Box::new(Sampler::new(policy, sampled.clone(), questions, config.seed))))
}

impl Source for Labelling {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.guard.vocabulary()
    }

    fn replies(&mut self, places: Range<usize>) -> Result<Vec<Conversation>, Box<dyn Error + Send + Sync>> {
        match &mut self.replies {
            Replies::Given(texts) => {
                let wanted = texts.get(places).ok_or("the corpus has fewer replies")?;
                Ok(wanted.iter().map(|text| text.encode(&self.guard)).collect::<Result<_, _>>()?)
            }
            Replies::Sampled(sampler) => Ok(sampler.replies(places, &self.guard)?),
        }
    }

    fn model(&mut self) -> &mut dyn ProcessRewardModel {
        &mut self.guard
    }

    fn forget(&mut self) {
        self.guard.forget();
        if let Replies::Sampled(sampler) = &mut self.replies {
            sampler.policy.forget();
        }
    }
}
