//! The multifurcation reward model: a language model whose logits, with a bias and a mask, are rewards of next tokens
//! (Saffron paper, §4.1–4.3: `M(s) = W f(s) + b`).

use std::path::Path;

use burn::tensor::Device;
use saffron_core::{
    Candidates, ChildReward, ContextLayout, Forget, ModelError, MultifurcationRewardModel, Preset, Reply, RewardHead,
    Session, Token, Vocabulary,
};

use crate::base::{Base, BaseFiles};
use crate::checkpoint::head::check_bias;
use crate::engine::{Engine, ModelOptions, Outputs, Query, queries};
use crate::error::LoadError;
use crate::text::{Conversion, PrefillUse, SessionReader, TextTokenizer};

mod builder;
mod contexts;
mod served;

pub use builder::MrmBuilder;

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
    /// The input of a preset; `fluent` reads as `paper` does.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        match preset {
            Preset::Reference => Self::reference(),
            _ => Self::paper(),
        }
    }

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
    preset: Option<Preset>,
}

impl Mrm {
    /// The reward model of an adapter on a base model, with default options: two directories, or a
    /// GGUF as the base. Where the adapter has a [card](crate::checkpoint::MrmCard), input and layout are what the
    /// card asks for.
    ///
    /// # Errors
    ///
    /// A base, adapter, reward head or card that is not there, does not load or is for another
    /// model.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), saffron_mrm::LoadError> {
    /// use saffron_mrm::{Device, Mrm};
    /// # #[cfg(feature = "flex")]
    /// let mrm = Mrm::open("models/guard", "models/mrm", &Device::flex())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(base: impl AsRef<Path>, adapter: impl AsRef<Path>, device: &Device) -> Result<Self, LoadError> {
        Self::builder(base, device, ModelOptions::default())?.with_adapter(adapter)
    }

    /// The base model of a directory, of which [`with_adapter`](MrmBuilder::with_adapter) makes a
    /// reward model. Its weights are read when that has been looked at.
    ///
    /// # Errors
    ///
    /// A configuration or tokenizer that does not load.
    pub fn builder(dir: impl AsRef<Path>, device: &Device, options: ModelOptions) -> Result<MrmBuilder, LoadError> {
        MrmBuilder::of_files(BaseFiles::open(dir)?, device, options)
    }

    /// A reward model to be on weights that are loaded, with a cache of its own. The options' type
    /// of weights gives way to the base's.
    ///
    /// # Errors
    ///
    /// A tokenizer without the layout's tokens.
    pub fn on(base: &Base, options: ModelOptions) -> Result<MrmBuilder, LoadError> {
        MrmBuilder::of_base(base, options)
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &ContextLayout {
        self.reader.layout()
    }

    /// The model with another layout: a [`TextLayout`](crate::text::TextLayout), or a
    /// [`PromptLayout`](saffron_core::PromptLayout), which is put around ids.
    #[must_use]
    pub fn with_layout(mut self, layout: impl Into<ContextLayout>) -> Self {
        self.reader.set_layout(layout);
        self
    }

    /// The model with another bias and other unseen tokens.
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

    /// The preset that the model's [card](crate::checkpoint::MrmCard) asks for, if it has one. A search that is given
    /// no other follows it: `Saffron::of(mrm.preset(), width)`.
    #[must_use]
    pub fn preset(&self) -> Option<Preset> {
        self.preset
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
        self.reader.context(session, self.engine.context_limit())
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
