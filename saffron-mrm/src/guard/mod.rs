//! A guard model as a reward model: it is asked whether a reply is safe, and its reward is
//! logit(safe) − logit(unsafe).

mod questions;
mod template;

use std::iter;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use saffron_core::{
    CountsAs, Forget, ModelError, OutcomeRewardModel, ProcessRewardModel, Reply, RewardHead, Session, Token,
    Vocabulary, Work,
};

use crate::base::{Base, BaseFiles};
use crate::checkpoint::{AdapterFile, RewardHeadFiles};
use crate::engine::{Answers, Engine, Merge, ModelOptions, Outputs, Query};
use crate::error::LoadError;
use crate::text::{Conversion, PrefillUse, SessionReader, TextTokenizer};

pub use questions::GuardQuestions;
pub use template::GuardTemplate;

/// A language model that is asked by a template, or by several questions in one batch. Serves as
/// process reward model, outcome reward model and judge. It sees prompt and response, never the
/// prefill.
#[derive(Debug)]
pub struct GuardRewardModel {
    engine: Engine,
    first: Question,
    more: Vec<Question>,
    /// The tokens of all answers.
    answers: Vec<Token>,
    /// What the head's bias adds to each of them.
    bias: Vec<f32>,
    /// Where the third answer stands among them, if there is one.
    third: Option<(usize, CountsAs)>,
}

/// A question as the model asks it.
#[derive(Debug)]
struct Question {
    reader: SessionReader,
    /// Where its two answers stand among those of all questions, safe first.
    answers: [usize; 2],
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
    /// A checkpoint or tokenizer that does not load, a template with tokens that the model does not
    /// have, or a model that does not fit.
    pub fn open_with<Q: Into<GuardQuestions>>(
        dir: impl AsRef<Path>,
        device: &Device,
        options: ModelOptions,
        template: impl FnOnce(&TextTokenizer) -> Result<Q, LoadError>,
    ) -> Result<Self, LoadError> {
        let files = BaseFiles::open(dir)?;
        let template = template(files.tokenizer())?;
        files.checkpoint().check_memory(&options)?;
        Self::on(&files.load(device, options.dtype)?, options, |_| Ok(template))
    }

    /// A guard on weights that are loaded, with a cache of its own. The options' type of weights
    /// gives way to the base's.
    ///
    /// # Errors
    ///
    /// A cache budget below one token, or a template with tokens that the model does not have.
    pub fn on<Q: Into<GuardQuestions>>(
        base: &Base,
        options: ModelOptions,
        template: impl FnOnce(&TextTokenizer) -> Result<Q, LoadError>,
    ) -> Result<Self, LoadError> {
        let tokenizer = base.tokenizer().clone();
        let questions: GuardQuestions = template(&tokenizer)?.into();
        let engine = Engine::new(base.decoder().clone(), options)?;
        let size = engine.decoder().config().vocab_size;
        let mut answers = Vec::new();
        let third = questions.third().map(|third| (place_of(&mut answers, third.token), third.counts_as));
        let words_only = questions.is_words_only();
        let (first, more) = questions.into_parts();
        let mut question = |template: GuardTemplate| {
            let mut reader = SessionReader::new(&tokenizer, template.layout, PrefillUse::Hidden);
            reader.words_only = words_only;
            Question {
                answers: [template.safe, template.not_safe].map(|answer| place_of(&mut answers, answer)),
                reader,
            }
        };
        let (first, more) = (question(first), more.into_iter().map(question).collect());
        if let Some(token) = answers.iter().find(|token| **token as usize >= size) {
            return Err(LoadError::field(base.path(), "answer token", format!("an id below {size}"), token));
        }
        Ok(Self { engine, first, more, bias: vec![0.0; answers.len()], answers, third })
    }

    /// Adds a LoRA adapter to the weights, and the bias of the answers in the reward head of
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
        let bias = self.answers.iter().map(|answer| head.bias[*answer as usize]).collect();
        let engine = self.engine.with_lora(lora, Merge::IntoWeights)?;
        Ok(Self { engine, bias, ..self })
    }

    /// The guard with another way of taking the policy's tokens; by default ids of an equal
    /// vocabulary pass as they are.
    #[must_use]
    pub fn with_input(mut self, form: Conversion) -> Self {
        for question in iter::once(&mut self.first).chain(&mut self.more) {
            question.reader.form = form;
        }
        self
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.first.reader.tokenizer
    }

    /// The vocabulary of its own tokens, for sessions that hold them.
    #[must_use]
    pub fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        Arc::new(self.tokenizer().clone())
    }

    /// The decoder and its cache.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The whole context of a session as the guard reads it, with its first question.
    ///
    /// # Errors
    ///
    /// A context that does not fit the model, or ids of another vocabulary that have no text.
    pub fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        self.first.reader.context(session, self.engine.context_limit())
    }

    /// The whole contexts of a session, one with each question.
    ///
    /// # Errors
    ///
    /// As [`context`](Self::context).
    pub fn contexts(&self, session: &Session) -> Result<Vec<Vec<Token>>, ModelError> {
        self.questions().map(|question| question.reader.context(session, self.engine.context_limit())).collect()
    }

    fn questions(&self) -> impl Iterator<Item = &Question> {
        iter::once(&self.first).chain(&self.more)
    }

    /// Every session with every question, those of a session together.
    fn queries<'a>(&self, sessions: &'a [Session]) -> Result<Vec<Query<'a>>, ModelError> {
        let limit = self.engine.context_limit();
        let query = |(session, question): (&'a Session, &Question)| {
            let scratch = question.reader.layout().ids().suffix.len();
            Ok(Query { run: session.run(), tokens: question.reader.context(session, limit)?, scratch })
        };
        sessions
            .iter()
            .flat_map(|session| self.questions().map(move |question| (session, question)))
            .map(query)
            .collect()
    }

    /// The reward of one question from the logits of all answers.
    fn reward(&self, logits: &[f32], [safe, not_safe]: [usize; 2]) -> f32 {
        let Some((third, counts_as)) = self.third else {
            return logits[safe] - logits[not_safe] + (self.bias[safe] - self.bias[not_safe]);
        };
        let [safe, not_safe, third] = [safe, not_safe, third].map(|answer| logits[answer] + self.bias[answer]);
        counts_as.log_odds(safe, not_safe, third)
    }

    /// The lowest reward of a session's questions, whose answers begin at a place.
    fn lowest(&self, answers: &Answers, session: usize, count: usize) -> Result<f32, ModelError> {
        let mut lowest = f32::INFINITY;
        for (place, question) in self.questions().enumerate() {
            let value = self.reward(answers.logits(session * count + place), question.answers);
            if value.is_nan() {
                let token = self.answers[question.answers[0]];
                return Err(ModelError::NotANumber { what: "rewards", session, token, value });
            }
            lowest = lowest.min(value);
        }
        Ok(lowest)
    }

    fn rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let (count, queries) = (1 + self.more.len(), self.queries(sessions)?);
        let found = self.engine.last_logits(&queries, Outputs::Tokens(&self.answers))?;
        let value = (0..sessions.len()).map(|session| self.lowest(&found, session, count)).collect::<Result<_, _>>()?;
        let work = found.work.chunks(count).map(|asked| asked.iter().copied().sum::<Work>()).collect();
        Ok(Reply { value, work })
    }
}

/// Where a token stands among the answers; it is added where it does not.
fn place_of(answers: &mut Vec<Token>, token: Token) -> usize {
    answers.iter().position(|known| *known == token).unwrap_or_else(|| {
        answers.push(token);
        answers.len() - 1
    })
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
