//! A multifurcation reward model behind a server.

mod beside;
mod biased;
mod choose;
mod groups;
mod named;
mod pooling;
mod probe;
mod report;
mod route;
mod row;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use saffron_core::{
    Candidates, ChildReward, ContextLayout, ContextRenderer, DecoderShape, Forget, HeadLayout, ModelError,
    MultifurcationRewardModel, Preset, Reading, Reply, ServedHead, Session, Token, Vocabulary, Work,
};

use super::cost::ServedCost;
use super::served_layout::{ServedLayout, Words};
use super::server::key;
use super::{RemoteError, Server};
use route::{Keyed, Route, Rows};

pub use report::RewardReport;
pub use route::RewardRoute;
pub use settings::RewardSettings;

/// A multifurcation reward model on an engine: its rewards of named candidates, or of all, are those
/// of the same model here. It sees prompt and response, and not the prefill unless
/// [told to](RewardSettings::sees_prefill).
///
/// The engine gives logits, or what logits follow from ([`RewardRoute`]); bias and unseen tokens are
/// the client's, from the model's [head](ServedHead). Lists of candidates that are longer than the
/// engine takes are parted, equal contexts are asked about once, and a row that is short is asked
/// for again before it is an error.
///
/// ```no_run
/// use saffron_core::{Policy, TextPolicy};
/// use saffron_search::remote::{RemoteMrm, RemotePolicy, RemoteSettings, RewardSettings, Server, read_head};
/// use saffron_search::{Saffron, Searcher};
///
/// let policy = Server::connect(&"vllm:http://10.0.0.7:8000".parse()?, RemoteSettings::default())?;
/// let rewards = Server::reach(&"vllm:http://10.0.0.8:8000".parse()?, RemoteSettings::default(), &mut |_| {})?;
/// let mut policy = RemotePolicy::open(policy)?;
/// let head = read_head("models/mrm-for-vllm")?;
/// let mut mrm = RemoteMrm::open(rewards, policy.vocabulary(), head, RewardSettings::default())?;
/// let session = policy.session("How do I pick a lock?")?;
/// let outcome = Searcher::new(Saffron::new(16)).run(&session, &mut policy, &mut mrm)?;
/// println!("{}", policy.text(&outcome.best)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RemoteMrm {
    server: Arc<Server>,
    vocabulary: Arc<dyn Vocabulary>,
    renderer: ContextRenderer,
    head: Arc<ServedHead>,
    route: Box<dyn Route>,
    report: RewardReport,
    settings: RewardSettings,
    cost: ServedCost,
}

impl RemoteMrm {
    /// A reward model whose server tokenises prompts in the layout that the head holds.
    /// `vocabulary` is the policy's.
    ///
    /// # Errors
    ///
    /// A head without a layout, or one whose words the server's tokenizer encodes otherwise: give a
    /// tokenizer ([`on`](Self::on)). Otherwise as there.
    pub fn open(
        server: Arc<Server>,
        vocabulary: Arc<dyn Vocabulary>,
        head: ServedHead,
        settings: RewardSettings,
    ) -> Result<Self, RemoteError> {
        let layout = layout(&server, head.notes.layout.as_ref())?;
        Self::on(server, vocabulary, layout, head, settings)
    }

    /// A reward model with a layout that is given. Tries what a search will ask for, on every
    /// endpoint: whether the server gives logits, how far its rewards lie from those of the exported
    /// model, whether they move in a batch, how many ids a request may name, whether base and
    /// adapter disturb each other, whether the vocabularies are equal. What does not suit is an
    /// error that says what mends it.
    ///
    /// # Errors
    ///
    /// A server without a route to rewards, or one that gives others than the exported model's; a
    /// head for another vocabulary; settings that are no numbers.
    pub fn on(
        server: Arc<Server>,
        vocabulary: Arc<dyn Vocabulary>,
        layout: impl Into<ContextLayout>,
        head: ServedHead,
        settings: RewardSettings,
    ) -> Result<Self, RemoteError> {
        settings.check()?;
        let head = Arc::new(head);
        probe::check_head(&server, &head, &*vocabulary)?;
        let route = choose::route(&server, &head, settings.route)?;
        let report = probe::report(&server, &head, &*route, settings.tolerance)?;
        let (renderer, cost) = (ContextRenderer::new(layout), ServedCost::default());
        Ok(Self { server, vocabulary, renderer, head, route, report, settings, cost })
    }

