//! The models of a labelling, here or behind servers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use burn::tensor::Device;
use saffron_mrm::ModelOptions;
use saffron_search::eval::comparison::SpelledMarks;
use saffron_search::eval::models::{ComparedPolicy, ModelOpener};
use saffron_search::eval::runs::Manifest;
use saffron_train::recipe::{LabelCorpus, LabelRecipe, Labelling, Question};

use super::PolicyReplier;
use crate::memory::take_sizes;
use crate::models::{MemoryArgs, NamedPolicy, Opener, TemplateDate, note};
use crate::recipe;

/// Reads a recipe. Paths in it are made to start from where the program does.
///
/// # Errors
///
/// A file that cannot be read, or says what no labelling can be made of.
pub fn read(path: &Path) -> Result<LabelRecipe> {
    recipe::read_checked(path, LabelRecipe::check)
}

/// Takes the sizes of caches that a recipe leaves open from the run in a directory, if there is one.
///
/// # Errors
///
/// A manifest that cannot be read.
pub fn keep_caches(recipe: &mut LabelRecipe, dir: &Path) -> Result<()> {
    let Some(manifest) = Manifest::read(&dir.join("manifest.json"))? else { return Ok(()) };
    let in_run = manifest.settings.get("origin").cloned().unwrap_or_default();
    // A manifest of something else is refused when the run is opened.
    if let Ok(mut in_run) = serde_json::from_value::<LabelRecipe>(in_run) {
        take_sizes(recipe.caches_mut(), in_run.caches_mut());
    }
    Ok(())
}

/// Reads the corpus that a recipe names, opens its models, and writes into the recipe the sizes of
/// caches that it leaves open; gives, too, what a manifest says of the models. Chat templates tell a
/// date; `wait` limits the wait for servers that are still loading.
///
/// # Errors
///
/// Whatever does not load, does not answer or does not fit into memory.
pub fn open(
    recipe: &mut LabelRecipe,
    device: &Device,
    date: TemplateDate,
    wait: Duration,
    memory: MemoryArgs,
) -> Result<(Labelling, BTreeMap<String, String>)> {
    let opener = Opener::new(device.clone(), ModelOptions::default()).with_date(date).with_wait(wait);
    let mut opener = opener.with_memory(memory);
    opener.check_guard(&recipe.guard.settings()).context("the guard")?;
    let corpus = LabelCorpus::read(recipe)?;
    if let Some(sampled) = &recipe.corpus.sampled {
        opener.check_policy(&sampled.policy).context("the policy")?;
    }
    opener.fit()?;
    let chosen = opener.cache_mb();
    recipe.caches_mut().into_iter().for_each(|size| *size = size.or(Some(chosen)));
    let mut policy = None;
    if let Some(sampled) = &recipe.corpus.sampled {
        let opened = opener.named_policy(&sampled.policy).context("the policy")?;
        warn_of_marks(&opened, corpus.questions());
        policy = Some(opened);
    }
    let guard = opener.named_guard(&recipe.guard.settings()).context("the guard")?;
    let models = opener.fingerprints().map_err(anyhow::Error::from_boxed)?;
    let vocabulary = guard.vocabulary();
    let labelling = Labelling::new(corpus, Box::new(guard), vocabulary);
    let labelling = match policy {
        Some(policy) => labelling.with_replier(Box::new(PolicyReplier(policy))),
        None => labelling,
    };
    Ok((labelling, models))
}

/// Says which questions spell marks of turns that the policy's layout writes as plain text.
fn warn_of_marks(policy: &NamedPolicy, questions: &[Question]) {
    let mut marks = SpelledMarks::default();
    questions.iter().for_each(|one| marks.add(&one.id, policy.spelled_marks(&one.attacked.prompt)));
    if let Some(found) = marks.note() {
        note(&found.to_string());
    }
}
