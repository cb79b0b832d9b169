//! What a server takes on, and how long it waits.

use std::time::Duration;

use clap::Args;
use saffron_search::scheduler::Limits;
use saffron_search::serve::RequestLimits;

/// Arguments: what the server takes on.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct ServeLimits {
    /// Searches that run at the same time.
    #[arg(long, default_value_t = 16)]
    pub running: usize,
    /// Requests that wait for a place; one more is answered 429.
    #[arg(long, default_value_t = 64)]
    pub queued: usize,
    /// Connections at the same time.
    #[arg(long, default_value_t = 512)]
    pub connections: usize,
    /// Seconds that an answer may take; then it is the best so far.
    #[arg(long, default_value_t = 60.0)]
    pub deadline: f64,
    /// Seconds that a search may take to end once it is cancelled: a model's call is not broken off.
    #[arg(long, default_value_t = 2.0)]
    pub grace: f64,
    /// Seconds that a request's header and body, and a client that does not read, may take each.
    #[arg(long, default_value_t = 10.0)]
    pub patience: f64,
    /// Seconds that running searches may take to end when the server is told to.
    #[arg(long, default_value_t = 30.0)]
    pub drain: f64,
    /// Seconds between signs of life in a stream without text.
    #[arg(long, default_value_t = 10.0)]
    pub keep_alive: f64,
    /// Longest prompt, in the policy's tokens.
    #[arg(long, default_value_t = 4096)]
    pub max_prompt_tokens: usize,
    /// Largest body, in KiB.
    #[arg(long, default_value_t = 1024)]
    pub max_body_kb: usize,
    /// Longest conversation, in messages.
    #[arg(long, default_value_t = 256)]
    pub max_messages: usize,
}

impl ServeLimits {
    /// How much a request may hold.
    #[must_use]
    pub fn request(&self) -> RequestLimits {
        RequestLimits { body_bytes: self.max_body_kb.saturating_mul(1024), messages: self.max_messages }
    }

    /// How many requests the scheduler holds.
    #[must_use]
    pub fn scheduler(&self) -> Limits {
        Limits { running: self.running, queued: self.queued }
    }
}

/// A number of seconds from the command line; what is none is taken as the least.
pub(super) fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number.clamp(0.0, 1e6)).unwrap_or_default()
}
