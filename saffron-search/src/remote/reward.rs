//! A guard model behind a server as a reward model.

use std::sync::Arc;

use saffron_core::{
    DecoderShape, ModelError, OutcomeRewardModel, ProcessRewardModel, PromptLayout, Reply, Session, Token, Vocabulary,
};

use super::books::Books;
use super::server::Listed;
use super::{AnswerProblem, EngineKind, RemoteError, Server};

/// How a served guard is asked, and which two tokens are its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteQuestion {
    /// The question around prompt and reply.
    pub layout: PromptLayout,
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
        server: &Server,
        [prefix, infix, suffix]: [&str; 3],
        [safe, not_safe]: [&str; 2],
    ) -> Result<Self, RemoteError> {
        let encode = |text| server.tokenize(text, true);
        let first = |text| {
            let token = encode(text)?.first().copied();
            token.ok_or_else(|| server.setup(format!("the answer {text:?} has no token"), "ask for another word"))
        };
        let layout = PromptLayout { prefix: encode(prefix)?, infix: encode(infix)?, suffix: encode(suffix)? };
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
/// vLLM and SGLang are asked for the two answers by their ids. llama.cpp lists the most probable tokens only: where an answer is not
/// among them, four times as many are asked for, up to all.
#[derive(Debug)]
pub struct RemoteGuard {
    server: Arc<Server>,
    vocabulary: Arc<dyn Vocabulary>,
    question: RemoteQuestion,
    books: Books,
}

impl RemoteGuard {
    /// A guard for sessions of a vocabulary, which must be that of the served model.
    pub fn new(server: Arc<Server>, vocabulary: Arc<dyn Vocabulary>, question: RemoteQuestion) -> Self {
        Self { server, vocabulary, question, books: Books::default() }
    }

    /// The guard with the sizes of its model, so that operations are counted.
    #[must_use]
    pub fn with_shape(mut self, shape: DecoderShape) -> Self {
        self.books.shape = Some(shape);
        self
    }

    fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        let (expected, found) = (self.vocabulary.id(), session.vocabulary().id());
        if expected != found {
            return Err(ModelError::VocabularyMismatch { expected, found });
        }
        let limit = self.server.model().context.map_or(usize::MAX, |context| context.saturating_sub(1));
        self.question.layout.render(session.prompt(), session.response(), limit)
    }

    /// A step whose answers have both tokens.
    fn both(&self, sequences: &[(u32, Vec<Token>)]) -> Result<Vec<Listed>, RemoteError> {
        let size = self.server.model().vocab_size.unwrap_or(self.vocabulary.size()).max(self.vocabulary.size());
        let wanted = [self.question.safe, self.question.not_safe];
        let mut top = self.server.settings().top.min(size);
        loop {
            match self.server.step(sequences, top, &wanted, size) {
                Err(RemoteError::Answer { problem: AnswerProblem::Missing { .. }, .. })
                    if self.server.engine() == EngineKind::LlamaCpp && top < size =>
                {
                    top = top.saturating_mul(4).min(size);
                }
                answer => return answer,
            }
        }
    }

    fn rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let contexts = sessions.iter().map(|session| Ok((0, self.context(session)?)));
        let contexts = contexts.collect::<Result<Vec<_>, ModelError>>()?;
        if contexts.is_empty() {
            return Ok(Reply::free(Vec::new(), 0));
        }
        let rows = self.both(&contexts)?;
        let (mut value, mut work) = (Vec::new(), Vec::new());
        for ((session, (_, context)), Listed { tokens, cached }) in sessions.iter().zip(&contexts).zip(rows) {
            let of =
                |answer| tokens.iter().find(|(token, _)| *token == answer).map_or(f32::NAN, |(_, logprob)| *logprob);
            value.push(of(self.question.safe) - of(self.question.not_safe));
            work.push(self.books.enter(session, context, cached));
        }
        Ok(Reply { value, work })
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
