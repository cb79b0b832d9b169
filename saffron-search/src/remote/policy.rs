//! A language model behind a server as a policy.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, ContextLayout, ContextRenderer, Coverage, DecoderShape, Forget, LayoutOrigin,
    ModelError, Policy, Reading, Reply, Session, TextPolicy, Token, Vocabulary, Work,
};

use super::cost::ServedCost;
use super::server::{Listed, key};
use super::{RemoteError, RemoteVocabulary, Server};

/// A model that is served elsewhere and proposes next tokens. It sees prompt, prefill and response.
///
/// Candidates come from the most probable tokens that the server lists ([`CandidateFilter::apply_listed`]). Where these hold less mass than
/// asked for and all of them are candidates, twice as many are asked for once; what is short of it then is [`Coverage::Truncated`], and the outcome counts it
/// ([`RoleUsage::truncated`](saffron_core::RoleUsage::truncated)).
#[derive(Debug)]
pub struct RemotePolicy {
    server: Arc<Server>,
    vocabulary: Arc<dyn Vocabulary>,
    renderer: ContextRenderer,
    end_tokens: Vec<Token>,
    cost: ServedCost,
}

impl RemotePolicy {
    /// A policy whose server does the tokenising: vocabulary, chat template and the end of a reply are the server's. Reward models of its
    /// sessions get ids that mean something to this server alone; for a local one, give the tokenizer that both use ([`on`](Self::on)).
    ///
    /// A prefill is the beginning of a reply as the template has it. vLLM continues it
    /// (`continue_final_message`); llama.cpp cannot, and is asked for an earlier reply of the
    /// conversation, which is the same unless the template writes the last reply otherwise, as
    /// Qwen3's does (an empty `<think>` block). With a tokenizer ([`on`](Self::on)) no server is
    /// asked.
    ///
    /// # Errors
    ///
    /// A server that does not say all of it: only llama.cpp's does, vLLM's together with
    /// [`vocab_size`](super::RemoteSettings::vocab_size) and [`end_tokens`](super::RemoteSettings::end_tokens).
    pub fn open(server: Arc<Server>) -> Result<Self, RemoteError> {
        let layout = server.layout()?;
        Self::open_in(server, layout)
    }

    /// [`open`](Self::open), with a system prompt.
    ///
    /// # Errors
    ///
    /// As there; a template that takes no system prompt.
    pub fn open_with_system(server: Arc<Server>, system: &str) -> Result<Self, RemoteError> {
        let layout = server.layout_with_system(system)?;
        Self::open_in(server, layout)
    }

    fn open_in(server: Arc<Server>, layout: ContextLayout) -> Result<Self, RemoteError> {
        let end_tokens = server.end_tokens()?;
        let vocabulary = Arc::new(RemoteVocabulary::new(server.clone())?);
        Ok(Self::on(server, vocabulary, layout, end_tokens))
    }

    /// A policy with a vocabulary, a layout and end-of-sequence tokens that are known here. They
    /// must be those of the served model. A vocabulary that encodes does so in place of the server.
    pub fn on(
        server: Arc<Server>,
        vocabulary: Arc<dyn Vocabulary>,
        layout: impl Into<ContextLayout>,
        end_tokens: Vec<Token>,
    ) -> Self {
        let renderer = ContextRenderer::new(layout);
        Self { server, vocabulary, renderer, end_tokens, cost: ServedCost::default() }
    }

    /// The policy with the sizes of its model: operations are counted then. Without them tokens are, and FLOPs are 0.
    #[must_use]
    pub fn with_shape(mut self, shape: DecoderShape) -> Self {
        self.cost.shape = Some(shape);
        self
    }

    /// The policy with another layout.
    #[must_use]
    pub fn with_layout(mut self, layout: impl Into<ContextLayout>) -> Self {
        self.set_layout(layout);
        self
    }

    /// Changes the layout, as a conversation does before each turn.
    pub fn set_layout(&mut self, layout: impl Into<ContextLayout>) {
        self.renderer = ContextRenderer::new(layout);
    }

    /// The policy with other end-of-sequence tokens.
    #[must_use]
    pub fn with_end_tokens(mut self, tokens: Vec<Token>) -> Self {
        self.end_tokens = tokens;
        self
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &ContextLayout {
        self.renderer.layout()
    }

    /// Where the layout comes from. Programs warn of a guess.
    #[must_use]
    pub fn layout_origin(&self) -> &LayoutOrigin {
        self.layout().origin()
    }

    /// The whole context of a session as the model reads it. One more token must fit behind it.
    ///
    /// # Errors
    ///
    /// A session of another vocabulary, a context that does not fit the model.
    pub fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        let (expected, found) = (self.vocabulary.id(), session.vocabulary().id());
        if expected != found {
            return Err(ModelError::VocabularyMismatch { expected, found });
        }
        let reading = Reading { together: true, prefill: true };
        self.renderer.render(session, reading, self.server.room(), |ids| Ok(ids.to_vec()))
    }

