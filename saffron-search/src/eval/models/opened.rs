//! Models that have been opened.

use std::collections::BTreeMap;
use std::fmt;

use saffron_core::{ChildScorer, Forget, NoReward, PrmScorer};

use super::{
    ComparedGuard, ComparedPolicy, ComparedScorer, JudgeModelSettings, JudgeSettings, ModelOpener, OpenError,
    PolicySettings, RewardModelSettings, RewardSettings,
};
use crate::eval::harness::{ComparedModels, NamedJudge, SearchModels};
use crate::eval::judge::{Asked, Judge, RefusalPhrases, RewardJudge, WordRule};

/// The name of no reward model at all.
pub const NO_REWARD: &str = "none";

/// A model of a comparison does not open.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ModelsError {
    /// Which.
    pub what: String,
    /// Why.
    pub source: OpenError,
}

/// A judge.
enum OpenedJudge {
    Guard(RewardJudge<Box<dyn ComparedGuard>>),
    Phrases(RefusalPhrases),
    Words(WordRule),
}

impl OpenedJudge {
    fn judge(&mut self) -> &mut dyn Judge {
        match self {
            Self::Guard(guard) => guard,
            Self::Phrases(phrases) => phrases,
            Self::Words(rule) => rule,
        }
    }

    fn forget(&mut self) {
        if let Self::Guard(guard) = self {
            guard.forget();
        }
    }
}

/// All models of a comparison.
pub struct OpenedModels {
    policy: Box<dyn ComparedPolicy>,
    scorers: BTreeMap<String, Box<dyn ComparedScorer>>,
    judges: Vec<(String, Asked, OpenedJudge)>,
    fingerprints: BTreeMap<String, String>,
}

impl fmt::Debug for OpenedModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedModels").field("fingerprints", &self.fingerprints).finish_non_exhaustive()
    }
}

impl OpenedModels {
    /// Opens what a comparison names.
    ///
    /// # Errors
    ///
    /// The first model that does not open.
    pub fn open(
        opener: &mut dyn ModelOpener,
        policy: &PolicySettings,
        rewards: &[RewardSettings],
        judges: &[JudgeSettings],
    ) -> Result<Self, ModelsError> {
        let failed = |what: String| move |source| ModelsError { what, source };
        for RewardSettings { name, model } in rewards {
            if let RewardModelSettings::Guard(guard) = model {
                guard.check().map_err(|error| failed(format!("the reward model {name}"))(error.into()))?;
            }
        }
        for JudgeSettings { name, judge, .. } in judges {
            if let JudgeModelSettings::Guard { guard, .. } = judge {
                guard.check().map_err(|error| failed(format!("the judge {name}"))(error.into()))?;
            }
        }
        let policy = opener.policy(policy).map_err(failed(format!("the policy {}", policy.model)))?;
        let mut scorers: BTreeMap<String, Box<dyn ComparedScorer>> = BTreeMap::new();
        scorers.insert(String::from(NO_REWARD), Box::new(NoReward));
        for RewardSettings { name, model } in rewards {
            let scorer = scorer(opener, model).map_err(failed(format!("the reward model {name}")))?;
            scorers.insert(name.clone(), scorer);
        }
        let mut opened = Vec::new();
        for JudgeSettings { name, judge, asked } in judges {
            let judge = open_judge(opener, name, judge).map_err(failed(format!("the judge {name}")))?;
            opened.push((name.clone(), asked.unwrap_or_default(), judge));
        }
        let fingerprints = opener.fingerprints().map_err(failed(String::from("the models' fingerprints")))?;
        Ok(Self { policy, scorers, judges: opened, fingerprints })
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &dyn ComparedPolicy {
        &*self.policy
    }

    /// What a manifest says of the models, by name.
    #[must_use]
    pub fn fingerprints(&self) -> &BTreeMap<String, String> {
        &self.fingerprints
    }
}

fn scorer(opener: &mut dyn ModelOpener, model: &RewardModelSettings) -> Result<Box<dyn ComparedScorer>, OpenError> {
    match model {
        RewardModelSettings::Mrm(mrm) => opener.mrm(mrm),
        RewardModelSettings::Guard(guard) => Ok(Box::new(PrmScorer(opener.guard(guard)?))),
    }
}

fn open_judge(opener: &mut dyn ModelOpener, name: &str, judge: &JudgeModelSettings) -> Result<OpenedJudge, OpenError> {
    Ok(match judge {
        JudgeModelSettings::RefusalPhrases { phrases } => OpenedJudge::Phrases(phrases.clone()),
        JudgeModelSettings::Words { rule } => OpenedJudge::Words(rule.clone()),
        JudgeModelSettings::Guard { guard, threshold } => {
            OpenedJudge::Guard(RewardJudge::new(opener.guard(guard)?, *threshold, name))
        }
    })
}

impl ComparedModels for OpenedModels {
    fn with_reward(&mut self, reward: &str) -> Option<SearchModels<'_>> {
        let scorer: &mut dyn ChildScorer = &mut **self.scorers.get_mut(reward)?;
        let judges = self.judges.iter_mut();
        let judges = judges.map(|(name, asked, judge)| NamedJudge { name, asked: *asked, judge: judge.judge() });
        Some(SearchModels { policy: &mut *self.policy, scorer, judges: judges.collect() })
    }

    fn forget(&mut self) {
        self.policy.forget();
        self.scorers.values_mut().for_each(Forget::forget);
        self.judges.iter_mut().for_each(|(_, _, judge)| judge.forget());
    }
}
