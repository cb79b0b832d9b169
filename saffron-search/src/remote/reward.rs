//! A guard model behind a server as a reward model.

use std::sync::Arc;

use saffron_core::{
    ContextLayout, ContextRenderer, DecoderShape, Forget, ModelError, OutcomeRewardModel, ProcessRewardModel,
    PromptLayout, Reading, Reply, Session, Token, Vocabulary,
};

use super::cost::ServedCost;
use super::served_layout::{ServedLayout, Words};
use super::server::{Listed, key};
use super::{AnswerProblem, EngineKind, RemoteError, Server};

/// Stands for a reply, which is merged with nothing behind it.
const ANYTHING: &str = "0";

/// How a served guard is asked, and which two tokens are its answers.
#[derive(Clone, Debug)]
pub struct RemoteQuestion {
    /// The question around prompt and reply.
    pub layout: ContextLayout,
    /// The token of a reply found safe.
    pub safe: Token,
    /// The token of a reply found unsafe.
    pub not_safe: Token,
}

impl RemoteQuestion {
    /// A question in words, tokenised by the server: `prefix + prompt + infix + response + suffix`, answered by the first token of one of
    /// two words. Special tokens that the parts spell are special.
    ///
    /// # Errors
    ///
    /// As every request; answers that begin with the same token, or are empty.
    pub fn in_words(
        server: &Arc<Server>,
        [prefix, infix, suffix]: [&str; 3],
        [safe, not_safe]: [&str; 2],
    ) -> Result<Self, RemoteError> {
        let encode = |text| server.tokenize(text, true);
        let first = |text| {
            let token = server.markup_behind(suffix, text)?.first().copied();
            token.ok_or_else(|| server.setup(format!("the answer {text:?} has no token"), "ask for another word"))
        };
        let suffix_ids = server.markup_behind(ANYTHING, suffix)?;
        let ids = PromptLayout { prefix: encode(prefix)?, infix: encode(infix)?, suffix: suffix_ids };
        let words = Words::Around { begin: Vec::new(), words: [prefix, infix].map(str::to_owned) };
        let layout = ServedLayout::layout(server, words, ids);
        let (safe_token, unsafe_token) = (first(safe)?, first(not_safe)?);
        if safe_token == unsafe_token {
            let found = format!("the answers {safe:?} and {not_safe:?} begin with the same token {safe_token}");
            return Err(server.setup(found, "ask for other words"));
        }
        Ok(Self { layout, safe: safe_token, not_safe: unsafe_token })
    }
}

/// A served model that is asked whether a reply is safe; its reward is ln p(safe) − ln p(unsafe), the difference of the two logits. It sees
/// prompt and response, never the prefill.
///
/// vLLM and SGLang are asked for the two answers by their ids. llama.cpp lists the most probable
/// tokens only: where an answer is not among them, four times as many are asked for, up to all,
/// unless the server lists fewer than it was asked for.
#[derive(Debug)]
pub struct RemoteGuard {
    server: Arc<Server>,
    vocabulary: Arc<dyn Vocabulary>,
    renderer: ContextRenderer,
    /// The tokens of the two answers, safe first.
    answers: [Token; 2],
    cost: ServedCost,
    /// Whether ids of another vocabulary go through text.
    converts: bool,
}

impl RemoteGuard {
    /// A guard for sessions of a vocabulary, which must be that of the served model. Sessions of
    /// another one are refused.
    pub fn new(server: Arc<Server>, vocabulary: Arc<dyn Vocabulary>, question: RemoteQuestion) -> Self {
        let RemoteQuestion { layout, safe, not_safe } = question;
        let renderer = ContextRenderer::new(layout);
        Self { server, vocabulary, renderer, answers: [safe, not_safe], cost: ServedCost::default(), converts: false }
    }

    /// The guard for sessions of every vocabulary: ids of another one go through text, which the
    /// server tokenises, a request a response.
    #[must_use]
    pub fn through_text(mut self) -> Self {
        self.converts = true;
        self
    }