    /// The model with its sizes, so that operations are counted.
    #[must_use]
    pub fn with_shape(mut self, shape: DecoderShape) -> Self {
        self.cost.shape = Some(shape);
        self
    }

    /// The model with another layout, as a conversation has before each turn.
    #[must_use]
    pub fn with_layout(mut self, layout: impl Into<ContextLayout>) -> Self {
        self.renderer = ContextRenderer::new(layout);
        self
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &ContextLayout {
        self.renderer.layout()
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Bias, unseen tokens and notes.
    #[must_use]
    pub fn head(&self) -> &ServedHead {
        &self.head
    }

    /// What the probes found.
    #[must_use]
    pub fn report(&self) -> &RewardReport {
        &self.report
    }

    /// The preset that the head asks for, if it asks for one.
    #[must_use]
    pub fn preset(&self) -> Option<Preset> {
        self.head.notes.preset
    }

    /// The whole context of a session as the model reads it.
    ///
    /// # Errors
    ///
    /// A session of another vocabulary, a context that does not fit the model.
    pub fn context(&self, session: &Session) -> Result<Vec<Token>, ModelError> {
        let (expected, found) = (self.vocabulary.id(), session.vocabulary().id());
        if expected != found {
            return Err(ModelError::VocabularyMismatch { expected, found });
        }
        let reading = Reading { together: true, prefill: self.settings.sees_prefill };
        self.renderer.render(session, reading, self.server.room(), |ids| Ok(ids.to_vec()))
    }

    /// The rewards of every seen token after raw ids; none for unseen ones. A server that is asked
    /// by ids gets a request for every few of them.
    ///
    /// # Errors
    ///
    /// Whatever keeps the server from answering.
    pub fn raw_rewards(&self, sequences: &[Vec<Token>]) -> Result<Vec<Vec<Option<f32>>>, ModelError> {
        let size = Token::try_from(self.head.head.bias.len()).unwrap_or(Token::MAX);
        let seen: BTreeSet<Token> = (0..size).filter(|token| self.head.head.is_seen(*token)).collect();
        let contexts: Vec<Keyed> = sequences.iter().map(|tokens| (0, tokens.clone())).collect();
        let ids = vec![seen; contexts.len()];
        let rows = self.route.rows(&contexts, &ids)?;
        let row = |rows: &Rows| (0..size).map(|token| self.reward(token, rows).seen()).collect();
        Ok(rows.iter().map(row).collect())
    }

    fn reward(&self, token: Token, rows: &Rows) -> ChildReward {
        let logit = rows.iter().find_map(|row| row.logits.get(&token).copied());
        match logit {
            Some(logit) if self.settings.adds_bias => self.head.head.reward(token, logit),
            Some(logit) if self.head.head.is_seen(token) => ChildReward::Seen(logit),
            _ => ChildReward::Unseen,
        }
    }
}

/// The layout of a head, tokenised by the server.
fn layout(server: &Arc<Server>, layout: Option<&HeadLayout>) -> Result<ContextLayout, RemoteError> {
    const REMEDY: &str = "give the model's tokenizer (`RemoteMrm::on`)";
    let Some(HeadLayout { name, ids, words, begin }) = layout else {
        return Err(server.setup("the head of its reward model holds no prompt layout", REMEDY));
    };
    let Some(words) = words else { return Ok(ids.clone().into()) };
    let begin: Vec<Token> = begin.iter().copied().collect();
    let encode = |text: &str| if text.is_empty() { Ok(Vec::new()) } else { server.tokenize(text, true) };
    let (prefix, infix) = ([begin.clone(), encode(&words[0])?].concat(), encode(&words[1])?);
    if (&prefix, &infix) != (&ids.prefix, &ids.infix) {
        let found = format!(
            "its tokenizer encodes the words of the layout {name:?} as {prefix:?} and {infix:?}, the exported model's as \
             {:?} and {:?}",
            ids.prefix, ids.infix
        );
        return Err(server.setup(found, "serve the model with its own tokenizer"));
    }
    Ok(ServedLayout::layout(server, Words::Around { begin, words: words.clone() }, ids.clone()))
}

/// Contexts that are asked about once, and which of them each session has.
struct Unique {
    contexts: Vec<Keyed>,
    ids: Vec<BTreeSet<Token>>,
    /// For each session the place of its context; none where no id is asked for.
    places: Vec<Option<usize>>,
}

impl RemoteMrm {
    /// Equal contexts become one, which is asked about the seen candidates of all.
    fn unique(&self, sessions: &[Session], contexts: &[Vec<Token>], candidates: &[Candidates]) -> Unique {
        let mut known: BTreeMap<&[Token], usize> = BTreeMap::new();
        let mut unique = Unique { contexts: Vec::new(), ids: Vec::new(), places: Vec::new() };
        for ((session, context), list) in sessions.iter().zip(contexts).zip(candidates) {
            let seen: BTreeSet<Token> = list.tokens().filter(|token| self.head.head.is_seen(*token)).collect();
            let place = (!seen.is_empty()).then(|| {
                *known.entry(&context[..]).or_insert_with(|| {
                    unique.contexts.push((key(session), context.clone()));
                    unique.ids.push(BTreeSet::new());
                    unique.contexts.len() - 1
                })
            });
            if let Some(place) = place {
                unique.ids[place].extend(seen);
            }
            unique.places.push(place);
        }
        unique
    }

    /// What a context cost that was part of some requests. Where no id was asked for, nothing ran.
    fn work(&mut self, session: &Session, context: &[Token], rows: &Rows) -> Work {
        let mut work = Work::default();
        for (place, row) in rows.iter().enumerate() {
            work += match place {
                0 => self.cost.of(session, context, row.cached),
                // The same context about further ids: it is attributed once.
                _ => self.cost.again(context, row.cached),
            };
        }
        work
    }
}

impl MultifurcationRewardModel for RemoteMrm {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        if sessions.len() != candidates.len() {
            let (expected, found) = (sessions.len(), candidates.len());
            return Err(ModelError::BatchMismatch { what: "candidate lists in a batch", expected, found });
        }
        let contexts = sessions.iter().map(|session| self.context(session)).collect::<Result<Vec<_>, _>>()?;
        let unique = self.unique(sessions, &contexts, candidates);
        let rows = self.route.rows(&unique.contexts, &unique.ids)?;
        let nothing = Rows::new();
        let of = |place: &Option<usize>| place.map_or(&nothing, |place| &rows[place]);
        let value = unique.places.iter().zip(candidates);
        let value =
            value.map(|(place, list)| list.tokens().map(|token| self.reward(token, of(place))).collect()).collect();
        let asked = sessions.iter().zip(&contexts).zip(&unique.places);
        let work = asked.map(|((session, context), place)| self.work(session, context, of(place))).collect();
        Ok(Reply { value, work })
    }

    fn describe(&self) -> String {
        let bias = if self.settings.adds_bias { "bias added" } else { "bias left out" };
        let prefill = if self.settings.sees_prefill { ", prefill seen" } else { "" };
        let (engine, route) = (self.server.engine(), self.report.route);
        format!("mrm (ids as they are, {bias}{prefill}; served by {engine}, {route})")
    }
}

impl Forget for RemoteMrm {
    /// Nothing is kept here that an answer depends on; what the server caches is its own.
    fn forget(&mut self) {}
}
