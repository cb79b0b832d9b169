//! A guard model as a reward model: it is asked whether a reply is safe, and its reward is logit(safe) − logit(unsafe).

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use saffron_core::{
    ContextLayout, Forget, ModelError, OutcomeRewardModel, ProcessRewardModel, Reply, Session, Token, Vocabulary,
};

use crate::base::{Base, BaseFiles};
use crate::checkpoint::{AdapterFile, RewardHead};
use crate::engine::{Engine, Merge, ModelOptions, Outputs, queries};
use crate::error::LoadError;
use crate::text::{Conversion, PrefillUse, SessionReader, TextLayout, TextTokenizer, llama_guard_answers};

/// How a guard is asked and which two tokens are its answers.
#[derive(Clone, Debug)]
pub struct GuardTemplate {
    /// The question around prompt and reply.
    pub layout: ContextLayout,
    /// The token of a reply found safe.
    pub safe: Token,
    /// The token of a reply found unsafe.
    pub not_safe: Token,
}

impl GuardTemplate {
    /// Llama Guard 3's own template.
    ///
    /// # Errors
    ///
    /// A tokenizer of another vocabulary.
    pub fn llama_guard_3(tokenizer: &TextTokenizer) -> Result<Self, LoadError> {
        let (safe, not_safe) = llama_guard_answers();
        Ok(Self { layout: TextLayout::named("llama-guard-3", tokenizer)?.into(), safe, not_safe })
    }

    /// A question in words, for any model: `prefix + prompt + infix + response + suffix`, answered by the first token of one of two words.
    /// Special tokens that the parts of the layout spell are special.
    ///
    /// # Errors
    ///
    /// A tokenizer that cannot encode the parts, or answers that begin with the same token.
    pub fn in_words(
        tokenizer: &TextTokenizer,
        [prefix, infix, suffix]: [&str; 3],
        [safe, not_safe]: [&str; 2],
    ) -> Result<Self, LoadError> {
        let refuse = |reason: String| LoadError::Layout { name: String::from("guard question"), reason };
        let text = |error: crate::text::TextError| refuse(error.to_string());
        let layout = TextLayout::in_words(tokenizer, [prefix, infix, suffix]).map_err(text)?;
        let first = |answer: &str| {
            let token = tokenizer.first_behind(suffix, answer).map_err(text)?;
            token.ok_or_else(|| refuse(String::from("an answer is empty")))
        };
        let (safe_token, unsafe_token) = (first(safe)?, first(not_safe)?);
        if safe_token == unsafe_token {
            return Err(refuse(format!(
                "the answers {safe:?} and {not_safe:?} begin with the same token {safe_token}"
            )));
        }
        Ok(Self { layout: layout.into(), safe: safe_token, not_safe: unsafe_token })
    }
}

/// A language model that is asked by a template. Serves as process reward model, outcome reward model and judge. It sees prompt and
/// response, never the prefill.
#[derive(Debug)]
pub struct GuardRewardModel {
    engine: Engine,
    reader: SessionReader,
    /// The tokens of the two answers, safe first.
    answers: [Token; 2],
    /// What the head's bias adds to the reward.
    offset: f32,
}

impl GuardRewardModel {
    /// Loads a Llama Guard 3 checkpoint.
    ///
    /// # Errors
    ///
    /// A checkpoint or tokenizer that does not load, or is of another vocabulary.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<Self, LoadError> {
        Self::open_with(dir, device, ModelOptions::default(), GuardTemplate::llama_guard_3)
    }

    /// Loads any checkpoint with a template made for its tokenizer.
    ///
    /// # Errors
    ///
    /// A checkpoint or tokenizer that does not load, or a template with tokens that the model does not have.
    pub fn open_with(
        dir: impl AsRef<Path>,
        device: &Device,
        options: ModelOptions,
        template: impl FnOnce(&TextTokenizer) -> Result<GuardTemplate, LoadError>,
    ) -> Result<Self, LoadError> {
        let files = BaseFiles::open(dir)?;
        let template = template(files.tokenizer())?;
        Self::on(&files.load(device, options.dtype)?, options, |_| Ok(template))
    }

    /// A guard on weights that are loaded, with a cache of its own. The options' type of weights gives way to the base's.
    ///
    /// # Errors
    ///
    /// A cache budget below one token, or a template with tokens that the model does not have.
    pub fn on(
        base: &Base,
        options: ModelOptions,
        template: impl FnOnce(&TextTokenizer) -> Result<GuardTemplate, LoadError>,
    ) -> Result<Self, LoadError> {
        let tokenizer = base.tokenizer().clone();
        let template = template(&tokenizer)?;
        let engine = Engine::new(base.decoder().clone(), options)?;
        let size = engine.decoder().config().vocab_size;
        if let Some(token) = [template.safe, template.not_safe].iter().find(|token| **token as usize >= size) {
            return Err(LoadError::field(base.path(), "answer token", format!("an id below {size}"), token));
        }
        let reader = SessionReader::new(&tokenizer, template.layout, PrefillUse::Hidden);
        Ok(Self { engine, reader, answers: [template.safe, template.not_safe], offset: 0.0 })
    }

    /// Adds a LoRA adapter to the weights, and the bias of the two answers in the reward head of
    /// the same directory, if there is one. A guard works without.
    ///
    /// # Errors
    ///
    /// An adapter or head that does not load or is for another model.
    pub fn with_adapter(self, dir: impl AsRef<Path>) -> Result<Self, LoadError> {
        let (dir, decoder) = (dir.as_ref(), self.engine.decoder());
        let mut adapter = AdapterFile::open(dir, decoder.config())?;
        let head = RewardHead::from_dir_or_neutral(dir, decoder.config().vocab_size)?;
        let lora = adapter.read(&decoder.device())?;
        let [safe, not_safe] = self.answers.map(|answer| head.bias[answer as usize]);
        let engine = self.engine.with_lora(lora, Merge::IntoWeights)?;
        Ok(Self { engine, offset: safe - not_safe, ..self })
    }

    /// The guard with another way of taking the policy's tokens; by default ids of an equal vocabulary pass as they are.
    #[must_use]
    pub fn with_input(mut self, form: Conversion) -> Self {
        self.reader.form = form;
        self
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.reader.tokenizer
    }

    /// The vocabulary of its own tokens, for sessions that hold them.
    #[must_use]
    pub fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        Arc::new(self.reader.tokenizer.clone())
    }

    /// The decoder and its cache.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The whole context of a session as the guard reads it.
    ///
    /// # Errors
    ///
    /// A context that does not fit the model, or ids of another vocabulary that have no text.
    pub fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        self.reader.context(session, self.engine.context_limit())
    }

    fn rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let scratch = self.reader.layout().ids().suffix.len();
        let queries = queries(sessions, scratch, |session| self.context(session))?;
        let logits = self.engine.last_logits(&queries, Outputs::Tokens(&self.answers))?;
        let reward = |session: usize| {
            let value = logits.logits(session)[0] - logits.logits(session)[1] + self.offset;
            if value.is_nan() {
                return Err(ModelError::NotANumber { what: "rewards", session, token: self.answers[0], value });
            }
            Ok(value)
        };
        let value = (0..sessions.len()).map(reward).collect::<Result<_, _>>()?;
        Ok(Reply { value, work: logits.work })
    }
}

impl ProcessRewardModel for GuardRewardModel {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.rewards(sessions)
    }
}

impl OutcomeRewardModel for GuardRewardModel {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.rewards(sessions)
    }
}

impl Forget for GuardRewardModel {
    fn forget(&mut self) {
        self.engine.forget();
    }
}
