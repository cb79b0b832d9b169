//! The models of a labelling, here or behind servers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use burn::tensor::Device;
use saffron_mrm::ModelOptions;
use saffron_search::eval::comparison::SpelledMarks;
use saffron_search::eval::models::{ComparedPolicy, ModelOpener};
use saffron_train::recipe::{LabelCorpus, LabelRecipe, Labelling, Question};

use super::PolicyReplier;
use crate::models::{NamedPolicy, Opener, TemplateDate, note};
use crate::recipe;

/// Reads a recipe. Paths in it are made to start from where the program does.
///
/// # Errors
///
/// A file that cannot be read, or says what no labelling can be made of.
pub fn read(path: &Path) -> Result<LabelRecipe> {
    recipe::read_checked(path, LabelRecipe::check)
}

/// Reads the corpus that a recipe names and opens its models; gives, too, what a manifest says of
/// the models. Chat templates tell a date; `wait` limits the wait for servers that are still
/// loading.
///
/// # Errors
///
/// Whatever does not load or does not answer.
pub fn open(
    recipe: &LabelRecipe,
    device: &Device,
    date: TemplateDate,
    wait: Duration,
) -> Result<(Labelling, BTreeMap<String, String>)> {
    let mut opener = Opener::new(device.clone(), ModelOptions::default()).with_date(date).with_wait(wait);
    let guard = recipe.guard.settings();
    opener.check_guard(&guard).context("the guard")?;
    let corpus = LabelCorpus::read(recipe)?;
    let mut policy = None;
    if let Some(sampled) = &recipe.corpus.sampled {
        let opened = opener.named_policy(&sampled.policy).context("the policy")?;
        warn_of_marks(&opened, corpus.questions());
        policy = Some(opened);
    }
    let guard = opener.named_guard(&guard).context("the guard")?;
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