    /// The vocabulary of its own tokens.
    #[must_use]
    pub fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The guard with the sizes of its model, so that operations are counted.
    #[must_use]
    pub fn with_shape(mut self, shape: DecoderShape) -> Self {
        self.cost.shape = Some(shape);
        self
    }

    fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        let (expected, found) = (self.vocabulary.id(), session.vocabulary().id());
        let own = expected == found;
        if !own && !self.converts {
            return Err(ModelError::VocabularyMismatch { expected, found });
        }
        let convert = |ids: &[Token]| {
            if own || ids.is_empty() {
                return Ok(ids.to_vec());
            }
            let text = session.vocabulary().decode(ids);
            let text = text.map_err(|error| ModelError::other("decoding tokens for a served guard", error))?;
            Ok(self.server.tokenize(&text, false)?)
        };
        let reading = Reading { together: true, prefill: false };
        self.renderer.render(session, reading, self.server.room(), convert)
    }

    /// The rewards of contexts: those that a request leaves without both answers are asked for again, with more tokens, where that may help.
    fn rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let contexts = sessions.iter().map(|session| self.context(session)).collect::<Result<Vec<_>, _>>()?;
        let size = self.server.model().vocab_size.unwrap_or(self.vocabulary.size()).max(self.vocabulary.size());
        let (mut value, mut cached) = (vec![None; sessions.len()], vec![Vec::new(); sessions.len()]);
        let most = self.server.model().vocab_size.unwrap_or(size);
        let mut top = self.server.settings().top.min(most);
        let mut open: Vec<usize> = (0..sessions.len()).collect();
        while !open.is_empty() {
            let sequences =
                open.iter().map(|place| (key(&sessions[*place]), contexts[*place].clone())).collect::<Vec<_>>();
            let mut again = Vec::new();
            for (place, listed) in open.into_iter().zip(self.server.step(&sequences, top, &self.answers, size)?) {
                cached[place].push(listed.cached);
                value[place] = self.reward(&listed);
                match value[place] {
                    Some(_) => {}
                    None if top < most && self.lists_more(&listed, top) => again.push(place),
                    None => return Err(self.missing(place).into()),
                }
            }
            open = again;
            top = top.saturating_mul(4).min(most);
        }
        // What failed is asked again by the caller, so that only what has an answer is charged.
        let mut cost = |place: usize, cached| self.cost.of(&sessions[place], &contexts[place], cached);
        let work = (cached.into_iter().enumerate())
            .map(|(place, asked)| asked.into_iter().map(|cached| cost(place, cached)).sum())
            .collect();
        Ok(Reply { value: value.into_iter().flatten().collect(), work })
    }

    /// Whether the server may list more tokens of a context than these if it is asked for more than
    /// `top`: llama.cpp may, unless it has listed fewer than that. The others list the answers by
    /// their ids at once or never.
    fn lists_more(&self, listed: &Listed, top: usize) -> bool {
        self.server.engine() == EngineKind::LlamaCpp && listed.count >= top
    }

    /// The reward, if both answers are listed.
    fn reward(&self, listed: &Listed) -> Option<f32> {
        let of = |answer| listed.tokens.iter().find(|(token, _)| *token == answer).map(|(_, logprob)| *logprob);
        let [safe, not_safe] = self.answers;
        Some(of(safe)? - of(not_safe)?)
    }

    fn missing(&self, sequence: usize) -> RemoteError {
        self.server.unusable(AnswerProblem::Missing { sequence, tokens: self.answers })
    }
}

impl ProcessRewardModel for RemoteGuard {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.rewards(sessions)
    }
}

impl OutcomeRewardModel for RemoteGuard {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.rewards(sessions)
    }
}

impl Forget for RemoteGuard {
    /// Nothing is kept here that an answer depends on; what the server caches is its own.
    fn forget(&mut self) {}
}
