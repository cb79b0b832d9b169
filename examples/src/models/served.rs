//! Models behind servers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use saffron_core::ServerAddress;
use saffron_search::eval::models::ServedSettings;
use saffron_search::remote::{ApiKey, RemoteSettings, Server, ServerWait};

use super::note;

/// The environment's variable that holds the key of servers. It is written nowhere.
const KEY: &str = "SAFFRON_API_KEY";

/// How often a note about the same wait is repeated.
const AGAIN: Duration = Duration::from_secs(10);

/// Arguments: how long to wait for servers.
#[derive(Clone, Copy, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct WaitArgs {
    /// Seconds to wait for a server that is still loading its model.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}

impl WaitArgs {
    /// The longest wait.
    #[must_use]
    pub fn limit(self) -> Duration {
        Duration::from_secs(self.wait)
    }
}

/// Connects to a server whose model has `vocab_size` ids, if that is known. Prints what it waits
/// for.
pub(super) fn connect(
    address: &ServerAddress,
    settings: Option<&ServedSettings>,
    vocab_size: Option<usize>,
    wait: Duration,
) -> Result<Arc<Server>> {
    let ServedSettings { model, top, .. } = settings.cloned().unwrap_or_default();
    let key = std::env::var(KEY).ok().filter(|key| !key.is_empty());
    let usual = RemoteSettings::default();
    let top = top.unwrap_or(usual.top);
    let settings = RemoteSettings { wait, top, api_key: key.map(ApiKey::new), model, vocab_size, ..usual };
    let mut said: Option<ServerWait> = None;
    Ok(Server::connect_watched(address, settings, &mut |now| {
        let same = |before: &ServerWait| before.endpoint == now.endpoint && before.reason == now.reason;
        if said.as_ref().is_some_and(|before| same(before) && now.waited < before.waited + AGAIN) {
            return;
        }
        let ServerWait { endpoint, reason, waited, limit } = now;
        note(&format!("waiting for {endpoint} ({reason}), {} of {} s", waited.as_secs(), limit.as_secs()));
        said = Some(now.clone());
    })?)
}
