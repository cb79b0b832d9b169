//! What a server offers, and how far a request may change it.

use std::ops::RangeInclusive;

use saffron_core::{Budget, Thresholds};

use super::error::ApiError;
use super::request::CompletionRequest;
use super::search_wishes::SearchWishes;
use crate::searcher::{Reaction, Rules, SearchConfig, Searcher};

/// What a server offers: a model's name, a search, and the limits within which a request may change
/// it. A request may make thresholds stricter and budgets smaller, never the other way round.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The name that requests give the model.
    pub model: String,
    /// The search. Its `max_new_tokens` is the longest answer and the default; its rules are those
    /// of every answer.
    pub search: SearchConfig,
    /// The widths that a request may choose from. The server's own alone, by default.
    pub widths: Option<RangeInclusive<usize>>,
    /// What happens to an answer that a request's thresholds call unsafe, where the server has no
    /// rules.
    pub on_unsafe: Reaction,
    /// What happens to one of which they can say nothing.
    pub on_undecided: Reaction,
    /// Whether there is a reward model.
    pub rewarded: bool,
    /// Whether FLOPs are counted: the sizes of a served model may be unknown.
    pub flops_known: bool,
    /// The longest deadline of a request, in milliseconds; none for no deadline.
    pub deadline_ms: Option<u64>,
}

/// The search of a request.
#[derive(Debug)]
pub struct PlannedSearch {
    /// The searcher.
    pub searcher: Searcher,
    /// Whether nothing may be sent before the end: the verdict or the strategy may put another text
    /// in the answer's place, or an error.
    pub withheld: bool,
    /// Milliseconds that the answer may take.
    pub deadline_ms: Option<u64>,
}

impl Offer {
    /// A search under a model's name, with no reward model and no limits.
    #[must_use]
    pub fn new(model: impl Into<String>, search: SearchConfig) -> Self {
        Self {
            model: model.into(),
            search,
            widths: None,
            on_unsafe: Reaction::Answer,
            on_undecided: Reaction::Answer,
            rewarded: false,
            flops_known: false,
            deadline_ms: None,
        }
    }

    /// The search of a request.
    ///
    /// # Errors
    ///
    /// Another model than the server's, wishes outside its limits, settings that cannot be run with.
    pub fn plan(&self, request: &CompletionRequest) -> Result<PlannedSearch, ApiError> {
        if request.model != self.model {
            let message = format!("this server has no such model; it has {:?}", self.model);
            return Err(ApiError { status: 404, ..ApiError::invalid("model_not_found", message).of("model") });
        }
        if request.without_chance && self.search.strategy.draws() {
            let message = "temperature may only be 1 here: the server's search draws random numbers";
            return Err(ApiError::invalid("unsupported_value", message).of("temperature"));
        }
        let wishes = &request.search;
        let config = SearchConfig {
            size: self.width(wishes.width)?,
            max_new_tokens: self.max_new_tokens(request.max_tokens)?,
            budget: self.budget(&wishes.budget)?,
            seed: request.seed.unwrap_or(self.search.seed),
            rules: self.rules(wishes)?,
            ..self.search.clone()
        };
        let searcher = Searcher::from_config(&config).map_err(|error| ApiError::from(&error))?;
        Ok(PlannedSearch {
            withheld: searcher.may_replace(),
            searcher,
            deadline_ms: self.deadline(wishes.deadline_ms)?,
        })
    }

