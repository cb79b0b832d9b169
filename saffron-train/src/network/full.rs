//! Decoders that are trained as a whole.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use saffron_mrm::nn::Decoder;
use saffron_mrm::{RewardHead, RewardHeadFiles};

use super::Network;
use crate::adapter::TrainableAdapter;
use crate::error::TrainError;

impl Network {
    /// A network of which every matrix is trained: embedding, projections, unembedding. They are taken in float32, an adapter beside them
    /// added. Norms and the projections' biases stay what they are; a norm's weights are factors of the columns of the matrices behind it,
    /// so that nothing is lost but the last norm's where the unembedding is tied. The head's bias is 0 and frozen:
    /// [`with_trained_bias`](Self::with_trained_bias) trains it, too.
    ///
    /// ```
    /// use burn::tensor::{DType, Device};
    /// use saffron_mrm::nn::Decoder;
    /// use saffron_mrm::{Choices, DecoderConfig};
    /// use saffron_train::objective::next_token::{NextToken, Text};
    /// use saffron_train::{AdamWSettings, Init, Network, Trainer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = DecoderConfig {
    ///     hidden_size: 32,
    ///     intermediate_size: 64,
    ///     num_hidden_layers: 2,
    ///     num_attention_heads: 4,
    ///     num_key_value_heads: 2,
    ///     head_dim: 8,
    ///     vocab_size: 50,
    ///     max_position_embeddings: 128,
    ///     rms_norm_eps: 1e-5,
    ///     tie_word_embeddings: true,
    ///     eos_token_ids: vec![1],
    ///     choices: Choices::llama(10_000.0),
    /// };
    /// let device = Device::flex();
    /// let network = Network::full(&Init::neutral(7).decoder(&config, &device)?);
    /// let settings = AdamWSettings { learning_rate: 3e-3, ..AdamWSettings::default() };
    /// let mut trainer = Trainer::new(network, NextToken, settings)?;
    /// // A question and its answer, of which the answer is learnt; a text, all of it.
    /// let texts = [Text::reply(&[0, 20, 21], &[30, 31, 1])?, Text::whole(vec![0, 40, 41, 42, 1])?];
    /// let before = trainer.loss(&texts)?;
    /// for _ in 0..20 {
    ///     trainer.step(&texts)?;
    /// }
    /// assert!(trainer.loss(&texts)? < 0.5 * before);
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// trainer.network().save_checkpoint(dir, DType::BF16)?;
    /// assert_eq!(Decoder::from_dir(dir, DType::F32, &device)?.config(), &config);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn full(decoder: &Decoder) -> Self {
        Self::full_with(decoder, &RewardHead::neutral(decoder.config().vocab_size))
    }

    /// [`full`](Self::full) on the weights of a directory, and its head, if there is one in it.
    ///
    /// # Errors
    ///
    /// A checkpoint or head that does not load.
    pub fn open_full(dir: &Path, device: &Device) -> Result<Self, TrainError> {
        let decoder = Decoder::from_dir(dir, DType::F32, device)?;
        let head = RewardHead::from_dir_or_neutral(dir, decoder.config().vocab_size)?;
        Ok(Self::full_with(&decoder, &head))
    }

    pub(super) fn full_with(decoder: &Decoder, head: &RewardHead) -> Self {
        let plain = decoder.clone().folded().map_weights(|weight| weight.cast(DType::F32));
        let adapter = TrainableAdapter::full(&plain, head, &plain.device().autodiff());
        let recording = plain.map_weights(Tensor::autodiff);
        let unseen = head.unseen.clone();
        let network = Self { plain, recording, adapter, places: Vec::new(), config: None, unseen, train_bias: false };
        network.with_frozen_bias()
    }
}
