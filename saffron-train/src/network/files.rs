//! Networks in files.

use std::path::Path;

use burn::tensor::DType;
use saffron_mrm::checkpoint::LoraWeights;
use saffron_mrm::checkpoint::folder::update;
use saffron_mrm::nn::Decoder;
use saffron_mrm::{RewardHead, RewardHeadFiles};

use super::Network;
use crate::error::TrainError;

impl Network {
    /// The network with the parameters of a directory that [`save`](Self::save) wrote.
    pub(crate) fn restored(self, dir: &Path) -> Result<Self, TrainError> {
        let restored = match self.config {
            Some(_) => self.adapter_from(dir)?,
            None => self.full_from(dir)?,
        };
        Ok(restored.with_bias(self.train_bias))
    }

    fn adapter_from(&self, dir: &Path) -> Result<Self, TrainError> {
        let (lora, config) = LoraWeights::from_dir(dir, self.model(), &self.plain.device())?;
        let head = RewardHead::from_dir(dir, self.model().vocab_size)?;
        Ok(Self::new(&self.plain, &lora, config, &head))
    }

    fn full_from(&self, dir: &Path) -> Result<Self, TrainError> {
        let decoder = Decoder::from_dir(dir, DType::F32, &self.plain.device())?;
        // Files do not say which rotary frequencies served.
        let decoder = decoder.for_contexts(self.model().context_length());
        let head = RewardHead::from_dir(dir, decoder.config().vocab_size)?;
        let restored = Self::full_with(&decoder, &head);
        if restored.model() == self.model() {
            return Ok(restored);
        }
        let reason = format!("expected {:?}, found {:?}", self.model(), restored.model());
        Err(TrainError::Checkpoint { path: dir.join("config.json"), reason })
    }

    /// Writes adapter and head into a directory: PEFT's layout, and our single-file form of bias and mask, all in float32. A decoder that
    /// is trained as a whole is written as a Hugging Face checkpoint in place of the adapter. Nothing is lost: [`open`](Self::open), or
    /// [`open_full`](Self::open_full), gives the same network.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, dir: &Path) -> Result<(), TrainError> {
        self.save_as(dir, DType::F32)
    }

    /// [`save`](Self::save) with the adapter's or the decoder's weights in float32, or rounded to
    /// bf16 or f16, to the nearest. The bias stays in float32. All files appear
    /// [together](saffron_mrm::checkpoint::folder); other files of the directory stay.
    ///
    /// # Errors
    ///
    /// Another type; what the file system says.
    pub fn save_as(&self, dir: &Path, dtype: DType) -> Result<(), TrainError> {
        update(dir, |dir| {
            self.save_weights(dir, dtype)?;
            self.head().save_safetensors(dir)?;
            Ok(())
        })
    }

    /// Writes adapter and head into a directory as the reference releases them: PEFT's layout (for a decoder that is trained as a whole a
    /// Hugging Face checkpoint), `lm_head_bias.pt` (rounded to bf16) and `unseen_mask.pt`.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save_reference(&self, dir: &Path) -> Result<(), TrainError> {
        update(dir, |dir| {
            self.save_weights(dir, DType::F32)?;
            Ok(self.head().save_torch(dir)?)
        })
    }

    fn save_weights(&self, dir: &Path, dtype: DType) -> Result<(), TrainError> {
        match &self.config {
            Some(config) => Ok(self.lora().save_as(dir, config, dtype)?),
            None => Ok(self.plain().save(dir, dtype)?),
        }
    }

    /// Writes the decoder, an adapter added to its weights, as a Hugging Face checkpoint in float32, bf16 or f16: a policy of its own, once
    /// a tokenizer's files lie beside it. The head is no part of it.
    ///
    /// # Errors
    ///
    /// Another type; what the file system says.
    pub fn save_checkpoint(&self, dir: &Path, dtype: DType) -> Result<(), TrainError> {
        Ok(self.plain().save(dir, dtype)?)
    }
}
