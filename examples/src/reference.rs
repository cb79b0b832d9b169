//! Reference numbers of a model directory, in the format of `reference.json`.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use saffron_core::{Run, Token};
use saffron_mrm::engine::{Engine, Outputs, Query};
use saffron_mrm::{ModelOptions, Mrm};
use saffron_train::{AdamWSettings, Sample, Trainer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::prompt::read_json;

/// Sequences with the numbers that models give for them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReferenceFile {
    /// Raw ids, no template.
    pub sequences: Vec<Vec<Token>>,
    /// The policy's logits at the last position of each sequence.
    pub logits: Vec<Vec<f32>>,
    /// The reward model's rewards of all next tokens there, bias added.
    pub rewards: Vec<Vec<f32>>,
    /// A training run.
    pub train: TrainRecord,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A training run by partial supervision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainRecord {
    /// The batch.
    pub sequences: Vec<Vec<Token>>,
    /// `rewards[i][j]` belongs to token `sequences[i][j + 1]`.
    pub rewards: Vec<Vec<f32>>,
    /// Learning rate.
    pub lr: f64,
    /// Decay rates of the moments.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Loss before each step.
    pub losses: Vec<f32>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl ReferenceFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// An unreadable file.
    pub fn read(path: &Path) -> Result<Self> {
        read_json(path)
    }

    /// The same file with all numbers computed from the models of a directory.
    ///
    /// # Errors
    ///
    /// Models that do not load or do not answer.
    pub fn recompute(&self, models: &Path, device: &Device) -> Result<Self> {
        let train = TrainRecord { losses: self.train.losses(models, device)?, ..self.train.clone() };
        Ok(Self { train, ..self.answers(models, device, ModelOptions::default())? })
    }

    /// The same file with logits and rewards computed from the models of a directory.
    ///
    /// # Errors
    ///
    /// Models that do not load or do not answer.
    pub fn answers(&self, models: &Path, device: &Device, options: ModelOptions) -> Result<Self> {
        let mut policy = Engine::open(&models.join("policy"), device, options)?;
        let run = Run::new();
        let query = |tokens: &Vec<Token>| Query { run: &run, tokens: tokens.clone(), scratch: 0 };
        let queries: Vec<Query<'_>> = self.sequences.iter().map(query).collect();
        let answers = policy.last_logits(&queries, Outputs::All)?;
        let logits = (0..answers.len()).map(|place| answers.logits(place).to_vec()).collect();
        let mut mrm =
            Mrm::builder(models.join("guard"), device, options)?.without_card().with_adapter(models.join("mrm"))?;
        let rewards = mrm.raw_rewards(&self.sequences)?;
        Ok(Self { logits, rewards, ..self.clone() })
    }
}

impl TrainRecord {
    /// Trains as the record says, from the adapter of a directory, and returns the loss before each step.
    ///
    /// # Errors
    ///
    /// Models that do not load, samples that do not fit them.
    pub fn losses(&self, models: &Path, device: &Device) -> Result<Vec<f32>> {
        let settings = AdamWSettings {
            learning_rate: self.lr,
            betas: self.betas,
            eps: self.eps,
            weight_decay: self.weight_decay,
            ..AdamWSettings::default()
        };
        let mut trainer = Trainer::from_dirs(&models.join("guard"), &models.join("mrm"), settings, device)?;
        let samples = self.sequences.iter().zip(&self.rewards);
        let batch: Vec<Sample> =
            samples.map(|(tokens, rewards)| Sample::new(tokens.clone(), rewards.clone())).collect::<Result<_, _>>()?;
        self.losses.iter().map(|_| Ok(trainer.step(&batch)?.loss)).collect()
    }
}
