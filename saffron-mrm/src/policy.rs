//! A local language model as a policy.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use saffron_core::{
    CandidateFilter, Candidates, ContextLayout, Forget, LayoutOrigin, ModelError, Policy, Reply, Session, TextPolicy,
    Token, Vocabulary,
};

use crate::base::{Base, BaseFiles};
use crate::checkpoint::AdapterFile;
use crate::engine::{Engine, Merge, ModelOptions, Outputs, queries};
use crate::error::LoadError;
use crate::text::{PrefillUse, SessionReader, TextLayout, TextTokenizer};

/// A decoder that proposes next tokens. It sees prompt, prefill and response.
#[derive(Debug)]
pub struct LmPolicy {
    engine: Engine,
    tokenizer: Arc<TextTokenizer>,
    reader: SessionReader,
    end_tokens: Vec<Token>,
    textless: Textless,
}

/// The ids that a policy cannot propose: they have an embedding and no text. End-of-sequence tokens
/// are none of them.
#[derive(Debug)]
struct Textless {
    /// Every id from here on: the embedding was rounded up.
    from: usize,
    /// Those before: holes in the tokenizer's vocabulary.
    holes: Vec<Token>,
}

impl Textless {
    fn of(tokenizer: &TextTokenizer, end_tokens: &[Token]) -> Self {
        let last_end = end_tokens.iter().map(|token| *token as usize + 1).max();
        let from = tokenizer.known().max(last_end.unwrap_or(0));
        let is_hole = |token: &Token| !tokenizer.has_text(*token) && !end_tokens.contains(token);
        Self { from, holes: (0..from as Token).filter(is_hole).collect() }
    }

    /// The logits of the other ids, by id: those of holes are −∞.
    fn without<'a>(&self, logits: &'a [f32]) -> Cow<'a, [f32]> {
        let mut logits = Cow::Borrowed(&logits[..self.from.min(logits.len())]);
        for hole in &self.holes {
            if let Some(logit) = logits.to_mut().get_mut(*hole as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        logits
    }
}

impl LmPolicy {
    /// Loads a checkpoint with default options. Its layout is its own chat template; where it has
    /// none, one is guessed from its special tokens, which [`layout_origin`](Self::layout_origin)
    /// tells.
    ///
    /// # Errors
    ///
    /// A checkpoint, tokenizer or chat template that does not load.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, LoadError> {
        Self::open_with(path, device, ModelOptions::default())
    }

    /// Loads a checkpoint.
    ///
    /// # Errors
    ///
    /// A checkpoint, tokenizer or chat template that does not load; a model that does not fit.
    pub fn open_with(path: impl AsRef<Path>, device: &Device, options: ModelOptions) -> Result<Self, LoadError> {
        let files = BaseFiles::open(path)?;
        // What is small is read before the weights are.
        let layout = TextLayout::of_checkpoint(files.checkpoint(), files.tokenizer())?;
        files.checkpoint().check_memory(&options)?;
        Self::on_with_layout(&files.load(device, options.dtype)?, options, layout)
    }

    /// A policy on weights that are loaded, with a cache of its own and the checkpoint's layout.
    /// The options' type of weights gives way to the base's.
    ///
    /// # Errors
    ///
    /// A cache budget below one token; end-of-sequence tokens that the model does not have; a chat
    /// template that cannot be used.
    pub fn on(base: &Base, options: ModelOptions) -> Result<Self, LoadError> {
        let layout = TextLayout::of_checkpoint(base.checkpoint(), base.tokenizer())?;
        Self::on_with_layout(base, options, layout)
    }

    /// The same in a layout that the caller gives: the checkpoint's template is not read.
    ///
    /// # Errors
    ///
    /// A cache budget below one token; end-of-sequence tokens that the model does not have.
    pub fn on_with_layout(
        base: &Base,
        options: ModelOptions,
        layout: impl Into<ContextLayout>,
    ) -> Result<Self, LoadError> {
        let engine = Engine::new(base.decoder().clone(), options)?;
        let tokenizer = base.tokenizer().clone();
        let end_tokens = base.checkpoint().end_tokens(&tokenizer)?;
        let reader = SessionReader::new(&tokenizer, layout, PrefillUse::Seen);
        let textless = Textless::of(&tokenizer, &end_tokens);
        Ok(Self { engine, tokenizer, reader, end_tokens, textless })
    }

    /// Adds a LoRA adapter to the weights. A reward head beside it is not read: a policy's
    /// unembedding has no bias.
    ///
    /// # Errors
    ///
    /// An adapter that does not load or is for another model.
    pub fn with_adapter(self, dir: impl AsRef<Path>) -> Result<Self, LoadError> {
        let decoder = self.engine.decoder();
        let lora = AdapterFile::open(dir.as_ref(), decoder.config())?.read(&decoder.device())?;
        Ok(Self { engine: self.engine.with_lora(lora, Merge::IntoWeights)?, ..self })
    }

    /// The policy with another layout: a [`TextLayout`], or a
    /// [`PromptLayout`](saffron_core::PromptLayout), which is put around ids.
    #[must_use]
    pub fn with_layout(mut self, layout: impl Into<ContextLayout>) -> Self {
        self.set_layout(layout);
        self
    }

    /// Changes the layout, as a conversation does before each turn. The cache is kept.
    pub fn set_layout(&mut self, layout: impl Into<ContextLayout>) {
        self.reader.set_layout(layout);
    }

    /// The policy with other end-of-sequence tokens.
    #[must_use]
    pub fn with_end_tokens(mut self, tokens: Vec<Token>) -> Self {
        self.textless = Textless::of(&self.tokenizer, &tokens);
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
    pub fn layout(&self) -> &ContextLayout {
        self.reader.layout()
    }

    /// Where the layout comes from. Programs warn of a guess.
    #[must_use]
    pub fn layout_origin(&self) -> &LayoutOrigin {
        self.layout().origin()
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
}

impl TextPolicy for LmPolicy {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        self.tokenizer.encode(text).map_err(|error| ModelError::other("encoding a prompt", error))
    }
}

impl Policy for LmPolicy {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.tokenizer.clone()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.end_tokens.clone()
    }

    fn reply_header(&self) -> Vec<Token> {
        self.layout().ids().infix.clone()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let queries = queries(sessions, 0, |session| self.context(session))?;
        let answers = self.engine.last_logits(&queries, Outputs::All)?;
        let candidates = |(place, session): (usize, &Session)| {
            filter.apply(&self.textless.without(answers.logits(place)), session.response(), place)
        };
        let value = sessions.iter().enumerate().map(candidates).collect::<Result<_, _>>()?;
        Ok(Reply { value, work: answers.work })
    }
}

impl Forget for LmPolicy {
    fn forget(&mut self) {
        self.engine.forget();
    }
}
