//! A local language model as a policy.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use saffron_core::{
    CandidateFilter, Candidates, Forget, Hypothesis, ModelError, Policy, PromptLayout, Reply, Session, Token,
    Vocabulary,
};

use crate::LoadError;
use crate::base::Base;
use crate::engine::{Engine, ModelOptions, Outputs, queries};
use crate::text::{Conversion, TextTokenizer, default_layout};

/// A decoder that proposes next tokens. It sees prompt, prefill and response.
#[derive(Debug)]
pub struct LmPolicy {
    engine: Engine,
    tokenizer: Arc<TextTokenizer>,
    layout: PromptLayout,
    end_tokens: Vec<Token>,
}

impl LmPolicy {
    /// Loads a checkpoint with default options and the layout that its special tokens speak for.
    ///
    /// # Errors
    ///
    /// A checkpoint or tokenizer that does not load.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, LoadError> {
        Self::open_with(path, device, ModelOptions::default())
    }

    /// Loads a checkpoint.
    ///
    /// # Errors
    ///
    /// A checkpoint or tokenizer that does not load.
    pub fn open_with(path: impl AsRef<Path>, device: &Device, options: ModelOptions) -> Result<Self, LoadError> {
        Self::on(&Base::open(path, device, options.dtype)?, options)
    }

    /// A policy on weights that are loaded, with a cache of its own. The options' type of weights gives way to the base's.
    ///
    /// # Errors
    ///
    /// A cache budget below one token; end-of-sequence tokens that the model does not have.
    pub fn on(base: &Base, options: ModelOptions) -> Result<Self, LoadError> {
        let engine = Engine::new(base.decoder().clone(), options)?;
        let tokenizer = base.tokenizer().clone();
        let end_tokens = base.checkpoint().end_tokens(&tokenizer)?;
        let layout = default_layout(&tokenizer)?;
        Ok(Self { engine, tokenizer, layout, end_tokens })
    }

    /// The policy with another layout.
    #[must_use]
    pub fn with_layout(mut self, layout: PromptLayout) -> Self {
        self.layout = layout;
        self
    }

    /// The policy with other end-of-sequence tokens.
    #[must_use]
    pub fn with_end_tokens(mut self, tokens: Vec<Token>) -> Self {
        self.end_tokens = tokens;
        self
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Arc<TextTokenizer> {
        &self.tokenizer
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &PromptLayout {
        &self.layout
    }

    /// The decoder and its cache.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// A session for a prompt. The text is taken as text: special tokens that it spells stay letters.
    ///
    /// # Errors
    ///
    /// An empty prompt, or text that the tokenizer cannot encode.
    pub fn session(&self, prompt: &str) -> Result<Session, ModelError> {
        Session::new(self.tokenizer.clone(), self.encode(prompt)?)
    }

    /// A session whose reply is forced to begin with the first `tokens` tokens of a text.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session).
    pub fn attacked_session(&self, prompt: &str, prefill: &str, tokens: usize) -> Result<Session, ModelError> {
        let mut prefill = self.encode(prefill)?;
        prefill.truncate(tokens);
        self.session(prompt)?.with_prefill(prefill)
    }

    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        self.tokenizer.encode(text).map_err(|error| ModelError::other("encoding a prompt", error))
    }

    /// The text of a response, special tokens skipped.
    ///
    /// # Errors
    ///
    /// Tokens that the tokenizer cannot decode.
    pub fn text(&self, hypothesis: &Hypothesis) -> Result<String, ModelError> {
        let text = self.tokenizer.decode_text(&hypothesis.tokens);
        text.map_err(|error| ModelError::other("decoding a response", error))
    }

    /// The whole context of a session as the model reads it.
    ///
    /// # Errors
    ///
    /// A context that does not fit the model, or ids of another vocabulary that have no text.
    pub fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        let convert = |tokens| Conversion::WhenNeeded.convert(tokens, session.vocabulary(), &self.tokenizer);
        let answer = [convert(session.prefill())?, convert(session.response())?].concat();
        let limit = self.engine.decoder().config().max_position_embeddings;
        self.layout.render(&convert(session.prompt())?, &answer, limit)
    }
}

impl Policy for LmPolicy {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.tokenizer.clone()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.end_tokens.clone()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let queries = queries(sessions, 0, |session| self.context(session))?;
        let answers = self.engine.last_logits(&queries, Outputs::All)?;
        let candidates =
            |(place, session): (usize, &Session)| filter.apply(answers.logits(place), session.response(), place);
        let value = sessions.iter().enumerate().map(candidates).collect::<Result<_, _>>()?;
        Ok(Reply { value, work: answers.work })
    }
}

impl Forget for LmPolicy {
    fn forget(&mut self) {
        self.engine.forget();
    }
}