    fn width(&self, wanted: Option<usize>) -> Result<Option<usize>, ApiError> {
        let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != self.search.size) else {
            return Ok(self.search.size);
        };
        let (Some(own), Some(_)) = (self.search.size, self.search.strategy.budget()) else {
            let message = "the server's search has no width";
            return Err(ApiError::invalid("unsupported_value", message).of("saffron.width"));
        };
        let (least, most) = self.widths.as_ref().map_or((own, own), |widths| (*widths.start(), *widths.end()));
        within("saffron.width", wanted, least, most).map(Some)
    }

    fn max_new_tokens(&self, wanted: Option<usize>) -> Result<Option<usize>, ApiError> {
        match (wanted, self.search.max_new_tokens) {
            (Some(wanted), Some(most)) => within("max_tokens", wanted, 1, most).map(Some),
            (wanted, own) => Ok(wanted.or(own)),
        }
    }

    fn deadline(&self, wanted: Option<u64>) -> Result<Option<u64>, ApiError> {
        match (wanted, self.deadline_ms) {
            (Some(wanted), Some(most)) => within("saffron.deadline_ms", wanted, 1, most).map(Some),
            (wanted, own) => Ok(wanted.or(own)),
        }
    }

    fn budget(&self, wanted: &Budget) -> Result<Budget, ApiError> {
        let own = &self.search.budget;
        if wanted.max_flops.is_some() && !self.flops_known {
            let message = "saffron.budget.max_flops: the sizes of a model behind this server are unknown, so FLOPs \
                           are not counted";
            return Err(ApiError::invalid("unsupported_value", message).of("saffron.budget.max_flops"));
        }
        let limit = |name: &str, wanted: Option<u64>, own: Option<u64>| match (wanted, own) {
            (Some(wanted), Some(most)) => within(&format!("saffron.budget.{name}"), wanted, 1, most).map(Some),
            (wanted, own) => Ok(wanted.or(own)),
        };
        Ok(Budget {
            max_policy_calls: limit("max_policy_calls", wanted.max_policy_calls, own.max_policy_calls)?,
            max_reward_calls: limit("max_reward_calls", wanted.max_reward_calls, own.max_reward_calls)?,
            max_policy_tokens: limit("max_policy_tokens", wanted.max_policy_tokens, own.max_policy_tokens)?,
            max_reward_tokens: limit("max_reward_tokens", wanted.max_reward_tokens, own.max_reward_tokens)?,
            max_flops: limit("max_flops", wanted.max_flops, own.max_flops)?,
        })
    }

    /// The server's rules with thresholds that are at least as strict.
    fn rules(&self, wishes: &SearchWishes) -> Result<Option<Rules>, ApiError> {
        let wanted = [wishes.unsafe_below, wishes.safe_from];
        if wanted == [None, None] {
            return Ok(self.search.rules.clone());
        }
        if !self.rewarded {
            let message = "thresholds need a reward model, and this server has none";
            return Err(ApiError::invalid("unsupported_value", message).of("saffron"));
        }
        let thresholds = match &self.search.rules {
            Some(rules) => stricter(&rules.thresholds, wanted)?,
            None => {
                let [Some(unsafe_below), Some(safe_from)] = wanted else {
                    let message = "this server has no thresholds of its own: give both unsafe_below and safe_from";
                    return Err(ApiError::invalid("missing_parameter", message).of("saffron"));
                };
                checked(unsafe_below, safe_from)?
            }
        };
        let own = Rules::new(thresholds).on_unsafe(self.on_unsafe.clone()).on_undecided(self.on_undecided.clone());
        Ok(Some(self.search.rules.as_ref().map_or(own, |rules| Rules { thresholds, ..rules.clone() })))
    }
}

fn stricter(own: &Thresholds, [unsafe_below, safe_from]: [Option<f32>; 2]) -> Result<Thresholds, ApiError> {
    let limit = |name: &str, wanted: Option<f32>, least: f32| match wanted {
        Some(wanted) if wanted < least => {
            let message = format!("{name} may not lie below the server's {least}, found {wanted}");
            Err(ApiError::invalid("invalid_value", message).of(name))
        }
        wanted => Ok(wanted.unwrap_or(least)),
    };
    let unsafe_below = limit("saffron.unsafe_below", unsafe_below, own.unsafe_below())?;
    checked(unsafe_below, limit("saffron.safe_from", safe_from, own.safe_from())?)
}

fn checked(unsafe_below: f32, safe_from: f32) -> Result<Thresholds, ApiError> {
    let thresholds = Thresholds::new(unsafe_below, safe_from);
    thresholds.map_err(|error| ApiError::invalid("invalid_value", error.to_string()).of("saffron"))
}

fn within<T: PartialOrd + std::fmt::Display>(name: &str, wanted: T, least: T, most: T) -> Result<T, ApiError> {
    if wanted < least || wanted > most {
        let message = format!("{name} must lie between {least} and {most} on this server, found {wanted}");
        return Err(ApiError::invalid("invalid_value", message).of(name));
    }
    Ok(wanted)
}
