//! The language of OpenAI-compatible servers, without a server: requests and what their parameters
//! mean, answers, and what may be sent of a search that still runs.
//!
//! - [`CompletionRequest::read`] reads a body of `/v1/chat/completions` or `/v1/completions`. What
//!   each parameter does stands in one table, [`PARAMETERS`]; [`openapi`] and the documentation are
//!   made of it. What is not in the table is refused.
//! - An [`Offer`] is what a server offers: its search, and how far a request may change it.
//! - [`Delivery`] watches the search. It releases text that no surviving sequence can change, whole
//!   characters only, and nothing that may be the beginning of a stop string.
//! - [`Envelope`] writes answers and the chunks of a stream.
//!
//! Nothing here reads a clock, opens a connection or draws a random number.
//!
//! ```
//! use saffron_core::testing::TablePolicy;
//! use saffron_core::{NoReward, Policy};
//! use saffron_search::serve::{CompletionRequest, Delivery, Endpoint, Envelope, Offer, RequestLimits, Update};
//! use saffron_search::strategy::StrategyConfig;
//! use saffron_search::SearchConfig;
//!
//! let body = br#"{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}"#;
//! let request = CompletionRequest::read(Endpoint::Chat, body, &RequestLimits::default())?;
//! let offer = Offer::new("m", SearchConfig::new(StrategyConfig::Greedy {}, None));
//! let planned = offer.plan(&request)?;
//!
//! let mut policy = TablePolicy::new(vec![0.0, 1.0, 2.0], vec![0]);
//! let session = policy.session(&[1])?;
//! let mut found = None;
//! let tell = |update| if let Update::End(answer) = update { found = Some(answer) };
//! let mut delivery = Delivery::new(policy.vocabulary(), &request.stop, planned.withheld, tell);
//! planned.searcher.run_observed(&session, &mut policy, &mut NoReward, &mut delivery)?;
//! drop(delivery);
//!
//! let answer = found.ok_or("no answer")??;
//! let envelope = Envelope::new(&request, "id", 0).flops_known(false);
//! let body = envelope.whole(&answer, 1);
//! assert_eq!(body["choices"][0]["message"]["content"], "2 2 2");
//! assert_eq!(body["choices"][0]["finish_reason"], "length");
//! assert_eq!(body["usage"]["completion_tokens"], 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod delivery;
mod detokenize;
mod envelope;
mod error;
mod message;
mod offer;
mod openapi;
mod parameter;
mod prompt;
mod record;
mod request;
mod search_wishes;
mod shape;
mod stop_filter;
mod table;

pub use answer::{Answer, FinishReason, Piece};
pub use delivery::{Delivery, Update};
pub use envelope::Envelope;
pub use error::{ApiError, ErrorKind};
pub use offer::{Offer, PlannedSearch};
pub use openapi::openapi;
pub use parameter::{Endpoint, Parameter, Treatment, parameter_table};
pub use prompt::{Prompt, Speaker, Turn};
pub use request::{CompletionRequest, RequestLimits};
pub use search_wishes::SearchWishes;
pub use shape::Shape;
pub use table::PARAMETERS;