    /// The candidates of sequences from the most probable tokens of each, `doubled` twice as many
    /// as it has a use for. All are asked in one request, for the longest of the lists. Each
    /// sequence is given its own list, so that its candidates do not depend on its neighbours.
    fn ask(&self, asked: &[&Asked<'_>], doubled: bool, filter: &CandidateFilter) -> Result<Vec<Answered>, ModelError> {
        let size = self.vocabulary.size();
        let served = self.server.model().vocab_size.unwrap_or(size).max(size);
        let sequences: Vec<(u32, Vec<Token>)> =
            asked.iter().map(|asked| (key(asked.session), asked.context.clone())).collect();
        let ceiling = self.server.ceiling().min(size);
        let length = |top: usize| if doubled { top.saturating_mul(2) } else { top }.min(ceiling);
        let longest = asked.iter().map(|asked| length(asked.top)).max().unwrap_or_default();
        let rows = self.server.step(&sequences, longest, &[], served)?;
        let mut answers = Vec::new();
        for (asked, Listed { mut tokens, cached, .. }) in asked.iter().zip(rows) {
            keep_most_probable(&mut tokens, length(asked.top));
            // Rows of the unembedding beyond the tokenizer's ids belong to no token.
            tokens.retain(|(token, _)| (*token as usize) < size);
            let candidates = filter.apply_listed(&tokens, size, asked.session.response(), asked.place)?;
            answers.push(Answered { candidates, listed: tokens.len(), cached });
        }
        Ok(answers)
    }
}

impl TextPolicy for RemotePolicy {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        let encoded = self.vocabulary.encode(text).map_err(|error| ModelError::other("encoding a text", error))?;
        match encoded {
            Some(ids) => Ok(ids),
            None => Ok(self.server.tokenize(text, false)?),
        }
    }
}

/// Leaves so many tokens, the most probable: servers list them in orders of their own.
fn keep_most_probable(tokens: &mut Vec<(Token, f32)>, most: usize) {
    if tokens.len() > most {
        tokens.sort_by(|(a, p), (b, q)| q.total_cmp(p).then(a.cmp(b)));
        tokens.truncate(most);
    }
}

/// A session that is asked about.
struct Asked<'a> {
    session: &'a Session,
    context: Vec<Token>,
    /// Place in the batch.
    place: usize,
    /// Tokens that it has a use for.
    top: usize,
}

/// The answer about one.
struct Answered {
    candidates: Candidates,
    /// Tokens that the server listed.
    listed: usize,
    /// Tokens of the context that the server had cached, if it says.
    cached: Option<u64>,
}

impl Policy for RemotePolicy {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
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
        // Tokens that may not come take places in the list.
        let bans = |session: &Session| {
            filter.banned.len() + filter.end_tokens.len() + filter.repeats(session.response()).count()
        };
        let ceiling = self.server.ceiling().min(self.vocabulary.size());
        let wanted = filter.top_k.unwrap_or(self.server.settings().top);
        let ask = |(place, session)| {
            let top = wanted.saturating_add(bans(session)).min(ceiling);
            Ok(Asked { session, context: self.context(session)?, place, top })
        };
        let asked = sessions.iter().enumerate().map(ask).collect::<Result<Vec<_>, ModelError>>()?;
        let first = self.ask(&asked.iter().collect::<Vec<_>>(), false, filter)?;
        let short = |asked: &&Asked<'_>| {
            let Answered { candidates, listed, .. } = &first[asked.place];
            let lacks_mass = candidates.coverage == Coverage::Truncated && candidates.mass < filter.top_p;
            // Where the list went on beyond the last candidate, a longer one gives the same.
            let ended = candidates.len() + bans(asked.session) >= *listed;
            lacks_mass && ended && filter.top_k.is_none_or(|k| candidates.len() < k) && asked.top < ceiling
        };
        let again: Vec<&Asked<'_>> = asked.iter().filter(short).collect();
        let second = if again.is_empty() { Vec::new() } else { self.ask(&again, true, filter)? };
        // What failed is asked again by the caller, so that only what has an answer is charged.
        let mut cost =
            |asked: &Asked<'_>, answer: &Answered| self.cost.of(asked.session, &asked.context, answer.cached);
        let mut work: Vec<Work> = asked.iter().zip(&first).map(|(asked, answer)| cost(asked, answer)).collect();
        let mut value: Vec<Candidates> = first.into_iter().map(|answer| answer.candidates).collect();
        for (asked, answer) in again.iter().zip(second) {
            work[asked.place] += cost(asked, &answer);
            value[asked.place] = answer.candidates;
        }
        Ok(Reply { value, work })
    }
}

impl Forget for RemotePolicy {
    /// Nothing is kept here that an answer depends on; what the server caches is its own.
    fn forget(&mut self) {}
}
