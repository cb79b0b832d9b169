//! Models behind servers.

use std::sync::Arc;

use anyhow::Result;
use saffron_core::ServerAddress;
use saffron_search::eval::models::ServedSettings;
use saffron_search::remote::{ApiKey, RemoteSettings, Server};

/// The environment's variable that holds the key of servers. It is written nowhere.
const KEY: &str = "SAFFRON_API_KEY";

/// Connects to a server whose model has `vocab_size` ids, where that is known.
pub(super) fn connect(
    address: &ServerAddress,
    settings: Option<&ServedSettings>,
    vocab_size: Option<usize>,
) -> Result<Arc<Server>> {
    let ServedSettings { model, top, .. } = settings.cloned().unwrap_or_default();
    let key = std::env::var(KEY).ok().filter(|key| !key.is_empty());
    let usual = RemoteSettings::default();
    let top = top.unwrap_or(usual.top);
    let settings = RemoteSettings { top, api_key: key.map(ApiKey::new), model, vocab_size, ..usual };
    Ok(Server::connect(address, settings)?)
}
