//! The models of a comparison: what its configuration says of them, who opens them, and what is
//! opened.
//!
//! A program brings a [`ModelOpener`], which knows where its models are; [`OpenedModels`] asks it
//! for policy, reward models and judges and hands them to the [harness](super::harness).

mod encoding;
mod opened;
mod settings;
mod weights;

use std::collections::BTreeMap;
use std::error::Error;

use saffron_core::{
    ChildScorer, Forget, ModelError, OutcomeRewardModel, ProcessRewardModel, Session, TextPolicy, Token,
};

pub use crate::strategy::FilterConfig;
pub use encoding::{DEFAULT_LAYOUT, ENCODING, OldRunError, TOGETHER, check_old_run, encodes_together};
pub use opened::{ModelsError, NO_REWARD, OpenedModels};
pub use settings::{
    GuardQuestion, GuardSettings, JudgeModelSettings, JudgeSettings, MrmSettings, NoQuestion, PolicySettings,
    QuestionSettings, RewardModelSettings, RewardSettings, ServedSettings,
};
pub use weights::{UnknownWeightType, WeightType};

/// Whatever keeps an opener from opening a model.
pub type OpenError = Box<dyn Error + Send + Sync>;

/// A policy that is defended.
pub trait ComparedPolicy: TextPolicy + Forget {
    /// The whole context of a session as the policy reads it.
    ///
    /// # Errors
    ///
    /// A context that does not fit, ids that cannot be converted.
    fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError>;

    /// The marks of turns that the policy's layout writes as plain text and that a prompt spells:
    /// to the model a turn begins or ends there. None by default.
    fn spelled_marks(&self, prompt: &str) -> Vec<String> {
        let _ = prompt;
        Vec::new()
    }
}

/// A reward model that guides searches.
pub trait ComparedScorer: ChildScorer + Forget {}

impl<S: ChildScorer + Forget> ComparedScorer for S {}

/// A guard: it guides as process reward model, and judges as outcome reward model.
pub trait ComparedGuard: ProcessRewardModel + OutcomeRewardModel + Forget {}

impl<G: ProcessRewardModel + OutcomeRewardModel + Forget> ComparedGuard for G {}

/// Opens the models that a comparison names.
pub trait ModelOpener {
    /// A policy.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being opened.
    fn policy(&mut self, settings: &PolicySettings) -> Result<Box<dyn ComparedPolicy>, OpenError>;

    /// A multifurcation reward model.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being opened.
    fn mrm(&mut self, settings: &MrmSettings) -> Result<Box<dyn ComparedScorer>, OpenError>;

    /// A guard.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being opened.
    fn guard(&mut self, settings: &GuardSettings) -> Result<Box<dyn ComparedGuard>, OpenError>;

    /// What a run's manifest says of the models that were opened, by name: checksums of files,
    /// commits of the hub, versions of servers. A run goes on only with the same.
    ///
    /// # Errors
    ///
    /// Files that cannot be read.
    fn fingerprints(&self) -> Result<BTreeMap<String, String>, OpenError>;
}
