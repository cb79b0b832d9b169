//! The multifurcation reward model: a language model whose logits, with a bias and a mask, are rewards of next tokens
//! (Saffron paper, §4.1–4.3: `M(s) = W f(s) + b`).

use std::path::Path;

use burn::tensor::Device;
use saffron_core::{
    Candidates, ChildReward, ContextLayout, Forget, ModelError, MultifurcationRewardModel, Reply, Session, Token,
    Vocabulary,
};

use crate::LoadError;
use crate::base::Base;
use crate::checkpoint::head::check_bias;
use crate::checkpoint::{LoraWeights, RewardHead};
use crate::engine::{Engine, Merge, ModelOptions, Outputs, Query, queries};
use crate::text::{Conversion, PrefillUse, SessionReader, TextLayout, TextTokenizer};

/// In which form a reward model takes what the policy wrote.
pub type InputForm = Conversion;

/// Whether the unembedding's bias counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BiasUse {
    /// `W h + b`, as the paper has it.
    #[default]
    Added,
    /// `W h`: the reference implementation never applies its bias.
    LeftOut,
}

/// How an [`Mrm`] reads and scores. The two presets belong to those of the same names of the search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MrmInput {
    /// Ids as they are, or through text.
    pub form: InputForm,
    /// With the bias, or without.
    pub bias: BiasUse,
    /// With the prefill, or without.
    pub prefill: PrefillUse,
}

impl MrmInput {
    /// Ids as they are where the vocabularies are equal; the bias added.
    #[must_use]
    pub fn paper() -> Self {
        Self { form: Conversion::WhenNeeded, bias: BiasUse::Added, prefill: PrefillUse::Hidden }
    }

    /// Everything through text; the bias left out.
    #[must_use]
    pub fn reference() -> Self {
        Self { form: Conversion::Always, bias: BiasUse::LeftOut, prefill: PrefillUse::Hidden }
    }
}

/// A multifurcation reward model on a local decoder. It sees prompt and response, and not the prefill unless [told to](MrmInput::prefill).
#[derive(Debug)]
pub struct Mrm {
    engine: Engine,
    reader: SessionReader,
    head: RewardHead,
    bias: BiasUse,
}

