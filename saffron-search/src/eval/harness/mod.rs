//! Every strategy over every prompt: searches, judgements, records.
//!
//! Prompts run in groups, the same groups in every run: each begins with models that have forgotten what came before, so that a run that was
//! killed and taken up again, or parted into shards, has the records of an unbroken one.

mod answers;

use std::num::NonZeroUsize;
use std::ops::Range;

use saffron_core::{ChildScorer, Outcome, Policy, SearchError, Session, Token, with_causes};

use super::judge::{Asked, Judge};
use super::runs::{Arm, Ending, Kind, Plan, Record, RunDir, RunError, Timings};
use crate::searcher::Searcher;
use answers::judged;

/// The models of a comparison.
pub trait ComparedModels {
    /// The models that a contender works with; none when there is no reward model of that name.
    fn with_reward(&mut self, reward: &str) -> Option<SearchModels<'_>>;

    /// Drops everything that is cached, so that what follows does not depend on what came before, to the last bit.
    fn forget(&mut self);
}

/// Models that work on one prompt together.
pub struct SearchModels<'a> {
    /// What is defended.
    pub policy: &'a mut dyn Policy,
    /// What guides the search.
    pub scorer: &'a mut dyn ChildScorer,
    /// Who judges the answers.
    pub judges: Vec<NamedJudge<'a>>,
}

/// A judge of a comparison.
pub struct NamedJudge<'a> {
    /// Its name in records.
    pub name: &'a str,
    /// What it is asked about.
    pub asked: Asked,
    /// The judge.
    pub judge: &'a mut dyn Judge,
}

impl std::fmt::Debug for NamedJudge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedJudge").field("name", &self.name).field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SearchModels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchModels").field("judges", &self.judges).finish_non_exhaustive()
    }
}

/// A prompt to be answered.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique among all prompts of the run.
    pub id: String,
    /// Name of the data set.
    pub set: String,
    /// Whether it is attacked.
    pub kind: Kind,
    /// The prompt, attacked if it is.
    pub session: Session,
    /// The item's own question, for judges that are asked about it; `None` where the prompt is just
    /// that. Its answers are in the tokens of the prompt's.
    pub question: Option<Session>,
    /// The item's harm category, for records.
    pub category: Option<String>,
    /// The id of the template that the question stands in, for records.
    pub template: Option<String>,
    /// The prompt in words, for records that keep text.
    pub prompt: Option<String>,
}

impl Case {
    /// What a judge is asked about.
    fn asked(&self, asked: Asked) -> &Session {
        match asked {
            Asked::Question => self.question.as_ref().unwrap_or(&self.session),
            Asked::Prompt => &self.session,
        }
    }
}

/// A strategy with a budget, ready to run. Judged is what the search has found, whatever the searcher's rules would show instead; rules that want
/// an error make a failed prompt of it.
#[derive(Debug)]
pub struct Contender {
    /// Its name in records.
    pub arm: Arm,
    /// The strategy with its settings.
    pub searcher: Searcher,
    /// Name of the reward model that guides it.
    pub reward: String,
}

impl Contender {
    fn models<'a>(&self, models: &'a mut dyn ComparedModels) -> Result<SearchModels<'a>, HarnessError> {
        let missing = || HarnessError::NoReward { strategy: self.arm.strategy.clone(), reward: self.reward.clone() };
        models.with_reward(&self.reward).ok_or_else(missing)
    }

    /// Whether it can run at all.
    fn check(&self, models: &mut dyn ComparedModels) -> Result<(), HarnessError> {
        let SearchModels { scorer, .. } = self.models(models)?;
        self.searcher.check(scorer).map_err(|source| self.cannot_run(source))
    }

    fn cannot_run(&self, source: SearchError) -> HarnessError {
        HarnessError::Contender { strategy: self.arm.strategy.clone(), budget: self.arm.budget, source }
    }
}

/// All contenders over all cases.
#[derive(Clone, Copy, Debug)]
pub struct Harness<'a> {
    /// Who competes, in the order of the records.
    pub contenders: &'a [Contender],
    /// Over what, in the order of the records.
    pub cases: &'a [Case],
    /// Prompts that run at once.
    pub group: NonZeroUsize,
    /// Whether records keep the text of answers beside their tokens, and of prompts.
    pub keep_text: bool,
}

