//! Training that survives being killed: epochs over a corpus, validation, checkpoints, a log.
//!
//! A run is a directory:
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | settings and fingerprints; a run goes on only with the same, but may be [made longer](RunSettings::may_change) |
//! | `metrics.jsonl` | a [`Line`] a step and a validation |
//! | `checkpoints/step-…/` | adapter (or the decoder, where it is trained as a whole), head, the optimiser's moments, `state.json`, `checksums.json` |
//! | `model/` | what [`TrainRun::export`] wrote |
//! | `lock` | held while a process works on the run |
//!
//! What a step does depends on its number, the settings, and the parameters alone; a run that was killed begins again after its last
//! checkpoint, and ends with the weights, the moments and (but for times) the log of one that was not.

mod checkpoint;
mod folder;
mod log;
mod order;
mod settings;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::DType;
use saffron_mrm::RewardHeadFiles as _;
use saffron_mrm::checkpoint::MrmCard;
use saffron_search::eval::files::{Claim, FileError, Journal, Lock, create_dir};
use saffron_search::eval::runs::Manifest;
use saffron_search::eval::stats::Regression;

pub use crate::corpus::Corpus;
pub use log::{Line, TrainObserver};
pub use order::Order;
pub use settings::RunSettings;

use crate::error::TrainError;
use crate::network::Network;
use crate::objective::{Objective, PartialSupervision, Sample, Seen};
use crate::trainer::Trainer;
use checkpoint::{Best, Checkpoints, State};

/// A run that this process holds. Dropping it lets the run go.
#[derive(Debug)]
pub struct TrainRun<O: Objective> {
    dir: PathBuf,
    trainer: Trainer<O>,
    settings: RunSettings,
    log: Journal<Line>,
    checkpoints: Checkpoints,
    best: Option<Best>,
    /// What [`export`](Self::export) rounds weights to.
    dtype: DType,
    /// What [`export`](Self::export) writes beside a reward model.
    card: Option<MrmCard>,
    /// Whether something could not be written: the files then lag behind the parameters.
    behind: bool,
    _lock: Lock,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished<R> {
    /// The last validation, unless it lies before this process took the run up, or there was nothing to validate on.
    pub report: Option<R>,
    /// Steps taken in all.
    pub steps: u64,
    /// Whether all steps have been taken; not so when an observer stopped the run.
    pub complete: bool,
}

impl<O: Objective> TrainRun<O> {
    /// Begins a run in a directory, or takes up the one that is there after its last good checkpoint. The trainer is one at its first
    /// step.
    ///
    /// # Errors
    ///
    /// A run with other settings, as far as they [count](saffron_search::eval::runs::Counts), or
    /// other fingerprints, or that another process holds; checkpoints of which none is whole; files
    /// that cannot be read or written.
    pub fn open(
        dir: impl Into<PathBuf>,
        manifest: &Manifest,
        trainer: Trainer<O>,
        settings: RunSettings,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        let dir = dir.into();
        create_dir(&dir)?;
        let lock = Lock::take(&dir.join("lock"))?;
        manifest.check(&dir.join("manifest.json"))?;
        // From here on nobody else writes, even if the lock is removed.
        let claim = Claim::take(dir.join("metrics.jsonl"))?;
        manifest.settle(&dir.join("manifest.json"))?;
        let checkpoints = Checkpoints::open(dir.join("checkpoints"), settings.keep, trainer.largest_file())?;
        let mut log = Journal::open_claimed(claim, |_, _| Ok::<(), FileError>(()))?;
        let trainer = trainer.with_micro_batches(settings.micro_batch);
        let (trainer, best) = match checkpoints.latest(log.len())? {
            Some(state) => {
                settings.check_same(&trainer, &state, checkpoints.state_file(&state))?;
                log.truncate(state.lines)?;
                (checkpoints.restore(trainer, &state)?, state.best)
            }
            None => {
                log.truncate(0)?;
                (trainer, None)
            }
        };
        Ok(Self {
            dir,
            trainer,
            settings,
            log,
            checkpoints,
            best,
            dtype: DType::F32,
            card: None,
            behind: false,
            _lock: lock,
        })
    }

    /// The run with a card that [`export`](Self::export) writes together with the model.
    #[must_use]
    pub(crate) fn with_card(self, card: MrmCard) -> Self {
        Self { card: Some(card), ..self }
    }

