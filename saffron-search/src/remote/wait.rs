//! Waiting for a server that is still loading its model.

use std::time::{Duration, Instant};

use super::engine::Protocol;
use super::http::{Http, Readiness};
use super::{EngineKind, RemoteError, RemoteSettings};

/// The shortest and the longest pause between two checks of a server.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// A server that is not ready yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerWait {
    /// The endpoint.
    pub endpoint: String,
    /// Its message, or why there is none.
    pub reason: String,
    /// The time waited so far.
    pub waited: Duration,
    /// The longest wait ([`RemoteSettings::wait`]).
    pub limit: Duration,
}

/// Waits until no endpoint is still loading. Other failures are left to the first request.
pub(super) fn until_ready(
    engine: EngineKind,
    http: &Http,
    endpoints: &[String],
    settings: &RemoteSettings,
    watch: &mut dyn FnMut(&ServerWait),
) -> Result<(), RemoteError> {
    if settings.wait.is_zero() {
        return Ok(());
    }
    let ([shortest, longest], begun) = (PAUSES, Instant::now());
    for endpoint in endpoints {
        let mut pause = settings.backoff.clamp(shortest, longest);
        while let Readiness::Loading(reason) = http.readiness(endpoint, engine.ready_path()) {
            let (waited, limit) = (begun.elapsed(), settings.wait);
            if waited >= limit {
                return Err(http.error(RemoteError::NotReady { endpoint: endpoint.clone(), waited, reason }));
            }
            watch(&ServerWait { endpoint: endpoint.clone(), reason, waited, limit });
            std::thread::sleep(pause.min(limit - waited));
            pause = pause.saturating_mul(2).min(longest);
        }
    }
    Ok(())
}
