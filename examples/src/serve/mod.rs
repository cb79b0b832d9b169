//! A defended, OpenAI-compatible server: the network's side of `saffron_search::serve`. It watches
//! the clock and cancels; the library reads none.

mod args;
mod connections;
mod events;
mod gateway;
mod guarded;
mod key;
mod layouts;
mod limits;
mod metrics;
mod routes;
mod running;
mod search;
mod stalling;
mod transcripts;

pub use args::ServeArgs;
pub use connections::{ListenLimits, Server};
pub use gateway::{Gateway, Models};
pub use key::ServerKey;
pub use layouts::ConversationLayout;
pub use limits::ServeLimits;
pub use routes::router;
pub use search::ServedSearchArgs;
pub use transcripts::Transcripts;