    /// The run with a type that [`export`](Self::export) rounds weights to, bf16 or f16, where it is not to be float32. Checkpoints stay exact.
    #[must_use]
    pub fn with_export_type(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// The trainer.
    #[must_use]
    pub fn trainer(&self) -> &Trainer<O> {
        &self.trainer
    }

    /// Steps of the whole run.
    pub(crate) fn total(&self, corpus: &dyn Corpus<O::Sample>) -> u64 {
        self.settings.steps(corpus.len())
    }

    /// Takes all steps that are left.
    ///
    /// # Errors
    ///
    /// An empty corpus, settings by which the run would be over before where it is, samples that do
    /// not fit the model, a loss that is not finite, files that cannot be written. What the last
    /// checkpoint holds stays; after files that could not be written, the run has to be opened
    /// again.
    pub fn train(
        &mut self,
        corpus: &dyn Corpus<O::Sample>,
        validation: &[O::Sample],
        observer: &mut dyn TrainObserver,
    ) -> Result<Finished<O::Report>, TrainError> {
        if corpus.is_empty() {
            return Err(TrainError::EmptyCorpus);
        }
        if self.behind {
            return Err(TrainError::Behind { dir: self.dir.clone() });
        }
        let (total, epoch) = (self.total(corpus), self.settings.epoch(corpus.len()));
        if self.trainer.steps() > total {
            return Err(TrainError::Shorter { taken: self.trainer.steps(), total });
        }
        let mut order = Order::new(corpus, &self.settings);
        let mut report = None;
        observer.on_start(self.trainer.steps(), total);
        while self.trainer.steps() < total {
            let line = self.step(corpus, &mut order)?;
            let mut stop = observer.on_line(&line).is_break();
            let steps = self.trainer.steps();
            let validates = self.settings.validates(steps, epoch, total) && !validation.is_empty();
            if validates {
                let (line, found) = self.validate(validation)?;
                stop |= observer.on_line(&line).is_break();
                report = Some(found);
            }
            if validates || stop || self.settings.saves(steps, total) {
                self.save()?;
            }
            if stop {
                break;
            }
        }
        Ok(Finished { report, steps: self.trainer.steps(), complete: self.trainer.steps() >= total })
    }

    fn step(&mut self, corpus: &dyn Corpus<O::Sample>, order: &mut Order) -> Result<Line, TrainError> {
        let begun = Instant::now();
        let (epoch, places) = order.batch(self.trainer.steps());
        let samples: Vec<O::Sample> = places.iter().map(|place| corpus.sample(*place, epoch)).collect();
        let of_corpus = |place: usize| places.get(place).copied().unwrap_or(place);
        let done = self.trainer.step(&samples).map_err(|error| error.placed(of_corpus))?;
        let seconds = begun.elapsed().as_secs_f64();
        let line = Line::Step { step: self.trainer.steps(), epoch, done, seconds };
        self.written(|run| Ok(run.log.append(&line)?))?;
        Ok(line)
    }

    fn validate(&mut self, samples: &[O::Sample]) -> Result<(Line, O::Report), TrainError> {
        let begun = Instant::now();
        let report = self.trainer.evaluate(samples, self.settings.pass())?;
        let (score, step) = (self.trainer.objective().score(&report), self.trainer.steps());
        if self.best.is_none_or(|best| score < best.score) {
            self.best = Some(Best { step, score });
        }
        let value = serde_json::to_value(&report).map_err(|source| TrainError::Json { what: "a report", source })?;
        let line = Line::Validation { step, score, report: value, seconds: begun.elapsed().as_secs_f64() };
        self.written(|run| Ok(run.log.append(&line)?))?;
        Ok((line, report))
    }

    /// Writes something, and remembers where that failed.
    fn written<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, TrainError>) -> Result<T, TrainError> {
        let written = write(self);
        self.behind |= written.is_err();
        written
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let settings = self.settings.of_a_step(&self.trainer)?;
        let state = State::new(self.trainer.steps(), self.log.len(), self.best, settings);
        self.written(|run| run.checkpoints.save(&run.trainer, &state))
    }

    /// Writes the adapter (or the decoder, where it is trained as a whole) and head of the best validated step, or of the last step where
    /// nothing was validated, into `model/`, in our layout and the reference's; gives the directory and the step.
    ///
    /// # Errors
    ///
    /// A checkpoint that is gone, files that cannot be written, an [export type](Self::with_export_type) other than float32, bf16 and f16.
    pub fn export(&self) -> Result<(PathBuf, u64), TrainError> {
        let (step, network) = self.chosen()?;
        let dir = self.dir.join("model");
        folder::replace(&dir, |dir| {
            network.save_as(dir, self.dtype)?;
            self.card.as_ref().map_or(Ok(()), |card| card.write(dir))?;
            Ok(network.head().save_torch(dir)?)
        })?;
        Ok((dir, step))
    }

    /// The network that [`export`](Self::export) writes, and its step.
    fn chosen(&self) -> Result<(u64, Network), TrainError> {
        let (step, network) = match self.best {
            Some(best) => (best.step, self.checkpoints.network(&self.trainer, best.step)?),
            None => (self.trainer.steps(), self.trainer.network().clone()),
        };
        Ok((step, network.rounded(self.dtype)))
    }

    /// What the network that [`export`](Self::export) writes says on samples, batch by batch.
    ///
    /// # Errors
    ///
    /// A checkpoint that is gone, samples that do not fit the model.
    pub(crate) fn outputs(&self, samples: &[O::Sample]) -> Result<Vec<Seen<O::Batch>>, TrainError> {
        self.chosen()?.1.outputs(self.trainer.objective(), samples, self.settings.pass())
    }

    /// Where the run is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All lines of the log.
    ///
    /// # Errors
    ///
    /// A log that cannot be read.
    pub fn lines(&self) -> Result<Vec<Line>, TrainError> {
        Ok(self.log.records()?)
    }
}

impl TrainRun<PartialSupervision> {
    /// What the network that [`export`](Self::export) writes is worth on samples, and its rewards beside the true ones.
    ///
    /// # Errors
    ///
    /// A checkpoint that is gone, samples that do not fit the model, rewards that are no numbers.
    pub fn judge(&self, samples: &[Sample]) -> Result<(Regression, Vec<(f32, f32)>), TrainError> {
        let seen = self.outputs(samples)?;
        let report = PartialSupervision.report(&seen)?;
        let pairs = seen.into_iter().flat_map(|(batch, outputs)| outputs.into_iter().zip(batch.rewards)).collect();
        Ok((report, pairs))
    }
}

/// An observer that does nothing.
impl TrainObserver for () {
    fn on_line(&mut self, _line: &Line) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
