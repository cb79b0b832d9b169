//! How much a scheduler takes on.

use serde::{Deserialize, Serialize};

use super::SchedulerError;

/// Every running search has a thread.
const MOST_RUNNING: usize = 1024;
const MOST_QUEUED: usize = 1 << 16;

/// How many requests a scheduler holds at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Searches that run at the same time, from 1 to 1024; 16 by default. Each has a thread, and
    /// its open sequences have a place in the models' caches.
    pub running: usize,
    /// Requests that wait for a place, from 1 to 65,536; 64 by default.
    pub queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { running: 16, queued: 64 }
    }
}

impl Limits {
    /// Whether a scheduler can work with them.
    ///
    /// # Errors
    ///
    /// The first limit that is zero or too large.
    pub fn check(&self) -> Result<(), SchedulerError> {
        let limits = [("running", self.running, MOST_RUNNING), ("queued", self.queued, MOST_QUEUED)];
        match limits.into_iter().find(|(_, found, most)| !(1..=*most).contains(found)) {
            Some((what, found, most)) => Err(SchedulerError::Limit { what, most, found }),
            None => Ok(()),
        }
    }
}
