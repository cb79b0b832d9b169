//! The ways to rewards of a served model.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use saffron_core::{ServedHead, Token};

use super::biased::BiasedIds;
use super::groups::{Group, groups};
use super::named::NamedIds;
use super::pooling::HiddenStates;
use super::row::LogitRow;
use crate::remote::server::{Asking, Exchange};
use crate::remote::{EngineKind, RemoteError, Server};

/// How rewards are got from an engine.
///
/// | route | engines | served |
/// |---|---|---|
/// | `logits` | vLLM with `--logprobs-mode raw_logits` | the merged model |
/// | `pooling` | vLLM with `--runner pooling` | the merged model; the client has the unembedding |
/// | `reference` | vLLM, llama.cpp, SGLang | a model in which the logit of one token, the reference, is 0 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RewardRoute {
    /// The engine gives logits of named tokens.
    Logits,
    /// The engine gives hidden states.
    Pooling,
    /// The engine gives log-probabilities of named tokens and of the reference token.
    Reference,
}

impl RewardRoute {
    /// All routes.
    pub const ALL: [Self; 3] = [Self::Logits, Self::Pooling, Self::Reference];

    /// The name, as configurations and programs have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Pooling => "pooling",
            Self::Reference => "reference",
        }
    }
}

impl fmt::Display for RewardRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RewardRoute {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let found = Self::ALL.into_iter().find(|route| route.name() == text);
        let names = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| RemoteError::Settings {
            reason: format!("{text:?} is no route to rewards; they are {names}"),
        })
    }
}

/// A context that is asked about; its key decides the endpoint.
pub(super) type Keyed = (u32, Vec<Token>);

/// What was found of one context: a row of every request that it was part of.
pub(super) type Rows = Vec<LogitRow>;

/// A way to rewards.
pub(super) trait Route: fmt::Debug + Send + Sync {
    /// Its name.
    fn kind(&self) -> RewardRoute;

    /// The most ids of a request, the reference token not counted.
    fn id_limit(&self) -> usize;

    /// Logits of the ids after every context.
    fn rows(&self, contexts: &[Keyed], ids: &[BTreeSet<Token>]) -> Result<Vec<Rows>, RemoteError>;

    /// [`rows`](Self::rows) of one endpoint, in one request where the ids fit.
    fn rows_at(&self, endpoint: &str, contexts: &[Vec<Token>], ids: &BTreeSet<Token>)
    -> Result<Vec<Rows>, RemoteError>;
}

/// Values of named ids, as one of two exchanges.
#[derive(Debug)]
pub(super) struct ById {
    pub(super) server: Arc<Server>,
    pub(super) reference: Option<Token>,
    pub(super) limit: usize,
}

impl ById {
    fn asked<'a, E: Exchange<Row = LogitRow>>(
        &self,
        contexts: &[Keyed],
        groups: &'a [Group],
        exchange: impl Fn(&'a [Token]) -> E,
    ) -> Result<Vec<Rows>, RemoteError> {
        let asking = |group: &'a Group| {
            let sequences = group.places.iter().map(|place| contexts[*place].clone()).collect();
            Asking { sequences, exchange: exchange(&group.ids) }
        };
        let askings: Vec<Asking<E>> = groups.iter().map(asking).collect();
        let mut rows: Vec<Rows> = contexts.iter().map(|_| Vec::new()).collect();
        for (group, found) in groups.iter().zip(self.server.ask(&askings)?) {
            for (place, row) in group.places.iter().zip(found) {
                rows[*place].push(row);
            }
        }
        Ok(rows)
    }

    fn named<'a>(&'a self, ids: &'a [Token]) -> NamedIds<'a> {
        NamedIds::new(self.server.engine(), &self.server.model().name, ids, self.reference)
    }

    /// The reference token, for llama.cpp.
    fn biased<'a>(&self, ids: &'a [Token]) -> Option<BiasedIds<'a>> {
        let reference = self.reference.filter(|_| self.server.engine() == EngineKind::LlamaCpp)?;
        Some(BiasedIds { ids, reference })
    }
}

impl Route for ById {
    fn kind(&self) -> RewardRoute {
        if self.reference.is_some() { RewardRoute::Reference } else { RewardRoute::Logits }
    }

    fn id_limit(&self) -> usize {
        self.limit
    }

    fn rows(&self, contexts: &[Keyed], ids: &[BTreeSet<Token>]) -> Result<Vec<Rows>, RemoteError> {
        let groups = groups(ids, self.limit);
        match self.reference.filter(|_| self.server.engine() == EngineKind::LlamaCpp) {
            Some(reference) => self.asked(contexts, &groups, |ids| BiasedIds { ids, reference }),
            None => self.asked(contexts, &groups, |ids| self.named(ids)),
        }
    }

    fn rows_at(
        &self,
        endpoint: &str,
        contexts: &[Vec<Token>],
        ids: &BTreeSet<Token>,
    ) -> Result<Vec<Rows>, RemoteError> {
        let ids: Vec<Token> = ids.iter().copied().collect();
        let rows = match self.biased(&ids) {
            Some(exchange) => self.server.ask_one(endpoint, contexts, &exchange),
            None => self.server.ask_one(endpoint, contexts, &self.named(&ids)),
        };
        Ok(rows?.into_iter().map(|row| vec![row]).collect())
    }
}

/// Hidden states, with the unembedding here.
#[derive(Debug)]
pub(super) struct Pooled {
    pub(super) server: Arc<Server>,
    pub(super) head: Arc<ServedHead>,
    pub(super) width: usize,
}

impl Pooled {
    fn exchange(&self) -> HiddenStates<'_> {
        HiddenStates { model: &self.server.model().name, width: self.width }
    }

    /// Logits of ids after the context of a hidden state.
    fn row(&self, hidden: &[f32], ids: &BTreeSet<Token>) -> Rows {
        let of = |id: &Token| {
            let product = self.head.unembedding.as_ref()?.logit(*id, hidden)?;
            Some((*id, self.head.notes.bounded(product)))
        };
        vec![LogitRow { logits: ids.iter().filter_map(of).collect(), cached: None }]
    }
}

impl Route for Pooled {
    fn kind(&self) -> RewardRoute {
        RewardRoute::Pooling
    }

    fn id_limit(&self) -> usize {
        usize::MAX
    }

    fn rows(&self, contexts: &[Keyed], ids: &[BTreeSet<Token>]) -> Result<Vec<Rows>, RemoteError> {
        let asking = Asking { sequences: contexts.to_vec(), exchange: self.exchange() };
        let hidden = self.server.ask(&[asking])?.pop().unwrap_or_default();
        Ok(hidden.iter().zip(ids).map(|(hidden, ids)| self.row(hidden, ids)).collect())
    }

    fn rows_at(
        &self,
        endpoint: &str,
        contexts: &[Vec<Token>],
        ids: &BTreeSet<Token>,
    ) -> Result<Vec<Rows>, RemoteError> {
        let hidden = self.server.ask_one(endpoint, contexts, &self.exchange())?;
        Ok(hidden.iter().map(|hidden| self.row(hidden, ids)).collect())
    }
}
