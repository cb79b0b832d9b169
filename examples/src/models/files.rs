//! What a checkpoint says beside its weights, read before they are.

use std::sync::Arc;

use anyhow::Result;
use saffron_mrm::DecoderConfig;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::TextTokenizer;

/// A checkpoint without its weights.
#[derive(Debug)]
pub struct ModelFiles {
    checkpoint: Checkpoint,
    config: DecoderConfig,
    tokenizer: Arc<TextTokenizer>,
}

impl ModelFiles {
    /// Reads configuration and tokenizer.
    ///
    /// # Errors
    ///
    /// What a model cannot be opened without, missing or unreadable.
    pub fn read(checkpoint: Checkpoint) -> Result<Self> {
        let config = checkpoint.config()?;
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        checkpoint.end_tokens(&tokenizer)?;
        Ok(Self { checkpoint, config, tokenizer })
    }

    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The sizes of its model.
    #[must_use]
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Its tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Arc<TextTokenizer> {
        &self.tokenizer
    }
}
