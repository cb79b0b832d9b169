//! The hub that the environment names, as other programs take it.

use std::path::PathBuf;

use burn::tensor::Device;
use saffron_mrm::hub::Hub;
use saffron_mrm::{LocalModels, ModelOptions};

use crate::output::visible;
use crate::progress;

/// Models on a device, with those of the hub that the environment names (`HF_ENDPOINT`, `HF_TOKEN`,
/// `HF_HUB_CACHE` or `HF_HOME`, `HF_HUB_OFFLINE`). A bar shows how far a download has come.
pub(super) fn local_models(device: Device, options: ModelOptions) -> LocalModels {
    let mut bar = None;
    LocalModels::new(device, options).with_hub(hub(), move |now| {
        let shown = bar.get_or_insert_with(progress::download);
        shown.set_length(now.size);
        shown.set_position(now.done);
        // A terminal shows it, and it is the hub's.
        shown.set_message(visible(&now.file, true).into_owned());
        if now.done == now.size {
            shown.finish_and_clear();
            bar = None;
        }
    })
}

fn hub() -> Hub {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = || std::env::home_dir().map(|home| home.join(".cache/huggingface")).unwrap_or_default();
    let cache =
        set("HF_HUB_CACHE").map_or_else(|| set("HF_HOME").map_or_else(home, PathBuf::from).join("hub"), PathBuf::from);
    let mut hub = Hub::new(cache);
    if let Some(endpoint) = set("HF_ENDPOINT") {
        hub = hub.with_endpoint(endpoint);
    }
    if let Some(token) = set("HF_TOKEN") {
        hub = hub.with_token(token);
    }
    let yes = |value: String| ["1", "on", "yes", "true"].contains(&&value.to_lowercase()[..]);
    if set("HF_HUB_OFFLINE").is_some_and(yes) {
        hub = hub.offline();
    }
    hub
}
