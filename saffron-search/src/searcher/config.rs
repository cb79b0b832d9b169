//! A whole search as data: strategy, candidates, limits.

use saffron_core::{Budget, ConfigError, SearchError};
use serde::{Deserialize, Serialize};

use super::Searcher;
use super::rules::Rules;
use crate::strategy::{FilterConfig, StrategyConfig};

/// A search as data, for [`Searcher::from_config`]. What is left out is the strategy's own.
///
/// ```
/// use saffron_search::{SearchConfig, Searcher};
/// let text = r#"{"strategy": {"kind": "saffron"}, "size": 8, "filter": {"top_p": 0.8}, "max_new_tokens": 64}"#;
/// let config: SearchConfig = serde_json::from_str(text)?;
/// let searcher = Searcher::from_config(&config)?;
/// assert_eq!(searcher.settings().max_new_tokens, 64);
/// assert_eq!((searcher.settings().filter.top_p, searcher.settings().filter.top_k), (0.8, Some(8)));
/// // A strategy with a budget needs its size, one without takes none.
/// let greedy: SearchConfig = serde_json::from_str(r#"{"strategy": {"kind": "greedy"}, "size": 8}"#)?;
/// assert!(Searcher::from_config(&greedy).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// The strategy.
    pub strategy: StrategyConfig,
    /// What the strategy spends: its width, samples, beams, particles, simulations, tries or alarms
    /// ([`StrategyConfig::budget`]). Strategies without a budget, such as greedy decoding, take none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Changes to the strategy's candidates.
    #[serde(default)]
    pub filter: FilterConfig,
    /// The longest response, in tokens. Default: the strategy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<usize>,
    /// What the search may cost. Default: no limit.
    #[serde(default)]
    pub budget: Budget,
    /// Seed of the strategy's random numbers.
    #[serde(default)]
    pub seed: u64,
    /// How answers are judged. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
}

impl SearchConfig {
    /// A strategy with its own candidates and limits; `size` as the field of that name.
    #[must_use]
    pub fn new(strategy: StrategyConfig, size: impl Into<Option<usize>>) -> Self {
        Self {
            strategy,
            size: size.into(),
            filter: FilterConfig::default(),
            max_new_tokens: None,
            budget: Budget::default(),
            seed: 0,
            rules: None,
        }
    }
}

impl Searcher {
    /// The searcher of a configuration.
    ///
    /// # Errors
    ///
    /// A size that the strategy needs and the configuration lacks, or the other way round; settings
    /// that cannot be run with.
    pub fn from_config(config: &SearchConfig) -> Result<Self, SearchError> {
        let size = match (config.strategy.budget(), config.size) {
            (Some(_), Some(size)) => size,
            (None, None) => 1,
            (Some(what), None) => return Err(ConfigError::NoSize { what }.into()),
            (None, Some(found)) => return Err(ConfigError::SizeWithoutUse { found }.into()),
        };
        let strategy = config.strategy.build(size);
        let filter = config.filter.over(strategy.default_filter());
        let max_new_tokens = config.max_new_tokens.unwrap_or(strategy.default_max_new_tokens());
        let searcher = Self::new(strategy).filter(filter).max_new_tokens(max_new_tokens);
        let searcher = searcher.budget(config.budget).seed(config.seed);
        let searcher = match &config.rules {
            Some(rules) => searcher.ruled_by(rules.clone()),
            None => searcher,
        };
        // Whether there is a reward model is not known yet.
        searcher.plan.check(&*searcher.strategy, true)?;
        Ok(searcher)
    }
}