impl Mrm {
    /// Loads the base model of a directory with default options; [`with_adapter`](Self::with_adapter) makes a reward model of it. A
    /// head in the same directory is taken at once.
    ///
    /// # Errors
    ///
    /// A checkpoint, tokenizer or head that does not load.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<Self, LoadError> {
        Self::open_with(dir, device, ModelOptions::default())
    }

    /// Loads the base model of a directory.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(dir: impl AsRef<Path>, device: &Device, options: ModelOptions) -> Result<Self, LoadError> {
        Self::on(&Base::open(dir, device, options.dtype)?, options)
    }

    /// A reward model on weights that are loaded, with a cache of its own. The options' type of weights gives way to the base's.
    ///
    /// # Errors
    ///
    /// A cache budget below one token, a tokenizer without the layout's tokens, a head that does not load.
    pub fn on(base: &Base, options: ModelOptions) -> Result<Self, LoadError> {
        let engine = Engine::new(base.decoder().clone(), options)?;
        let layout = TextLayout::named("mrm", base.tokenizer())?;
        let MrmInput { bias, prefill, .. } = MrmInput::default();
        let reader = SessionReader::new(base.tokenizer(), layout, prefill);
        let head = RewardHead::from_dir(base.path(), base.decoder().config().vocab_size)?;
        Ok(Self { engine, reader, head, bias })
    }

    /// Adds a LoRA adapter to the weights and takes the reward head of the same directory.
    ///
    /// # Errors
    ///
    /// An adapter or head that does not load or is for another model.
    pub fn with_adapter(self, dir: impl AsRef<Path>) -> Result<Self, LoadError> {
        self.with_adapter_as(dir, Merge::IntoWeights)
    }

    /// [`with_adapter`](Self::with_adapter), merged or not.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_adapter_as(mut self, dir: impl AsRef<Path>, merge: Merge) -> Result<Self, LoadError> {
        let dir = dir.as_ref();
        let config = self.engine.decoder().config().clone();
        let (lora, _) = LoraWeights::from_dir(dir, &config, &self.engine.decoder().device())?;
        self.head = RewardHead::from_dir(dir, config.vocab_size)?;
        self.engine = self.engine.with_lora(lora, merge)?;
        Ok(self)
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &ContextLayout {
        self.reader.layout()
    }

    /// The model with another layout: a [`TextLayout`], or a [`PromptLayout`](saffron_core::PromptLayout), which is put around ids.
    #[must_use]
    pub fn with_layout(mut self, layout: impl Into<ContextLayout>) -> Self {
        self.reader.set_layout(layout);
        self
    }

    /// The model with another bias and other unseen tokens. An adapter that is added after it brings its own.
    ///
    /// # Errors
    ///
    /// A head over another vocabulary, a bias that is not finite.
    pub fn with_head(mut self, head: RewardHead) -> Result<Self, LoadError> {
        let size = self.engine.decoder().config().vocab_size;
        for (field, found) in [("bias", head.bias.len()), ("unseen tokens", head.unseen.size())] {
            if found != size {
                return Err(LoadError::field("reward head".as_ref(), field, format!("{size} entries"), found));
            }
        }
        check_bias("reward head".as_ref(), &head.bias)?;
        self.head = head;
        Ok(self)
    }

    /// The model with another way of reading.
    #[must_use]
    pub fn with_input(mut self, input: MrmInput) -> Self {
        (self.reader.form, self.reader.prefill, self.bias) = (input.form, input.prefill, input.bias);
        self
    }

    /// Bias and unseen tokens.
    #[must_use]
    pub fn head(&self) -> &RewardHead {
        &self.head
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.reader.tokenizer
    }

    /// The decoder and its cache.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The whole context of a session as the model reads it.
    ///
    /// # Errors
    ///
    /// A context that does not fit the model, or ids of another vocabulary that have no text.
    pub fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        self.reader.context(session, self.engine.decoder().config().max_position_embeddings)
    }

    /// The reward of every token of the vocabulary after raw ids, unseen ones included, with the bias as set.
    ///
    /// # Errors
    ///
    /// Empty or too long sequences, ids without embedding.
    pub fn raw_rewards(&mut self, sequences: &[Vec<Token>]) -> Result<Vec<Vec<f32>>, ModelError> {
        let run = saffron_core::Run::new();
        let queries: Vec<Query<'_>> =
            sequences.iter().map(|tokens| Query { run: &run, tokens: tokens.clone(), scratch: 0 }).collect();
        let answers = self.engine.last_logits(&queries, Outputs::All)?;
        let row =
            |place| (0u32..).zip(answers.logits(place)).map(|(token, value)| self.biased(token, *value)).collect();
        Ok((0..answers.len()).map(row).collect())
    }

    fn biased(&self, token: Token, logit: f32) -> f32 {
        match self.bias {
            BiasUse::Added => logit + self.head.bias[token as usize],
            BiasUse::LeftOut => logit,
        }
    }

    /// Candidates are ids of the session's vocabulary; rewards are looked up by the same ids, so the vocabularies must be equal.
    fn check_vocabulary(&self, session: &Session) -> Result<(), ModelError> {
        let (expected, found) = (self.reader.tokenizer.id(), session.vocabulary().id());
        if expected == found { Ok(()) } else { Err(ModelError::VocabularyMismatch { expected, found }) }
    }

    fn rewards(&self, place: usize, logits: &[f32], candidates: &Candidates) -> Result<Vec<ChildReward>, ModelError> {
        let reward = |token: Token| {
            // The policy's embedding may be padded beyond ours: what we have no row for, we have not seen.
            let Some(logit) = logits.get(token as usize).copied().filter(|_| !self.head.unseen.contains(token)) else {
                return Ok(ChildReward::Unseen);
            };
            let value = self.biased(token, logit);
            if value.is_nan() {
                return Err(ModelError::NotANumber { what: "rewards", session: place, token, value });
            }
            Ok(ChildReward::Seen(value))
        };
        candidates.tokens().map(reward).collect()
    }
}

impl MultifurcationRewardModel for Mrm {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        if sessions.len() != candidates.len() {
            let (expected, found) = (sessions.len(), candidates.len());
            return Err(ModelError::BatchMismatch { what: "candidate lists in a batch", expected, found });
        }
        sessions.iter().try_for_each(|session| self.check_vocabulary(session))?;
        let queries = queries(sessions, 0, |session| self.context(session))?;
        let answers = self.engine.last_logits(&queries, Outputs::All)?;
        let rewards = |(place, list)| self.rewards(place, answers.logits(place), list);
        let value = candidates.iter().enumerate().map(rewards).collect::<Result<_, _>>()?;
        Ok(Reply { value, work: answers.work })
    }

    fn describe(&self) -> String {
        let form = match self.reader.form {
            Conversion::WhenNeeded => "ids as they are",
            Conversion::Always => "re-encoded text",
        };
        let bias = match self.bias {
            BiasUse::Added => "bias added",
            BiasUse::LeftOut => "bias left out",
        };
        let prefill = match self.reader.prefill {
            PrefillUse::Hidden => "",
            PrefillUse::Seen => ", prefill seen",
        };
        format!("mrm ({form}, {bias}{prefill})")
    }
}

impl Forget for Mrm {
    fn forget(&mut self) {
        self.engine.forget();
    }
}
