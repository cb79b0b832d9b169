//! What a manifest says of a run beside its recipe.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::DType;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_search::eval::inputs::{NamesFiles, fingerprints, model_files, settings, with_files};
use saffron_search::eval::models::{ENCODING, TOGETHER, WeightType, check_old_run};
use saffron_search::eval::runs::{Manifest, Shard};

use super::RecipeError;
use crate::objective::Objective;
use crate::run::{RunSettings, TrainRun};
use crate::trainer::Trainer;

/// What a manifest says of a run beside its recipe. A run goes on only with the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOrigin {
    /// The folder that the recipe came from: paths that lead into it are written as from there, so
    /// that it may be moved.
    pub folder: PathBuf,
    /// The device, by name. Others may give other floats.
    pub device: String,
    /// What is known of models, by name: checksums of files, commits of the hub, versions of
    /// servers
    /// ([`ModelOpener::fingerprints`](saffron_search::eval::models::ModelOpener::fingerprints)).
    /// Files that the recipe names and that are not in it are read.
    pub models: BTreeMap<String, String>,
}

impl RunOrigin {
    /// The manifest of a training run. The run may be made longer.
    pub(super) fn training<'a>(
        &self,
        recipe: &impl NamesFiles,
        files: impl IntoIterator<Item = &'a PathBuf>,
        together: bool,
    ) -> Result<Manifest, RecipeError> {
        let mut known = self.models.clone();
        for path in files {
            known.extend(fingerprints(path, &files_of)?);
        }
        let settings = settings(recipe, &self.folder)?;
        let mut manifest = Manifest::new(settings, Shard::WHOLE).fingerprint("device", &self.device);
        if together {
            manifest = manifest.fingerprint(ENCODING, TOGETHER);
        }
        let manifest = RunSettings::may_change(manifest, "run");
        Ok(with_files(manifest, "", recipe, &self.folder, &known, &files_of)?)
    }
}

/// Begins a training run in a directory, or takes up the one that is there.
pub(super) fn open_run<O: Objective>(
    out: &Path,
    manifest: &Manifest,
    trainer: Trainer<O>,
    settings: RunSettings,
    weights: WeightType,
) -> Result<TrainRun<O>, RecipeError> {
    check_old_run(out, manifest)?;
    let dtype = match weights {
        WeightType::F32 => DType::F32,
        WeightType::F16 => DType::F16,
        WeightType::Bf16 => DType::BF16,
    };
    Ok(TrainRun::open(out, manifest, trainer, settings)?.with_export_type(dtype))
}

/// All files that a model, an adapter or a data file is read from, by the path that names it: of a
/// GGUF that is split, all its parts.
///
/// # Errors
///
/// Files that cannot be found.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error + Send + Sync>> {
    match path.extension().is_some_and(|end| end == "gguf") {
        true => Ok(Checkpoint::open(path)?.files()?),
        false => Ok(model_files(path)?),
    }
}