/// A comparison that cannot go on. What has been recorded stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// The records cannot be written, or are not of this run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A contender's settings cannot be run with.
    #[error("{strategy} at {budget} cannot be run")]
    Contender {
        /// Its name.
        strategy: String,
        /// Its budget.
        budget: u64,
        /// Why.
        source: SearchError,
    },
    /// A contender names a reward model that is not there.
    #[error("{strategy} wants the reward model {reward}, which is not there")]
    NoReward {
        /// The contender.
        strategy: String,
        /// The name.
        reward: String,
    },
}

impl Harness<'_> {
    /// What there is to do.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let arms = self.contenders.iter().map(|contender| contender.arm.clone()).collect();
        Plan::new(arms, self.cases.iter().map(|case| case.id.clone()).collect(), self.group)
    }

    /// Does what is not done yet, and puts the records in order. `ended` hears of every record that
    /// is written. Nothing is begun unless all contenders can run.
    ///
    /// A prompt that fails, or whose answer has numbers that no record can hold, is recorded as failed; the others go on. A group that was
    /// begun before a kill is searched again as a whole, since its prompts share batches, and only what is missing is written.
    ///
    /// # Errors
    ///
    /// Records that cannot be written, settings that cannot be run with, a reward model that is not there.
    pub fn run(
        &self,
        run: &mut RunDir,
        models: &mut dyn ComparedModels,
        ended: &mut dyn FnMut(&Record),
    ) -> Result<(), HarnessError> {
        let plan = self.plan();
        plan.check()?;
        self.contenders.iter().try_for_each(|contender| contender.check(models))?;
        for contender in self.contenders {
            for (group, places) in run.pending_groups(&plan, &contender.arm) {
                models.forget();
                self.run_group(contender, (group, places), run, models, ended)?;
            }
        }
        Ok(run.finish(&plan)?)
    }

    fn run_group(
        &self,
        contender: &Contender,
        (group, places): (usize, Range<usize>),
        run: &mut RunDir,
        models: &mut dyn ComparedModels,
        ended: &mut dyn FnMut(&Record),
    ) -> Result<(), HarnessError> {
        let Contender { arm, searcher, .. } = contender;
        let SearchModels { policy, scorer, mut judges } = contender.models(models)?;
        let cases = &self.cases[places.clone()];
        let sessions: Vec<Session> = cases.iter().map(|case| case.session.clone()).collect();
        let (ends, mut written) = (policy.end_tokens(), Ok(()));
        let each = |place: usize, result: Result<Outcome, SearchError>| {
            let record = self.record(arm, (group, places.start + place), result, &mut judges, &ends);
            if written.is_ok() && !run.done(&record.key) {
                written = run.append(&record).map(|()| ended(&record));
            }
        };
        let at_once = searcher.many(&sessions).at_once(self.group.get());
        at_once.run_each(policy, scorer, each).map_err(|source| contender.cannot_run(source))?;
        Ok(written?)
    }

    fn record(
        &self,
        arm: &Arm,
        (group, index): (usize, usize),
        result: Result<Outcome, SearchError>,
        judges: &mut [NamedJudge<'_>],
        ends: &[Token],
    ) -> Record {
        let case @ Case { id, set, kind, category, template, .. } = &self.cases[index];
        let answer = match result {
            Ok(outcome) => judged(case, &outcome, judges, ends, self.keep_text).map_err(|error| with_causes(&error)),
            Err(error) => Err(with_causes(&error)),
        };
        let (ending, timings) = match answer {
            Ok(answer) => {
                let usage = &answer.usage;
                // Prompts of a group wait for each other: what is a prompt's own is its share of the models' time.
                let wall = usage.policy.wall + usage.reward.wall + usage.judge.wall;
                let timings = Timings::of(wall, usage);
                (Ending::Answered(Box::new(answer)), timings)
            }
            Err(error) => (Ending::Failed { error }, Timings::default()),
        };
        let record = Record {
            key: arm.key(id),
            index,
            group,
            set: set.clone(),
            kind: kind.clone(),
            category: category.clone(),
            template: template.clone(),
            prompt: case.prompt.clone().filter(|_| self.keep_text),
            ending,
            timings,
        };
        match record.check_numbers() {
            Ok(()) => record,
            Err(error) => Record { ending: Ending::Failed { error: with_causes(&error) }, ..record },
        }
    }
}
