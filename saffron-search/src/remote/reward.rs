//! A guard model behind a server as a reward model.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use saffron_core::{
    ContextLayout, ContextRenderer, DecoderShape, Forget, ModelError, OutcomeRewardModel, ProcessRewardModel,
    PromptLayout, Reading, Reply, Session, Token, Vocabulary, Work,
};

use super::cost::ServedCost;
use super::questions::{AnswerRules, RemoteQuestions};
use super::served_layout::{ServedLayout, Words};
use super::server::{Listed, key};
use super::{AnswerProblem, EngineKind, RemoteError, Server};

/// Tokens that the server's cache saved, where it says, at every time of asking.
type SavedEachTime = Vec<Option<u64>>;

/// Stands for a reply, which is merged with nothing behind it.
const ANYTHING: &str = "0";

/// One question to a served guard, and which two tokens are its answers.
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

/// A served model that is asked whether a reply is safe; its reward is ln p(safe) − ln p(unsafe),
/// the difference of the two logits. It sees prompt and response, never the prefill.
///
/// Where [`RemoteQuestions`] are several, all of them about all sessions are one step, and the
/// lowest reward of a session counts.
///
/// vLLM and SGLang are asked for the answers by their ids. llama.cpp lists the most probable
/// tokens only: where an answer is not among them, four times as many are asked for, up to all,
/// unless the server lists fewer than it was asked for.
#[derive(Debug)]
pub struct RemoteGuard {
    server: Arc<Server>,
    vocabulary: Arc<dyn Vocabulary>,
    /// One for each question.
    renderers: Vec<ContextRenderer>,
    rules: AnswerRules,
    /// The tokens of all answers.
    answers: Vec<Token>,
    cost: ServedCost,
    /// Whether ids of another vocabulary go through text.
    converts: bool,
}

impl RemoteGuard {
    /// A guard for sessions of a vocabulary, which must be that of the served model. Sessions of
    /// another one are refused.
    pub fn new(server: Arc<Server>, vocabulary: Arc<dyn Vocabulary>, questions: impl Into<RemoteQuestions>) -> Self {
        let (layouts, rules) = questions.into().into_parts();
        let renderers = layouts.into_iter().map(ContextRenderer::new).collect();
        let answers = rules.tokens();
        Self { server, vocabulary, renderers, rules, answers, cost: ServedCost::default(), converts: false }
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

    /// The contexts of a session, one with each question.
    fn contexts(&self, session: &Session) -> Result<Vec<Vec<Token>>, ModelError> {
        let (expected, found) = (self.vocabulary.id(), session.vocabulary().id());
        let own = expected == found;
        if !own && !self.converts {
            return Err(ModelError::VocabularyMismatch { expected, found });
        }
        // All questions are asked about the same ids, which go through text once.
        let known = RefCell::new(BTreeMap::<Vec<Token>, Vec<Token>>::new());
        let convert = |ids: &[Token]| {
            if own || ids.is_empty() {
                return Ok(self.rules.read(ids.to_vec()));
            }
            if let Some(converted) = known.borrow().get(ids) {
                return Ok(converted.clone());
            }
            let text = session.vocabulary().decode(ids);
            let text = text.map_err(|error| ModelError::other("decoding tokens for a served guard", error))?;
            let converted = self.rules.read(self.server.tokenize(&text, false)?);
            known.borrow_mut().insert(ids.to_vec(), converted.clone());
            Ok(converted)
        };
        let reading = Reading { together: true, prefill: false };
        let room = self.server.room();
        self.renderers.iter().map(|renderer| renderer.render(session, reading, room, convert)).collect()
    }

    /// The lowest reward of each session's questions.
    fn rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let count = self.renderers.len();
        let contexts: Vec<Vec<Token>> = (sessions.iter())
            .map(|session| self.contexts(session))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        let keys: Vec<u32> = sessions.iter().flat_map(|session| iter::repeat_n(key(session), count)).collect();
        let (rewards, cached) = self.answered(&contexts, &keys)?;
        // What failed is asked again by the caller, so that only what has an answer is charged.
        let mut cost = |place: usize, cached| self.cost.of(&sessions[place / count], &contexts[place], cached);
        let work: Vec<Work> = (cached.into_iter().enumerate())
            .map(|(place, asked)| asked.into_iter().map(|cached| cost(place, cached)).sum())
            .collect();
        let lowest = |asked: &[f32]| asked.iter().copied().fold(f32::INFINITY, f32::min);
        let value = rewards.chunks(count).map(lowest).collect();
        Ok(Reply { value, work: work.chunks(count).map(|asked| asked.iter().copied().sum()).collect() })
    }

    /// The rewards of contexts, and what the server's cache saved at every time of asking. Those
    /// that a request leaves without all answers are asked for again, with more tokens, where that
    /// may help. The questions of a session stand together.
    fn answered(&self, contexts: &[Vec<Token>], keys: &[u32]) -> Result<(Vec<f32>, Vec<SavedEachTime>), RemoteError> {
        let size = self.server.model().vocab_size.unwrap_or(self.vocabulary.size()).max(self.vocabulary.size());
        let (mut value, mut cached) = (vec![None; contexts.len()], vec![Vec::new(); contexts.len()]);
        let most = self.server.model().vocab_size.unwrap_or(size);
        let mut top = self.server.settings().top.min(most);
        let mut open: Vec<usize> = (0..contexts.len()).collect();
        while !open.is_empty() {
            let sequences = open.iter().map(|place| (keys[*place], contexts[*place].clone())).collect::<Vec<_>>();
            let mut again = Vec::new();
            for (place, listed) in open.into_iter().zip(self.server.step(&sequences, top, &self.answers, size)?) {
                cached[place].push(listed.cached);
                let question = place % self.renderers.len();
                value[place] = self.rules.reward(question, &listed.tokens);
                match value[place] {
                    Some(_) => {}
                    None if top < most && self.lists_more(&listed, top) => again.push(place),
                    None => return Err(self.missing(place, &listed.tokens)),
                }
            }
            open = again;
            top = top.saturating_mul(4).min(most);
        }
        Ok((value.into_iter().flatten().collect(), cached))
    }

    /// Whether the server may list more tokens of a context than these if it is asked for more than
    /// `top`: llama.cpp may, unless it has listed fewer than that. The others list the answers by
    /// their ids at once or never.
    fn lists_more(&self, listed: &Listed, top: usize) -> bool {
        self.server.engine() == EngineKind::LlamaCpp && listed.count >= top
    }

    fn missing(&self, sequence: usize, listed: &[(Token, f32)]) -> RemoteError {
        let tokens = self.rules.missing(sequence % self.renderers.len(), listed);
        self.server.unusable(AnswerProblem::Missing { sequence, tokens })
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
