//! Whole runs as data: a labelling, the training of a guard, the training of a multifurcation
//! reward model.
//!
//! A recipe is what a configuration file says: read it with serde from whatever format you like. It
//! refuses what cannot be done before it costs anything, reads its data, begins its run in a
//! directory or takes up the one that is there, and reports on what came of it.
//!
//! | recipe | its data | its run | its report |
//! |---|---|---|---|
//! | [`LabelRecipe`] | [`LabelCorpus`], with models a [`Labelling`] | [`LabelRun`](crate::labels::LabelRun) | [`LabelSummary`](crate::labels::LabelSummary) |
//! | [`GuardRecipe`] | [`GuardData`] | [`TrainRun`](crate::TrainRun) of a [`GuardObjective`](crate::objective::guard::GuardObjective) | [`HeldOutReport`] |
//! | [`MrmRecipe`] | [`MrmData`] | [`TrainRun`](crate::TrainRun) of [`PartialSupervision`](crate::PartialSupervision) | [`Regression`](saffron_search::eval::stats::Regression) |
//!
//! Models are the caller's: a [`Base`](saffron_mrm::Base) to train, any process reward model to
//! label by, and a [`Replier`] for a corpus whose questions a policy answers. Relative paths in a
//! recipe start from the folder of its file: [`NamesFiles::resolve`] has them start from where the
//! program runs, and [`RunOrigin`] says the folder to the manifest.
//!
//! ```no_run
//! use burn::tensor::{DType, Device};
//! use saffron_mrm::Base;
//! use saffron_train::recipe::{GuardData, GuardRecipe, RunOrigin};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recipe: GuardRecipe = serde_json::from_str(&std::fs::read_to_string("guard.json")?)?;
//! let base = Base::open("models/smollm2", &Device::flex(), DType::F32)?;
//! recipe.check(base.decoder().config(), base.tokenizer())?;
//! let data = GuardData::read(&recipe, base.tokenizer())?;
//! let origin = RunOrigin { device: "flex".into(), ..RunOrigin::default() };
//! let mut run = recipe.open(&base, &data, "runs/guard".as_ref(), &origin)?;
//! run.train(&recipe.corpus(&data), &data.validation, &mut ())?;
//! let (adapter, _) = run.export()?;
//! println!("{:?}", recipe.judge(&base, &adapter, &data)?.whole.auroc);
//! # Ok(())
//! # }
//! ```
//!
//! [`NamesFiles::resolve`]: saffron_search::eval::inputs::NamesFiles::resolve

mod adapter;
mod error;
mod guard;
mod label;
mod mrm;
mod origin;

pub use adapter::{AdapterRecipe, base_name};
pub use error::RecipeError;
pub use guard::{DataRecipe, GroupReport, GuardData, GuardRecipe, HeldOut, HeldOutReport, Limits};
pub use label::{
    AnnotateSettings, CorpusRecipe, LabelCorpus, LabelData, LabelGuard, LabelModel, LabelRecipe, Labelling,
    PolicyReply, Question, Replier, ReplyError, ReplySettings, SampledReplies,
};
pub use mrm::{MrmData, MrmRecipe};
pub use origin::{RunOrigin, files_of};

use origin::open_run;
