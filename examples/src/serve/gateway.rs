//! Models behind a scheduler, and what the server offers of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use saffron_core::{ChildScorer, ModelError, Policy, Session, Vocabulary};
use saffron_search::scheduler::Scheduler;
use saffron_search::serve::{ApiError, CompletionRequest, Offer, Prompt, Speaker};

use super::key::ServerKey;
use super::layouts::ConversationLayout;
use super::limits::ServeLimits;
use super::metrics::Metrics;

/// The models of a server.
pub struct Models {
    /// The policy, whose layout is the one below.
    pub policy: Box<dyn Policy + Send>,
    /// The reward model, if there is one that reads conversations.
    pub scorer: Box<dyn ChildScorer + Send>,
    /// How the policy reads conversations.
    pub layout: ConversationLayout,
    /// Whether the reward model reads the last question alone, so that conversations of several
    /// turns are refused.
    pub single_turns: bool,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// What answers requests, whatever connection they come by.
#[derive(Debug)]
pub struct Gateway {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) offer: Offer,
    pub(super) limits: ServeLimits,
    pub(super) key: Option<ServerKey>,
    pub(super) metrics: Metrics,
    pub(super) log_content: bool,
    vocabulary: Arc<dyn Vocabulary>,
    layout: ConversationLayout,
    single_turns: bool,
    closing: AtomicBool,
    /// A model has panicked: nothing is answered any more.
    panicked: AtomicBool,
    begun: u64,
    requests: AtomicU64,
}

impl Gateway {
    /// A server's models, offer and limits. Without a key everybody is answered.
    ///
    /// # Errors
    ///
    /// Limits that cannot be worked with, no thread for the models.
    pub fn new(models: Models, offer: Offer, limits: ServeLimits, key: Option<ServerKey>) -> Result<Self> {
        let Models { policy, scorer, layout, single_turns } = models;
        let vocabulary = policy.vocabulary();
        let scheduler = Arc::new(Scheduler::with_boxes(policy, scorer, limits.scheduler())?);
        Ok(Self {
            scheduler,
            offer,
            limits,
            key,
            metrics: Metrics::default(),
            log_content: false,
            vocabulary,
            layout,
            single_turns,
            closing: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            begun: now(),
            requests: AtomicU64::new(0),
        })
    }

    /// The same, with prompts and answers in the log.
    #[must_use]
    pub fn logging_content(self, log_content: bool) -> Self {
        Self { log_content, ..self }
    }

    /// The vocabulary of the policy.
    pub(super) fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    /// An id for the next request.
    pub(super) fn next_id(&self) -> String {
        format!("saffron-{:x}-{}", self.begun, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// When the server was started, in seconds since 1970.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Takes no more requests from now on.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether it takes no more requests.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Notes that a model has panicked, if it has.
    pub(super) fn note_panic(&self, panicked: bool) {
        self.panicked.fetch_or(panicked, Ordering::SeqCst);
    }

    /// Whether requests are answered.
    ///
    /// # Errors
    ///
    /// Why they are not.
    pub(super) fn health(&self) -> Result<(), ApiError> {
        if self.panicked.load(Ordering::SeqCst) {
            return Err(ApiError::server(503, "model_failed", "a model has panicked: start the server again"));
        }
        if self.is_closing() { Err(ApiError::shutting_down()) } else { Ok(()) }
    }

    /// A request's session, and the tokens of its prompt as the policy reads it. May ask another
    /// server.
    pub(super) fn session(&self, request: &CompletionRequest) -> Result<(Session, usize), ApiError> {
        let CompletionRequest { prompt, prefill, .. } = request;
        let several = |prompt: &Prompt| prompt.before().iter().any(|turn| turn.speaker != Speaker::System);
        if self.single_turns && several(prompt) {
            let message = "this server's reward model reads one question: send one user message";
            return Err(ApiError::invalid("unsupported_messages", message).of("messages"));
        }
        let tokens = self.layout.encode(prompt, prefill.as_deref())?.len();
        if tokens > self.limits.max_prompt_tokens {
            let most = self.limits.max_prompt_tokens;
            let message = format!("the prompt has {tokens} tokens, and this server takes at most {most}");
            return Err(ApiError::invalid("context_length_exceeded", message));
        }
        let session = Session::of_text(self.vocabulary(), prompt.session_text(), self.ids(prompt.question())?);
        let session = session.map_err(|error| refused(&error))?;
        let session = match prefill {
            Some(text) => session.with_prefill_text(text.as_str(), self.ids(text)?).map_err(|error| refused(&error))?,
            None => session,
        };
        Ok((session, tokens))
    }

    fn ids(&self, text: &str) -> Result<Vec<u32>, ApiError> {
        match self.vocabulary.encode(text) {
            Ok(Some(ids)) => Ok(ids),
            Ok(None) => Err(ApiError::server(500, "no_words", "the policy's vocabulary has no words")),
            Err(_) => Err(ApiError::invalid("encoding_failed", "the prompt cannot be encoded")),
        }
    }
}

fn refused(error: &ModelError) -> ApiError {
    match error {
        ModelError::EmptyPrompt => ApiError::invalid("empty_prompt", "the prompt has no text"),
        _ => ApiError::invalid("encoding_failed", "the prompt cannot be encoded"),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
